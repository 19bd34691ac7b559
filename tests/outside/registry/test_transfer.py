"""Blobs on their way: in chunks, and on from where they stopped. What the registry holds in the end decides."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import httpx
import pytest

from ferry.errors import BuildFailed, InternalError, RegistryDenied, RegistryRefused, RegistryUnavailable
from ferry.outside.blobs import Blob, Store, digest_of
from ferry.outside.registry import Login, upload
from tests.outside.registry.small_registry import Broken, SmallRegistry, refusing

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
DATA = bytes(range(250)) * 4
CHUNK = 300


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "CHUNK", CHUNK)
    monkeypatch.setattr(upload, "BLOCK", 64)


@pytest.fixture
def blob(tmp_path: Path) -> Blob:
    return Store(tmp_path / "here").keep(DATA)


async def sent(small: SmallRegistry, blob: Blob) -> int:
    async with small.client() as registry:
        return await registry.upload("app", blob)


# up


class Sessions:
    """Opens these, one after the other."""

    def __init__(self, small: SmallRegistry, *names: str) -> None:
        self._small, self._names = small, list(names)

    def __call__(self, _: httpx.Request) -> httpx.Response:
        name = self._names.pop(0)
        self._small.sessions[name] = bytearray()
        return httpx.Response(202, headers={"location": name})


async def test_a_blob_goes_in_chunks_that_say_where_they_belong(blob: Blob) -> None:
    small = SmallRegistry()
    assert await sent(small, blob) == len(DATA)
    assert small.blobs == {blob.digest: DATA}
    ranges = [request.headers.get("content-range") for request in small.history]
    assert ranges == [None, "0-299", "300-599", "600-899", "900-999", None]


async def test_a_blob_of_one_chunk_takes_two_requests(tmp_path: Path) -> None:
    small, data = SmallRegistry(), b"x" * CHUNK
    assert await sent(small, Store(tmp_path).keep(data)) == CHUNK
    assert [asked.partition(" ")[0] for asked in small.asked] == ["POST", "PUT"]


async def test_an_empty_blob_arrives(tmp_path: Path) -> None:
    small = SmallRegistry()
    assert await sent(small, Store(tmp_path).keep(b"")) == 0
    assert small.blobs == {digest_of(b""): b""}


@pytest.mark.parametrize("like_ecr", [False, True], ids=["by the protocol", "like ECR"])
@pytest.mark.parametrize("after", [0, 1, 2, 150, 299, 300])
async def test_an_upload_that_broke_goes_on_where_it_broke(blob: Blob, after: int, *, like_ecr: bool) -> None:
    small = SmallRegistry(like_ecr=like_ecr)
    small.faults["PATCH"] = [Broken(CHUNK), Broken(after)]
    await sent(small, blob)
    assert small.blobs == {blob.digest: DATA}
    assert small.asked.count("POST /v2/app/blobs/uploads/") == 1


async def test_what_arrived_is_not_sent_again(blob: Blob) -> None:
    small = SmallRegistry()
    small.faults["PATCH"] = [Broken(CHUNK), Broken(100)]
    await sent(small, blob)
    begins = [request.headers["content-range"] for request in small.history if request.method == "PATCH"]
    assert begins == ["0-299", "300-599", "400-699", "700-999"]


@pytest.mark.parametrize("like_ecr", [False, True], ids=["by the protocol", "like ECR"])
@pytest.mark.parametrize("size", [200, 1000], ids=["whole", "in chunks"])
async def test_an_answer_that_was_lost_at_the_end_is_no_failure(tmp_path: Path, size: int, *, like_ecr: bool) -> None:
    small, blob = SmallRegistry(like_ecr=like_ecr), Store(tmp_path).keep(DATA[:size])
    small.faults["PUT"] = [Broken(lost=True)]
    await sent(small, blob)
    assert small.blobs == {blob.digest: DATA[:size]}
    assert small.bodies("PUT") == [size if size <= CHUNK else 0]


@pytest.mark.parametrize("like_ecr", [False, True], ids=["by the protocol", "like ECR"])
async def test_a_whole_blob_that_broke_goes_on_in_chunks(tmp_path: Path, *, like_ecr: bool) -> None:
    small, blob = SmallRegistry(like_ecr=like_ecr), Store(tmp_path).keep(DATA[:200])
    small.faults["PUT"] = [Broken(120)]
    await sent(small, blob)
    assert small.blobs == {blob.digest: DATA[:200]}
    assert small.bodies("PATCH") == [80]


async def test_a_session_that_is_gone_is_begun_anew(blob: Blob) -> None:
    small = SmallRegistry()

    def forget(_: httpx.Request) -> httpx.Response:
        del small.sessions["/upload/1"]
        del small.script["PATCH /upload/1"]
        return httpx.Response(404)

    small.script["PATCH /upload/1"] = forget
    small.script["POST /v2/app/blobs/uploads/"] = Sessions(small, "/upload/1", "/upload/2")
    await sent(small, blob)
    assert small.blobs == {blob.digest: DATA}
    assert small.asked.count("POST /v2/app/blobs/uploads/") == 2


async def test_bytes_that_were_spoilt_on_the_way_are_sent_once_more(blob: Blob) -> None:
    small = SmallRegistry()
    small.script["POST /v2/app/blobs/uploads/"] = Sessions(small, "/upload/1", "/upload/2")

    def spoil(request: httpx.Request) -> httpx.Response:
        small.sessions["/upload/1"].extend(b"0" * len(request.content))
        return httpx.Response(202)

    small.script["PATCH /upload/1"] = spoil
    await sent(small, blob)
    assert small.blobs == {blob.digest: DATA}


async def test_a_file_that_is_not_the_blob_is_refused(blob: Blob) -> None:
    small = SmallRegistry()
    assert blob.path
    blob.path.write_bytes(DATA[::-1])
    with pytest.raises(RegistryRefused, match="other bytes than the blob has") as caught:
        await sent(small, blob)
    assert "DIGEST_INVALID" in caught.value.why
    assert caught.value.next
    assert small.blobs == {}


@pytest.mark.parametrize("spoilt", ["shorter", "gone"])
async def test_a_file_that_cannot_be_read_to_its_end_is_an_error_of_the_build(blob: Blob, spoilt: str) -> None:
    assert blob.path
    if spoilt == "gone":
        blob.path.unlink()
    else:
        blob.path.write_bytes(DATA[:100])
    with pytest.raises(BuildFailed, match="cannot be read") as caught:
        await sent(SmallRegistry(), blob)
    assert caught.value.where == blob.digest


async def test_a_blob_that_lies_nowhere_is_a_mistake_of_ours() -> None:
    with pytest.raises(InternalError):
        await sent(SmallRegistry(), Blob(digest_of(DATA), len(DATA)))


async def test_chunks_are_sent_again_to_who_asks_for_a_login_in_between(blob: Blob) -> None:
    small, logins = SmallRegistry(), iter(["old", "new"])

    async def login() -> Login:
        return Login("AWS", next(logins))

    small.faults["PATCH"] = [Broken(CHUNK), refusing(403, "DENIED", "Your authorization token has expired.")]
    async with small.client(login) as registry:
        await registry.upload("app", blob)
    assert small.blobs == {blob.digest: DATA}
    assert small.bodies("PATCH") == [CHUNK, CHUNK, CHUNK, CHUNK, 100]
    assert [*logins] == []


async def test_an_upload_that_gets_on_is_never_given_up(blob: Blob) -> None:
    small = SmallRegistry()
    small.faults["PATCH"] = [Broken(10) for _ in range(60)]
    await sent(small, blob)
    assert small.blobs == {blob.digest: DATA}
    assert sum(small.paused) > 20


@pytest.mark.req("B-11")
@pytest.mark.parametrize("like_ecr", [False, True], ids=["by the protocol", "like ECR"])
async def test_an_upload_that_does_not_get_on_is_given_up(blob: Blob, *, like_ecr: bool) -> None:
    small = SmallRegistry(like_ecr=like_ecr)
    small.faults["PATCH"] = [Broken(0) for _ in range(60)]
    with pytest.raises(RegistryUnavailable, match="cannot be reached"):
        await sent(small, blob)
    assert 5 < sum(small.paused) <= 20


async def test_an_upload_that_may_not_be_is_not_begun_again(blob: Blob) -> None:
    small = SmallRegistry()
    small.faults["PATCH"] = [refusing(403, "DENIED", "not authorized to perform: ecr:UploadLayerPart")]
    with pytest.raises(RegistryDenied, match="does not allow") as caught:
        await sent(small, blob)
    assert "ecr:UploadLayerPart" in caught.value.why
    assert small.bodies("PATCH") == [CHUNK]


# down


async def got(small: SmallRegistry, store: Store, digest: str = digest_of(DATA)) -> Blob:
    async with small.client() as registry:
        return await registry.download("app", digest, store)


@pytest.fixture
def holding() -> SmallRegistry:
    small = SmallRegistry()
    small.blobs[digest_of(DATA)] = DATA
    return small


async def test_a_blob_comes_into_the_store(holding: SmallRegistry, tmp_path: Path) -> None:
    blob = await got(holding, Store(tmp_path))
    assert blob.path
    assert blob.path.read_bytes() == DATA


async def test_a_blob_that_the_store_has_is_not_asked_for(tmp_path: Path) -> None:
    store = Store(tmp_path)
    known, small = store.keep(DATA), SmallRegistry()
    assert await got(small, store) == known
    assert small.asked == []


@pytest.mark.parametrize("after", [0, 1, 500, 999, 1000])
@pytest.mark.parametrize("ranges", [True, False], ids=["with ranges", "without"])
async def test_a_download_that_broke_goes_on_where_it_broke(tmp_path: Path, after: int, *, ranges: bool) -> None:
    small = SmallRegistry(ranges=ranges)
    small.blobs[digest_of(DATA)] = DATA
    small.faults["GET"] = [Broken(after)]
    assert await got(small, Store(tmp_path)) == Store(tmp_path).find(digest_of(DATA))
    assert small.history[-1].headers.get("range") == (f"bytes={after}-" if after else None)


async def test_a_damaged_blob_is_refused_and_not_kept(holding: SmallRegistry, tmp_path: Path) -> None:
    holding.blobs[digest_of(DATA)] = DATA[:-1] + b"!"
    with pytest.raises(RegistryRefused, match="arrived damaged") as caught:
        await got(holding, Store(tmp_path))
    assert caught.value.where == f"registry.test/app@{digest_of(DATA)}"
    assert Store(tmp_path).find(digest_of(DATA)) is None


async def test_a_blob_that_is_gone_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RegistryRefused, match="no longer has a part of the image") as caught:
        await got(SmallRegistry(), Store(tmp_path))
    assert "ferry lock" in caught.value.next


@pytest.mark.req("B-11")
async def test_a_full_disk_is_told_with_its_place(holding: SmallRegistry, tmp_path: Path) -> None:
    # A limit of this process stands for the disk's.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    data = bytes(256 * 1024)
    holding.blobs = {digest_of(data): data}
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        with pytest.raises(BuildFailed, match="downloaded cannot be written down") as caught:
            await got(holding, Store(tmp_path / "store"), digest_of(data))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.where == str(tmp_path / "store")
    assert digest_of(data) in caught.value.why
    assert "make room" in caught.value.next


async def test_a_document_is_small(holding: SmallRegistry) -> None:
    large = bytes(5 * 1024 * 1024)
    holding.blobs[digest_of(large)] = large
    async with holding.client() as registry:
        assert await registry.document("app", digest_of(DATA)) == DATA
        with pytest.raises(RegistryRefused, match="is a large one"):
            await registry.document("app", digest_of(large))
