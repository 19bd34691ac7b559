"""An image's layers, laid over each other in a folder that nothing of them leaves."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from awsbox.lambdas.image import BadImage, unpack
from tests.awsbox.functions import archive

if TYPE_CHECKING:
    from pathlib import Path


def tree(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


def test_later_layers_cover_and_hide_earlier_ones(tmp_path: Path) -> None:
    unpack(
        [
            archive({"a/one": "1", "a/two": "2", "b/three": "3", "c/four": "4", "c/deep/five": "5"}),
            archive({"a/one": "new", "a/.wh.two": "", "b/.wh..wh..opq": "", "b/six": "6", ".wh.c": ""}),
        ],
        tmp_path,
    )
    assert tree(tmp_path) == {"a/one": "new", "b/six": "6"}


def test_a_layer_hides_nothing_of_itself(tmp_path: Path) -> None:
    unpack([archive({"a/old": ""}), archive({"a/new": "new", "a/.wh..wh..opq": ""})], tmp_path)
    assert tree(tmp_path) == {"a/new": "new"}


def test_files_folders_and_links_replace_each_other(tmp_path: Path) -> None:
    unpack(
        [archive({"a": "file", "b/x": "", "c -> a": ""}), archive({"a/": "", "a/y": "1", "b": "file", "c": "own"})],
        tmp_path,
    )
    assert tree(tmp_path) == {"a/y": "1", "b": "file", "c": "own"}


def test_links_stay_inside(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    root.mkdir()
    outside.write_text("secret")
    links = {"etc/name": "inside", "one -> /etc/name": "", "deep/two -> ../../../outside": "", "here -> .": ""}
    unpack([archive(links), archive({"here/three -> ../outside": ""})], root)

    assert (root / "one").read_text() == "inside"
    for link in ("deep/two", "three"):
        assert (root / link).is_symlink()
        assert not (root / link).exists()


@pytest.mark.parametrize("name", ["../evil", "a/../../evil"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(BadImage):
        unpack([archive({name: "evil"})], root)
    assert not (tmp_path / "evil").exists()


def test_absolute_names_are_the_image_s(tmp_path: Path) -> None:
    unpack([archive({"/etc/name": "inside"})], tmp_path)
    assert tree(tmp_path) == {"etc/name": "inside"}


def test_hard_links_and_modes(tmp_path: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, mode in (("tool", 0o4755), ("data", 0o600)):
            entry = tarfile.TarInfo(name)
            entry.mode = mode
            tar.addfile(entry)
        link = tarfile.TarInfo("linked")
        link.type, link.linkname = tarfile.LNKTYPE, "/tool"
        tar.addfile(link)
        pipe = tarfile.TarInfo("pipe")
        pipe.type = tarfile.FIFOTYPE
        tar.addfile(pipe)
    unpack([data.getvalue()], tmp_path)

    assert (tmp_path / "linked").samefile(tmp_path / "tool")
    assert {path.name: path.stat().st_mode & 0o7777 for path in tmp_path.iterdir()} == {
        "tool": 0o755,
        "linked": 0o755,
        "data": 0o644,
    }
