from __future__ import annotations

import base64

import pytest

from ferry.errors import AwsError, CredentialsError
from ferry.outside.aws import Access
from ferry.outside.registry import ecr
from tests.module.small_world import PLANTED, aws
from tests.outside.aws.small_aws import NOBODY, small_aws

pytestmark = pytest.mark.anyio
TOKEN = {"authorizationData": [{"authorizationToken": base64.b64encode(b"AWS:planted-token").decode()}]}


async def test_the_registry_is_opened_with_a_token_of_the_callers() -> None:
    with aws() as endpoint:
        access = Access(region="eu-central-1", credentials=NOBODY, endpoint=endpoint)
        async with await ecr.open_registry(access, "111122223333") as registry:
            assert registry.name == "111122223333.dkr.ecr.eu-central-1.amazonaws.com"
            assert await registry.digest("app", "latest") is None
            assert PLANTED not in repr(vars(registry))


@pytest.mark.req("B-11")
async def test_a_refused_login_is_about_credentials() -> None:
    expired = {"__type": "ExpiredTokenException", "message": "The security token is expired"}
    with (
        small_aws(GetAuthorizationToken=(400, expired)) as small,
        pytest.raises(CredentialsError, match="ExpiredToken") as caught,
    ):
        await ecr.open_registry(small.access(), "111122223333")
    assert caught.value.where == "ecr:GetAuthorizationToken"


async def test_a_repository_that_is_not_there_is_made() -> None:
    with small_aws(CreateRepository=(200, {})) as small:
        assert await ecr.ensure_repository(small.access(), "app")


async def test_a_repository_that_is_there_stays() -> None:
    there = {"__type": "RepositoryAlreadyExistsException", "message": "it exists"}
    with small_aws(CreateRepository=(400, there)) as small:
        assert not await ecr.ensure_repository(small.access(), "app")


async def test_a_repository_that_may_not_be_made_is_an_error() -> None:
    denied = {"__type": "AccessDeniedException", "message": "not authorized"}
    with small_aws(CreateRepository=(400, denied)) as small, pytest.raises(AwsError, match="AccessDenied"):
        await ecr.ensure_repository(small.access(), "app")
