"""The registry asks who calls, and IAM whether they may; Ferry's own client speaks to it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from awsbox import registry as door
from ferry.errors import RegistryDenied, RegistryRefused
from ferry.outside.blobs import digest_of
from ferry.outside.builder.assemble import MANIFEST
from tests.awsbox.people import allow, deny
from tests.awsbox.pictures import picture, pull, push, registry, token
from tests.awsbox.published import refused

if TYPE_CHECKING:
    from tests.awsbox.people import Account, Caller

LOGIN = allow("ecr:GetAuthorizationToken")
PUSH = ["BatchCheckLayerAvailability", "InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage"]
PULL = ["BatchGetImage", "GetDownloadUrlForLayer"]


def made(account: Account, name: str, **more: Any) -> str:
    account.root.client("ecr").create_repository(repositoryName=name, **more)
    return account.arn("ecr", f"repository/{name}")


def able(account: Account, actions: list[str], arn: str) -> Caller:
    return account.user(LOGIN, allow([f"ecr:{action}" for action in actions], arn))


def ask(account: Account, method: str, path: str, password: str | None = None, **more: Any) -> httpx.Response:
    login = None if password is None else ("AWS", password)
    return httpx.request(method, f"{account.box.endpoint}{path}", auth=login, **more)


def test_challenge(account: Account) -> None:
    answer = ask(account, "GET", "/v2/")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Basic realm="https://')
    assert answer.headers["www-authenticate"].endswith(',service="ecr.amazonaws.com"')
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"


@pytest.mark.parametrize("password", ["", "ministack-auth-token", "bm90IG91cnM=", "%"])
def test_what_is_no_token(account: Account, password: str) -> None:
    assert ask(account, "GET", "/v2/", password).status_code == 401


def test_token_is_its_callers(account: Account) -> None:
    caller = account.user(LOGIN)
    password = token(caller)

    found = door.principal_of(password)

    assert found is not None
    assert (found.key, found.account, found.expired) == (caller.key, account.box.account, False)
    assert ask(account, "GET", "/v2/", password).status_code == 200


def test_token_needs_its_permission(account: Account) -> None:
    ecr = account.user().client("ecr")

    with refused(ecr, "AccessDeniedException", published=False):
        ecr.get_authorization_token()


def test_token_expires(account: Account) -> None:
    old = door.token_of(account.user(LOGIN).key, account.box.account, hours=-1)
    answer = ask(account, "GET", "/v2/", old)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "DENIED")
    assert "expired" in answer.json()["errors"][0]["message"]


def test_token_dies_with_its_key(account: Account) -> None:
    caller = account.user(LOGIN)
    password = token(caller)
    user = caller.arn.rpartition("/")[2]
    account.root.client("iam").update_access_key(UserName=user, AccessKeyId=caller.key, Status="Inactive")

    assert ask(account, "GET", "/v2/", password).status_code == 403


def test_push_and_pull_by_ferrys_client(account: Account) -> None:
    arn = made(account, "registry-both")
    pusher, puller = able(account, PUSH, arn), able(account, PULL, arn)

    assert push(pusher, "registry-both", picture("a"), "one", "two") == 2
    assert push(pusher, "registry-both", picture("a"), "three") == 0, "the blobs are there"
    assert pull(puller, "registry-both", "one") == picture("a")


@pytest.mark.parametrize("missing", PUSH)
def test_each_step_of_a_push_is_an_action(account: Account, missing: str) -> None:
    name = f"registry-without-{missing.lower()}"
    arn = made(account, name)
    caller = account.user(LOGIN, allow("ecr:*", arn), deny(f"ecr:{missing}", arn))

    if missing == "BatchCheckLayerAvailability":
        # Ferry's client takes a refused look for "not there", and pushes.
        assert push(caller, name, picture("a"), "one") == 2
        path = f"/v2/{name}/blobs/{digest_of(picture('a').config)}"
        assert ask(account, "HEAD", path, token(caller)).status_code == 403
        return
    with pytest.raises(RegistryDenied) as caught:
        push(caller, name, picture("a"), "one")
    assert f"ecr:{missing} on resource: {arn} with an explicit deny" in caught.value.why


@pytest.mark.parametrize("missing", PULL)
def test_each_step_of_a_pull_is_an_action(account: Account, missing: str) -> None:
    name = f"registry-without-{missing.lower()}"
    arn = made(account, name)
    push(account.root, name, picture("a"), "one")

    with pytest.raises(RegistryDenied) as caught:
        pull(able(account, [action for action in PULL if action != missing], arn), name, "one")
    assert f"ecr:{missing} on resource: {arn} because no identity-based policy" in caught.value.why


def test_one_environments_pusher_cannot_touch_anothers_repository(account: Account) -> None:
    made(account, "registry-prod-app")
    caller = able(account, [*PUSH, *PULL], account.arn("ecr", "repository/registry-preprod-*"))

    with pytest.raises(RegistryDenied):
        push(caller, "registry-prod-app", picture("a"), "one")
    with pytest.raises(RegistryDenied):
        pull(caller, "registry-prod-app", "one")


def test_repository_policy_counts(account: Account) -> None:
    made(account, "registry-policy")
    push(account.root, "registry-policy", picture("a"), "one")
    caller = account.user(LOGIN)
    said = {"Effect": "Allow", "Principal": {"AWS": caller.arn}, "Action": [f"ecr:{action}" for action in PULL]}
    text = json.dumps({"Version": "2012-10-17", "Statement": [said]})
    account.root.client("ecr").set_repository_policy(repositoryName="registry-policy", policyText=text)

    assert pull(caller, "registry-policy", "one") == picture("a")


def test_manifest_of_missing_blobs(account: Account) -> None:
    made(account, "registry-bare")
    manifest = picture("a").manifest
    headers = {"content-type": MANIFEST}
    password = token(account.root)

    for path, data, code in [
        ("one", manifest, "MANIFEST_BLOB_UNKNOWN"),
        ("one", b"{bad", "MANIFEST_INVALID"),
        (f"sha256:{'0' * 64}", manifest, "DIGEST_INVALID"),
    ]:
        answer = ask(account, "PUT", f"/v2/registry-bare/manifests/{path}", password, content=data, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)


def test_immutable_tag_stays_even_for_the_same_image(account: Account) -> None:
    made(account, "registry-fast", imageTagMutability="IMMUTABLE")
    push(account.root, "registry-fast", picture("a"), "one")

    said = "cannot be overwritten because the repository is immutable"
    password, headers = token(account.root), {"content-type": MANIFEST}
    path = "/v2/registry-fast/manifests/one"
    again = ask(account, "PUT", path, password, content=picture("a").manifest, headers=headers)
    assert (again.status_code, said in again.text) == (400, True)
    with pytest.raises(RegistryRefused) as caught:
        push(account.root, "registry-fast", picture("b"), "one")
    assert said in caught.value.why


def test_layers_are_not_mounted_out_of_repositories_that_nobody_asked_about(account: Account) -> None:
    arn = made(account, "registry-to")
    made(account, "registry-from")
    push(account.root, "registry-from", picture("a"), "one")
    path = f"/v2/registry-to/blobs/uploads/?mount={digest_of(picture('a').config)}&from=registry-from"

    answer = ask(account, "POST", path, token(able(account, PUSH, arn)))

    assert answer.status_code == 202, "an upload begins instead"


def test_deleted_image_cannot_be_pulled_by_digest(account: Account) -> None:
    made(account, "registry-gone")
    push(account.root, "registry-gone", picture("a"), "one")
    account.root.client("ecr").batch_delete_image(repositoryName="registry-gone", imageIds=[{"imageTag": "one"}])

    async def digest() -> str | None:
        async with registry(account.root) as there:
            return await there.digest("registry-gone", picture("a").digest)

    assert asyncio.run(digest()) is None
