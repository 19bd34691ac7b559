"""S3Bucket against the box, whose S3 checks checksums, owners and conditions."""

from __future__ import annotations

from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Thread
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from ferry.errors import AwsError
from ferry.outside.aws import Access, Credentials
from ferry.outside.aws.bucket import Held, S3Bucket, Seen, checksum
from ferry.outside.blobs import Store, digest_of
from tests.outside.aws.small_aws import NOBODY, as_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ferry.outside.blobs import Blob
    from tests.awsbox.people import Account

pytestmark = pytest.mark.anyio
_NUMBERS = count(1)
DATA = b"a zip" * 1000
DIGEST = digest_of(DATA)


@pytest.fixture
def name() -> str:
    return f"packages-{next(_NUMBERS)}"


@pytest.fixture
def blob(tmp_path: Path) -> Blob:
    return Store(tmp_path / "store").keep(DATA)


@pytest.fixture
async def bucket(account: Account, name: str) -> S3Bucket:
    bucket = bucket_of(account, name)
    await bucket.ensure()
    return bucket


def bucket_of(account: Account, name: str, owner: str = "") -> S3Bucket:
    return S3Bucket(as_root(account), owner or account.box.account, name)


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def put_by_hand(account: Account, bucket: S3Bucket, key: str, data: bytes, **how: Any) -> None:
    """As somebody does who is not Ferry."""
    account.root.client("s3").put_object(Bucket=bucket.name, Key=key, Body=data, **how)


async def test_a_bucket_is_made_once(account: Account, name: str) -> None:
    bucket = bucket_of(account, name)
    assert await bucket.ensure()
    assert not await bucket.ensure()


async def test_somebody_elses_bucket_is_neither_filled_nor_read(account: Account, bucket: S3Bucket, blob: Blob) -> None:
    stranger = bucket_of(account, bucket.name, owner="999988887777")
    calls = (stranger.ensure, partial(stranger.read, "a"), partial(stranger.put, "a", blob, "application/zip"))
    for call in calls:
        with pytest.raises(AwsError):
            await call()


async def test_what_was_put_is_found_and_nothing_else_is(account: Account, bucket: S3Bucket, blob: Blob) -> None:
    assert await bucket.find("a.zip") is None
    await bucket.put("a.zip", blob, "application/zip")
    assert await bucket.find("a.zip") == Held(DIGEST, len(DATA))
    found = account.root.client("s3").get_object(Bucket=bucket.name, Key="a.zip")
    assert (found["Body"].read(), found["ContentType"]) == (DATA, "application/zip")


async def test_what_does_not_arrive_whole_is_refused(bucket: S3Bucket, blob: Blob) -> None:
    assert blob.path
    blob.path.write_bytes(b"cut")
    with pytest.raises(AwsError):
        await bucket.put("a.zip", blob, "application/zip")
    assert await bucket.find("a.zip") is None


async def test_what_ferry_did_not_put_there_is_not_found(account: Account, bucket: S3Bucket, tmp_path: Path) -> None:
    put_by_hand(account, bucket, "a.zip", DATA, ChecksumAlgorithm="CRC32")
    assert await bucket.find("a.zip") is None
    assert await bucket.get("a.zip", Store(tmp_path)) is None


async def test_what_was_put_is_brought_into_a_store(bucket: S3Bucket, blob: Blob, tmp_path: Path) -> None:
    store = Store(tmp_path / "other")
    assert await bucket.get("a.zip", store) is None
    await bucket.put("a.zip", blob, "application/zip")
    brought = await bucket.get("a.zip", store)
    assert brought == store.find(DIGEST)
    assert brought
    assert brought.path
    assert brought.path.read_bytes() == DATA


async def test_a_bucket_that_is_not_there_holds_nothing(account: Account, name: str, tmp_path: Path) -> None:
    bucket = bucket_of(account, name)
    assert await bucket.find("a") is None
    assert await bucket.get("a", Store(tmp_path)) is None
    assert await bucket.read("a") is None
    assert await bucket.present({"a", "b"}) == frozenset()


async def test_it_says_which_of_many_there_are(account: Account, bucket: S3Bucket, blob: Blob) -> None:
    for key in ("preprod/a.zip", "preprod/c.zip"):
        await bucket.put(key, blob, "application/zip")
    put_by_hand(account, bucket, "preprod/other", b"")
    assert await bucket.present({"preprod/a.zip", "preprod/b.zip", "preprod/c.zip"}) == {
        "preprod/a.zip",
        "preprod/c.zip",
    }
    assert await bucket.present({"preprod/a.zip"}) == {"preprod/a.zip"}


@pytest.mark.slow
async def test_beyond_a_thousand_objects_each_is_asked_for(account: Account, bucket: S3Bucket, blob: Blob) -> None:
    """One listing holds a thousand keys; what is behind them is there all the same."""
    client = account.root.client("s3")
    for number in range(1001):
        client.put_object(Bucket=bucket.name, Key=f"preprod/m{number:04}", Body=b"")
    for key in ("preprod/a.zip", "preprod/z.zip"):
        await bucket.put(key, blob, "application/zip")
    wanted = {"preprod/a.zip", "preprod/y.zip", "preprod/z.zip"}
    assert await bucket.present(wanted) == {"preprod/a.zip", "preprod/z.zip"}


async def test_text_is_written_over_or_once(bucket: S3Bucket) -> None:
    assert await bucket.read("r.json") is None
    assert await bucket.write("r.json", "ä", once=True)
    assert not await bucket.write("r.json", "other", once=True)
    assert await bucket.read("r.json") == "ä"
    assert await bucket.write("r.json", "other", once=False)
    assert await bucket.read("r.json") == "other"


