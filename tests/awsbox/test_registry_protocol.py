"""Where ECR speaks the docker protocol in its own way, and the emulator would not: parts of blobs, up and down."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.awsbox.pictures import token

if TYPE_CHECKING:
    from tests.awsbox.people import Account

DATA = bytes(range(200))
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


def ask(account: Account, method: str, path: str, content: bytes = b"", **headers: str) -> httpx.Response:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    url = httpx.URL(account.box.endpoint).join(path)
    return httpx.request(method, url, auth=("AWS", token(account.root)), content=content, headers=said)


def begun(account: Account, name: str) -> str:
    account.root.client("ecr").create_repository(repositoryName=name)
    return str(ask(account, "POST", f"/v2/{name}/blobs/uploads/").headers["location"])


def test_parts_follow_each_other(account: Account) -> None:
    place = begun(account, "protocol-parts")

    first = ask(account, "PATCH", place, DATA[:120], content_range="0-119")
    again = ask(account, "PATCH", place, DATA[:120], content_range="0-119")
    gap = ask(account, "PATCH", place, DATA[150:], content_range="150-199")
    rest = ask(account, "PATCH", place, DATA[120:], content_range="120-199")
    whole = ask(account, "PUT", f"{place}?digest={DIGEST}")

    assert (first.status_code, rest.status_code, whole.status_code) == (201, 201, 201)
    assert (again.status_code, gap.status_code) == (416, 416)
    said = again.json()["errors"][0]
    assert (said["code"], said["message"]) == (
        "BLOB_UPLOAD_INVALID",
        "First byte of the layer part is 0 instead of 120",
    )


def test_last_part_comes_with_the_digest(account: Account) -> None:
    place = begun(account, "protocol-last")
    ask(account, "PATCH", place, DATA[:120], content_range="0-119")

    assert ask(account, "PUT", f"{place}?digest={DIGEST}", DATA[:80], content_range="0-79").status_code == 416
    assert ask(account, "PUT", f"{place}?digest={DIGEST}", DATA[120:], content_range="120-199").status_code == 201


@pytest.mark.parametrize(
    ("asked", "first", "last"), [("bytes=50-", 50, 199), ("bytes=50-59", 50, 59), ("bytes=50-900", 50, 199)]
)
def test_part_of_a_blob(account: Account, asked: str, first: int, last: int) -> None:
    name = f"protocol-range-{asked[6:]}"
    ask(account, "PUT", f"{begun(account, name)}?digest={DIGEST}", DATA)

    answer = ask(account, "GET", f"/v2/{name}/blobs/{DIGEST}", range=asked)

    assert (answer.status_code, answer.content) == (206, DATA[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/200"
    assert answer.headers["content-length"] == str(len(answer.content))


def test_part_behind_the_end(account: Account) -> None:
    ask(account, "PUT", f"{begun(account, 'protocol-behind')}?digest={DIGEST}", DATA)

    answer = ask(account, "GET", f"/v2/protocol-behind/blobs/{DIGEST}", range="bytes=200-")

    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */200")
