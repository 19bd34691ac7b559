from __future__ import annotations

import io
import os
import zipfile
from typing import TYPE_CHECKING

import pytest

from ferry.errors import BuildFailed
from ferry.outside.builder import package as packaging
from ferry.outside.builder.package import package

if TYPE_CHECKING:
    from pathlib import Path


def folder(place: Path, **files: str) -> Path:
    for name, text in files.items():
        path = place / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return place


def names(data: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.namelist()


def test_both_folders_lie_at_the_top_in_order(tmp_path: Path) -> None:
    data = package(folder(tmp_path / "a", z="1", lib__m="2"), folder(tmp_path / "b", app__main="3"))
    assert names(data) == ["app/main", "lib/m", "z"]


def test_the_same_content_is_the_same_bytes(tmp_path: Path) -> None:
    one, two = folder(tmp_path / "one", a="1", b__c="2"), folder(tmp_path / "two", b__c="2", a="1")
    (two / "a").chmod(0o600)
    os.utime(two / "a", (1, 1))
    assert package(one) == package(two)


def test_what_runs_still_runs_and_everybody_may_read(tmp_path: Path) -> None:
    place = folder(tmp_path / "a", tool="x", text="y")
    (place / "tool").chmod(0o700)
    (place / "text").chmod(0o600)
    with zipfile.ZipFile(io.BytesIO(package(place))) as archive:
        modes = {entry.filename: oct(entry.external_attr >> 16 & 0o777) for entry in archive.infolist()}
    assert modes == {"tool": "0o755", "text": "0o644"}


def test_two_files_for_one_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="the same file") as caught:
        package(folder(tmp_path / "a", app__x="1"), folder(tmp_path / "b", app__x="2"))
    assert caught.value.where == "app/x"


def test_a_package_that_lambda_would_refuse_is_refused_with_what_is_big(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaging, "UNPACKED_LIMIT", 100)
    with pytest.raises(BuildFailed, match="larger than Lambda takes") as caught:
        package(folder(tmp_path / "a", small__x="1", big__one="1" * 60, big__two="1" * 60))
    assert caught.value.why.index("big") < caught.value.why.index("small")
