"""The client against the box's registry, as users with rights of their own, and while things go wrong."""

from __future__ import annotations

import base64
from itertools import count
from typing import TYPE_CHECKING

import anyio
import pytest

from awsbox import registry as door
from ferry.errors import RegistryDenied, RegistryRefused, RegistryUnavailable
from ferry.outside.aws import Access, Credentials
from ferry.outside.blobs import Store
from ferry.outside.registry import Login, Registry, Sent, ecr, patience, upload
from tests.awsbox.people import allow, deny
from tests.outside.registry.small_registry import image_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from awsbox.faults import Switchboard
    from ferry.outside.builder.assemble import Image
    from tests.awsbox.people import Account, Caller, Statement

pytestmark = pytest.mark.anyio
LOGIN = allow("ecr:GetAuthorizationToken")
CHUNK = 256 * 1024
LARGE = bytes(range(256)) * 4096
_NUMBERS = count(1)


@pytest.fixture
def faults(account: Account) -> Iterator[Switchboard]:
    yield account.box.faults
    account.box.faults.clear()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_SECONDS", 0.01)


@pytest.fixture
def repository(account: Account) -> str:
    name = f"client-{next(_NUMBERS)}"
    scan = {"scanOnPush": True}
    account.root.client("ecr").create_repository(repositoryName=name, imageScanningConfiguration=scan)
    return name


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    """An image with a layer of four chunks."""
    monkeypatch.setattr(upload, "CHUNK", CHUNK)
    return image_of(tmp_path / "app", LARGE)


def access(caller: Caller) -> Access:
    return Access(
        region="us-east-1",
        endpoint=caller.endpoint,
        credentials=Credentials(key=caller.key, secret=caller.secret),
    )


def opened(caller: Caller, account: Account) -> Registry:
    return ecr.registry(access(caller), account.box.account)


def token(caller: Caller) -> Login:
    said = caller.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(said).decode().partition(":")
    return Login(user, password)


def user(account: Account, repository: str, *statements: Statement) -> Caller:
    return account.user(LOGIN, allow("ecr:*", account.arn("ecr", f"repository/{repository}")), *statements)


def whole(image: Image) -> int:
    return image.size - len(image.manifest)


@pytest.mark.req("B-04", "B-06")
async def test_an_image_goes_there_and_is_there(account: Account, repository: str, app: Image, tmp_path: Path) -> None:
    async with opened(user(account, repository), account) as registry:
        assert await registry.push(repository, app, ("latest", "one")) == Sent(2, whole(app))
        assert await registry.push(repository, app, ("latest", "two")) == Sent(0, 0)
        assert await registry.digest(repository, "two") == app.digest
        base = await registry.base(repository, app.digest)
        blob = await registry.download(repository, base.layers[0].digest, Store(tmp_path / "there"))
    assert (base.config, blob.size) == (app.config, len(LARGE))


async def test_an_image_is_described_by_tag_and_by_digest(account: Account, repository: str, app: Image) -> None:
    caller = user(account, repository)
    async with opened(caller, account) as registry:
        assert await ecr.described(access(caller), repository, "latest") is None
        await registry.push(repository, app, ("latest", "one"))
    for reference in ("one", app.digest):
        found = await ecr.described(access(caller), repository, reference)
        assert found == ecr.Described(app.digest, frozenset({"latest", "one"}), {})


async def test_a_push_whose_answer_was_cut_sends_nothing_twice(
    account: Account, faults: Switchboard, repository: str, app: Image
) -> None:
    switched = faults.add(f"cut:ecr:UploadLayerPart@{repository}:1")
    async with opened(account.root, account) as registry:
        sent = await registry.push(repository, app, ("latest",))
    assert switched.hits == 1
    assert sent == Sent(2, whole(app))


@pytest.mark.parametrize("fault", ["reset", "refused", "dns", "throttle", "error"])
async def test_a_push_that_breaks_sends_only_what_did_not_arrive(
    account: Account, faults: Switchboard, repository: str, app: Image, fault: str
) -> None:
    switched = faults.add(f"{fault}:ecr:UploadLayerPart@{repository}:1")
    async with opened(account.root, account) as registry:
        sent = await registry.push(repository, app, ("latest",))
        assert await registry.digest(repository, "latest") == app.digest
    assert switched.hits == 1
    assert whole(app) <= sent.bytes <= whole(app) + CHUNK


async def test_a_download_that_was_cut_goes_on(
    account: Account, faults: Switchboard, repository: str, app: Image, tmp_path: Path
) -> None:
    async with opened(account.root, account) as registry:
        await registry.push(repository, app, ("latest",))
        switched = faults.add(f"cut:ecr:GetDownloadUrlForLayer@{repository}:3")
        blob = await registry.download(repository, app.layers[0].digest, Store(tmp_path / "there"))
    assert (switched.hits, blob.size) == (3, len(LARGE))


