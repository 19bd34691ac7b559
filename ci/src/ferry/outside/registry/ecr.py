"""ECR: the registry of an AWS account, and the token that opens it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from anyio import to_thread

from ferry.outside.aws import failures
from ferry.outside.registry.client import Login, Registry

if TYPE_CHECKING:
    from ferry.outside.aws import Access


async def open_registry(access: Access, account: str) -> Registry:
    """The account's registry, opened with a token of the caller's. It is dialled at the endpoint where one is set."""
    token = await to_thread.run_sync(_token, access)
    user, _, password = base64.b64decode(token).decode().partition(":")
    name = f"{account}.dkr.ecr.{access.region}.amazonaws.com"
    return Registry(name, url=access.endpoint, login=Login(user, password))


def _token(access: Access) -> str:
    with failures.translated("ecr:GetAuthorizationToken"):
        said = access.client("ecr").get_authorization_token()
    return str(said["authorizationData"][0]["authorizationToken"])


async def ensure_repository(access: Access, name: str) -> bool:
    """Make the repository if it is not there; True when it had to be made. Terraform adopts it in the same run."""
    return await to_thread.run_sync(_ensure, access, name)


def _ensure(access: Access, name: str) -> bool:
    client = access.client("ecr")
    with failures.translated(f"ecr:CreateRepository {name}"):
        try:
            client.create_repository(repositoryName=name, imageScanningConfiguration={"scanOnPush": True})
        except client.exceptions.RepositoryAlreadyExistsException:
            return False
    return True
