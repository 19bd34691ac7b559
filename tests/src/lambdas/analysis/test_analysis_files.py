"""The model's files come from S3 in the box, counted call by call."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from analysis.models.files import bring
from analysis.settings import ModelFiles
from sentiment.errors import SettingsError, Unavailable
from tests.src.lambdas.analysis.tiny_model import sha256s

if TYPE_CHECKING:
    from pathlib import Path

    from tests.awsbox.people import Account

CONTENT = {"model.onnx": b"graph" * 500_000, "tokenizer.json": b"{}"}
_NUMBERS = count(1)


class Shelf:
    """A bucket with the two files, and a client whose downloads are counted."""

    def __init__(self, account: Account) -> None:
        self.client: Any = account.root.client("s3")
        self.files = ModelFiles(bucket=f"models-{next(_NUMBERS)}", prefix="sst2/", sha256s=sha256s(CONTENT))
        self.client.create_bucket(Bucket=self.files.bucket)
        for name, content in CONTENT.items():
            self.put(name, content)
        self.downloads: list[str] = []
        self.client.meta.events.register("before-parameter-build.s3.GetObject", self._count)

    def put(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.files.bucket, Key=self.files.key(name), Body=content)

    def _count(self, params: dict[str, Any], **_: object) -> None:
        self.downloads.append(params["Key"])


@pytest.fixture
def shelf(account: Account) -> Shelf:
    return Shelf(account)


def all_files(folder: Path) -> list[Path]:
    return [place for place in folder.rglob("*") if place.is_file()]


def test_files_are_brought_as_they_are(shelf: Shelf, tmp_path: Path) -> None:
    brought = bring(shelf.client, shelf.files, tmp_path / "new")
    assert {name: place.read_bytes() for name, place in brought.items()} == CONTENT
    assert len(all_files(tmp_path)) == 2


def test_what_is_there_and_right_is_not_brought_again(shelf: Shelf, tmp_path: Path) -> None:
    first = bring(shelf.client, shelf.files, tmp_path)
    assert shelf.downloads == ["sst2/model.onnx", "sst2/tokenizer.json"]
    assert bring(shelf.client, shelf.files, tmp_path) == first
    assert len(shelf.downloads) == 2


def test_what_is_there_and_wrong_is_brought_again(shelf: Shelf, tmp_path: Path) -> None:
    place = bring(shelf.client, shelf.files, tmp_path)["model.onnx"]
    place.write_bytes(CONTENT["model.onnx"][:-1])
    assert bring(shelf.client, shelf.files, tmp_path)["model.onnx"].read_bytes() == CONTENT["model.onnx"]
    assert shelf.downloads[2:] == ["sst2/model.onnx"]


def test_a_file_that_is_not_the_chosen_one_is_named_and_not_kept(shelf: Shelf, tmp_path: Path) -> None:
    chosen = shelf.files.sha256s["model.onnx"]
    shelf.put("model.onnx", b"another")
    found = sha256s({"it": b"another"})["it"]
    with pytest.raises(SettingsError) as caught:
        bring(shelf.client, shelf.files, tmp_path)
    assert f"{shelf.files.bucket}/sst2/model.onnx is not the file" in str(caught.value)
    assert f"expected sha256 {chosen}, found {found}" in str(caught.value)
    assert all_files(tmp_path) == []


def test_other_hashes_are_other_files(shelf: Shelf, tmp_path: Path) -> None:
    old = bring(shelf.client, shelf.files, tmp_path)["model.onnx"]
    shelf.put("model.onnx", b"another")
    wanted = replace(shelf.files, sha256s=sha256s({**CONTENT, "model.onnx": b"another"}))
    assert bring(shelf.client, wanted, tmp_path)["model.onnx"].read_bytes() == b"another"
    assert old.read_bytes() == CONTENT["model.onnx"]


def test_a_file_that_is_not_there_is_unavailable(shelf: Shelf, tmp_path: Path) -> None:
    shelf.client.delete_object(Bucket=shelf.files.bucket, Key="sst2/tokenizer.json")
    with pytest.raises(Unavailable, match=r"s3://models-\d+/sst2/tokenizer\.json cannot be read: .*NoSuchKey"):
        bring(shelf.client, shelf.files, tmp_path)


def test_a_download_that_breaks_off_leaves_nothing_behind(account: Account, shelf: Shelf, tmp_path: Path) -> None:
    cut = account.box.faults.add(f"cut:s3:GetObject@{shelf.files.bucket}/*:1")
    with pytest.raises(Unavailable, match=r"model\.onnx cannot be read"):
        bring(shelf.client, shelf.files, tmp_path)
    assert cut.hits == 1
    assert all_files(tmp_path) == []
    assert len(bring(shelf.client, shelf.files, tmp_path)) == 2


def test_a_folder_that_cannot_be_written_is_named(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"file/.* cannot be written or read: .*ephemeral storage"):
        bring(shelf.client, shelf.files, tmp_path / "file")