@pytest.mark.req("B-11")
@pytest.mark.parametrize("fault", ["registry-down", "reset:registry", "throttle:registry", "dns:registry"])
async def test_a_registry_that_is_down_is_told_in_time(
    account: Account, faults: Switchboard, repository: str, app: Image, fault: str
) -> None:
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    faults.add(fault)
    async with Registry("ecr", url=account.box.endpoint, login=token(account.root), pause=pause) as registry:
        with pytest.raises(RegistryUnavailable) as caught:
            await registry.push(repository, app, ("latest",))
    assert caught.value.where.startswith("ecr")
    assert caught.value.why
    assert caught.value.next
    assert paused


@pytest.mark.parametrize("fault", ["registry-down:3", "reset:registry::3", "throttle:registry::3", "error:registry::3"])
async def test_a_registry_that_comes_back_is_not_told(
    account: Account, faults: Switchboard, repository: str, app: Image, fault: str
) -> None:
    switched = faults.add(fault)
    async with opened(account.root, account) as registry:
        await registry.push(repository, app, ("latest",))
    assert switched.hits == 3


@pytest.mark.req("B-04")
async def test_a_token_that_expired_on_the_way_is_asked_for_again(
    account: Account, repository: str, app: Image
) -> None:
    caller, asked = user(account, repository), count(1)

    async def login() -> Login:
        expired = Login("AWS", door.token_of(caller.key, account.box.account, hours=-1))
        return expired if next(asked) == 1 else token(caller)

    async with Registry("ecr", url=caller.endpoint, login=login) as registry:
        sent = await registry.push(repository, app, ("latest",))
        assert await registry.digest(repository, "latest") == app.digest
    assert next(asked) == 3
    assert sent.blobs == 2


@pytest.mark.req("B-11")
async def test_a_login_that_stays_expired_has_its_own_error(
    account: Account, faults: Switchboard, repository: str, app: Image
) -> None:
    faults.add("registry-expired")
    async with opened(account.root, account) as registry:
        with pytest.raises(RegistryDenied, match="has expired") as caught:
            await registry.push(repository, app, ("latest",))
    assert "Reauthenticate" in caught.value.why


@pytest.mark.req("B-11")
@pytest.mark.parametrize("action", ["InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage"])
async def test_who_may_not_push_is_told_which_right_is_missing(
    account: Account, repository: str, app: Image, action: str
) -> None:
    arn = account.arn("ecr", f"repository/{repository}")
    async with opened(user(account, repository, deny(f"ecr:{action}", arn)), account) as registry:
        with pytest.raises(RegistryDenied, match="does not allow") as caught:
            await registry.push(repository, app, ("latest",))
        assert await registry.digest(repository, "latest") is None
    assert f"ecr:{action} on resource: {arn} with an explicit deny" in caught.value.why


async def test_who_may_not_look_may_push(account: Account, repository: str, app: Image) -> None:
    denied = deny("ecr:BatchCheckLayerAvailability", account.arn("ecr", f"repository/{repository}"))
    async with opened(user(account, repository, denied), account) as registry:
        assert (await registry.push(repository, app, ("latest",))).blobs == 2


async def test_two_pushes_of_one_image_at_once_both_succeed(account: Account, repository: str, app: Image) -> None:
    sent: list[Sent] = []

    async def push() -> None:
        async with opened(account.root, account) as registry:
            sent.append(await registry.push(repository, app, ("latest", "one")))

    async with anyio.create_task_group() as both:
        both.start_soon(push)
        both.start_soon(push)
    async with opened(account.root, account) as registry:
        assert await registry.digest(repository, "one") == app.digest
        assert all([await registry.has(repository, blob.digest) for blob in app.layers])
    assert len(sent) == 2


async def test_a_layer_comes_over_from_another_repository(account: Account, repository: str, app: Image) -> None:
    account.root.client("ecr").create_repository(repositoryName=f"{repository}-other")
    async with opened(account.root, account) as registry:
        await registry.push(repository, app, ("latest",))
        base = await registry.base(repository, "latest")
        far = type(app)(app.manifest, app.config, base.layers)
        others = {blob.digest: (registry, repository) for blob in base.layers}
        sent = await registry.push(f"{repository}-other", far, ("latest",), mounts=(repository,), others=others)
    assert sent == Sent(2, whole(app))


async def test_a_tag_that_cannot_be_moved_may_be_pushed_again(account: Account, tmp_path: Path) -> None:
    name = f"client-{next(_NUMBERS)}"
    account.root.client("ecr").create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
    async with opened(account.root, account) as registry:
        for _ in range(2):
            await registry.push(name, image_of(tmp_path / "one", b"one"), ("one",))
        with pytest.raises(RegistryRefused) as caught:
            await registry.push(name, image_of(tmp_path / "two", b"two"), ("one",))
    assert "immutable" in caught.value.why


async def test_a_repository_that_is_not_there_has_its_own_error(account: Account, app: Image) -> None:
    async with opened(account.root, account) as registry:
        assert await registry.digest("client-nowhere", "latest") is None
        with pytest.raises(RegistryRefused, match="no such repository"):
            await registry.push("client-nowhere", app, ("latest",))