async def test_of_two_that_write_once_at_the_same_time_one_does(bucket: S3Bucket) -> None:
    wrote: list[bool] = []

    async def write(text: str) -> None:
        wrote.append(await bucket.write("r.json", text, once=True))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write, "one")
        tasks.start_soon(write, "two")
    assert sorted(wrote) == [False, True]


async def test_a_swap_writes_over_what_was_seen_and_over_nothing_else(bucket: S3Bucket) -> None:
    assert await bucket.look("run.json") is None
    first = await bucket.swap("run.json", "one", None)
    assert first
    assert first == Seen(text="one", etag=first.etag, age=0.0)
    assert await bucket.swap("run.json", "late", None) is None
    second = await bucket.swap("run.json", "two", first)
    assert second
    assert await bucket.swap("run.json", "late", first) is None
    seen = await bucket.look("run.json")
    assert seen
    assert (seen.text, seen.etag) == ("two", second.etag)
    assert await bucket.swap("other.json", "of what is gone", second) is None


async def test_of_two_that_swap_at_the_same_time_one_does(bucket: S3Bucket) -> None:
    seen = await bucket.swap("run.json", "before", None)
    swapped: list[Seen | None] = []

    async def swap(text: str) -> None:
        swapped.append(await bucket.swap("run.json", text, seen))

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(swap, f"from {number}")
    (one,) = filter(None, swapped)
    now = await bucket.look("run.json")
    assert now
    assert (now.text, now.etag) == (one.text, one.etag)


async def test_a_swap_whose_answer_is_lost_has_happened(account: Account, bucket: S3Bucket) -> None:
    """Botocore asks again, and S3 then refuses what it has done already."""
    before = await bucket.swap("run.json", "one", None)
    lost = account.box.faults.add(f"cut:s3:PutObject@{bucket.name}/*:1")
    try:
        after = await bucket.swap("run.json", "two", before)
    finally:
        account.box.faults.clear(lost)
    assert after
    assert after.text == "two"


async def test_age_is_told_by_the_clock_of_s3(odd: S3Bucket) -> None:
    seen = await odd.look("run.json")
    assert seen
    assert seen.age == 90


async def test_a_state_bucket_that_is_missing_is_named_with_what_makes_it(account: Account, name: str) -> None:
    bucket = bucket_of(account, name)
    for call in (partial(bucket.look, "run.json"), partial(bucket.swap, "run.json", "one", None)):
        with pytest.raises(AwsError, match=f"the state bucket is missing: {name}") as caught:
            await call()
        assert "infrastructure/bootstrap" in caught.value.next


async def test_text_that_is_damaged_is_for_its_reader_to_refuse(account: Account, bucket: S3Bucket) -> None:
    put_by_hand(account, bucket, "r.json", b'{"a": "\xff')
    assert await bucket.read("r.json") == '{"a": "�'


async def test_a_refusal_of_s3_is_ferrys_error_and_says_where(account: Account, bucket: S3Bucket) -> None:
    user = account.user()
    nobody = Access(
        region="us-east-1", endpoint=user.endpoint, credentials=Credentials(key=user.key, secret=user.secret)
    )
    with pytest.raises(AwsError) as caught:
        await S3Bucket(nobody, account.box.account, bucket.name).find("a")
    assert caught.value.where == f"s3:HeadObject {bucket.name}/a"


async def test_what_is_cut_on_its_way_is_an_error_and_leaves_nothing(
    account: Account, bucket: S3Bucket, blob: Blob, tmp_path: Path
) -> None:
    await bucket.put("a.zip", blob, "application/zip")
    store = Store(tmp_path / "other")
    cut = account.box.faults.add(f"cut:s3:GetObject@{bucket.name}/*:1")
    try:
        with pytest.raises(AwsError):
            await bucket.get("a.zip", store)
    finally:
        account.box.faults.clear(cut)
    assert files_in(store.folder) == []
    assert await bucket.get("a.zip", store) == store.find(DIGEST)


class Odd(BaseHTTPRequestHandler):
    """An S3 whose objects are not what their checksums say, and whose buckets somebody makes a moment before us.

    Its clock is not ours.
    """

    def do_HEAD(self) -> None:
        self._answer(404)

    def do_PUT(self) -> None:
        self._answer(409, b"<Error><Code>BucketAlreadyOwnedByYou</Code></Error>")

    def do_GET(self) -> None:
        times = (("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT"), ("ETag", '"odd"'))
        body = DATA if self.path.endswith("run.json") else DATA[:-1] + b"?"
        self._answer(200, body, ("x-amz-checksum-sha256", checksum(DIGEST)), *times)

    def date_time_string(self, _: float | None = None) -> str:
        return "Wed, 01 Jan 2020 00:01:30 GMT"

    def _answer(self, status: int, body: bytes = b"", *headers: tuple[str, str]) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def odd() -> Iterator[S3Bucket]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        yield S3Bucket(Access(region="eu-central-1", endpoint=endpoint, credentials=NOBODY), "111122223333", "packages")
        server.shutdown()
        thread.join()


async def test_what_arrives_damaged_is_an_error_and_leaves_nothing(odd: S3Bucket, tmp_path: Path) -> None:
    with pytest.raises(AwsError, match="a package arrived damaged") as caught:
        await odd.get("a.zip", Store(tmp_path))
    assert caught.value.where == "s3://packages/a.zip"
    assert files_in(tmp_path) == []


async def test_a_bucket_that_another_run_made_in_between_is_there(odd: S3Bucket) -> None:
    assert not await odd.ensure()


def test_a_checksum_is_what_lambda_calls_the_hash() -> None:
    assert checksum(f"sha256:{'00' * 32}") == "A" * 43 + "="
