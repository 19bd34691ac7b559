from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import pytest

from ferry.errors import BuildFailed, InternalError
from ferry.outside.blobs import Blob, Store
from ferry.outside.builder import package as packaging
from ferry.outside.builder.package import dependencies_zip, package

if TYPE_CHECKING:
    from pathlib import Path

MB = 1024 * 1024


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def folder(place: Path, **files: str) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = place / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return place


def path_of(blob: Blob) -> Path:
    assert blob.path is not None
    return blob.path


def listed(blob: Blob) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(path_of(blob)) as archive:
        assert archive.testzip() is None
        return archive.infolist()


def names(blob: Blob) -> list[str]:
    return [entry.filename for entry in listed(blob)]


def test_dependencies_come_first_and_each_part_is_sorted(tmp_path: Path, store: Store) -> None:
    dependencies = dependencies_zip(folder(tmp_path / "a", z="1", lib__m="2"), store)
    made = package(dependencies, folder(tmp_path / "b", app__z="3", app__main="4"), store)
    assert names(dependencies) == ["lib/m", "z"]
    assert names(made) == ["lib/m", "z", "app/main", "app/z"]


def test_what_was_put_in_comes_out(tmp_path: Path, store: Store) -> None:
    place = folder(tmp_path / "a", empty="", text="x" * 3 * MB)
    (place / "noise").write_bytes(b"".join(number.to_bytes(4) for number in range(MB)))
    made = package(dependencies_zip(place, store), folder(tmp_path / "b", app__main="print()"), store)
    with zipfile.ZipFile(path_of(made)) as archive:
        archive.extractall(tmp_path / "out")
    shutil.copytree(tmp_path / "b", place, dirs_exist_ok=True)
    inside = [path.relative_to(place) for path in place.rglob("*") if path.is_file()]
    assert len(inside) == 4
    assert all((tmp_path / "out" / it).read_bytes() == (place / it).read_bytes() for it in inside)


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed here")
def test_other_programs_read_it_too(tmp_path: Path, store: Store) -> None:
    made = package(dependencies_zip(folder(tmp_path / "a", ä="1"), store), folder(tmp_path / "b", app__x="2"), store)
    done = subprocess.run(["unzip", "-t", path_of(made)], capture_output=True, text=True, check=False)
    assert (done.returncode, "No errors" in done.stdout) == (0, True)


def test_python_imports_from_it(tmp_path: Path, store: Store) -> None:
    """Which reads a zip with code of its own, and is strict about where things lie."""
    made = package(
        dependencies_zip(folder(tmp_path / "a", **{"lib.py": "HELLO = 'hello'"}), store),
        folder(tmp_path / "b", **{"app.py": "import lib; print(lib.HELLO)"}),
        store,
    )
    environment = {"PYTHONPATH": str(path_of(made))}
    said = subprocess.run([sys.executable, "-m", "app"], env=environment, capture_output=True, check=True)
    assert said.stdout == b"hello\n"


def test_an_application_adds_its_files_and_copies_the_rest(tmp_path: Path, store: Store) -> None:
    dependencies = dependencies_zip(folder(tmp_path / "a", z="1", lib__m="2" * 10_000), store)
    made = package(dependencies, folder(tmp_path / "b", app__main="3"), store)
    until = listed(made)[-1].header_offset
    assert path_of(made).read_bytes()[:until] == path_of(dependencies).read_bytes()[:until]


def test_either_part_may_be_empty(tmp_path: Path, store: Store) -> None:
    nothing = folder(tmp_path / "nothing")
    assert names(package(dependencies_zip(nothing, store), nothing, store)) == []
    assert names(package(dependencies_zip(nothing, store), folder(tmp_path / "b", x="1"), store)) == ["x"]


def test_the_same_content_is_the_same_bytes(tmp_path: Path, store: Store) -> None:
    made = set()
    for turn, umask in enumerate((0o000, 0o022, 0o077)):
        before = os.umask(umask)
        try:
            files = {f"{part}__{name}": part + name for part in "ba" for name in "zyx"}
            order = random.Random(turn).sample([*files], len(files))  # noqa: S311 - an order, not a secret
            place = folder(tmp_path / str(turn), **{name: files[name] for name in order})
        finally:
            os.umask(before)
        for path in place.rglob("*"):
            os.utime(path, (turn, turn))
        made.add(package(dependencies_zip(place, store), folder(tmp_path / f"{turn}-app", app__x="1"), store))
    assert len(made) == 1


def test_a_packages_bytes_are_the_same_on_every_machine(tmp_path: Path, store: Store) -> None:
    """Written down once, as those of a layer are: see there."""
    numbers = "".join(str(number**7) for number in range(100_000))
    dependencies = dependencies_zip(folder(tmp_path / "a", numbers=numbers, ä="1"), store)
    made = package(dependencies, folder(tmp_path / "b", app__main="print()\n" * 1000), store)
    assert made.digest == "sha256:11cafd3782797b0132da2a30c192b9939756e5a5eb043ef937fcca1098b12938"


def test_what_runs_still_runs_and_everybody_may_read(tmp_path: Path, store: Store) -> None:
    place = folder(tmp_path / "a", tool="x", text="y")
    (place / "tool").chmod(0o700)
    (place / "text").chmod(0o600)
    entries = listed(dependencies_zip(place, store))
    assert {it.filename: oct(it.external_attr >> 16) for it in entries} == {"tool": "0o100755", "text": "0o100644"}
    assert {(it.create_system, it.date_time) for it in entries} == {(3, (1980, 1, 1, 0, 0, 0))}


@pytest.mark.parametrize(("below", "above"), [("app__x", "app__x"), ("app", "app__x"), ("app__x__y", "app__x")])
def test_two_files_for_one_place_are_refused(tmp_path: Path, store: Store, below: str, above: str) -> None:
    dependencies = dependencies_zip(folder(tmp_path / "a", **{below: "1"}), store)
    with pytest.raises(BuildFailed, match="the same file") as caught:
        package(dependencies, folder(tmp_path / "b", **{above: "2"}), store)
    assert caught.value.where == "app/x"


def test_one_folder_may_hold_files_of_both(tmp_path: Path, store: Store) -> None:
    dependencies = dependencies_zip(folder(tmp_path / "a", shared__x="1"), store)
    assert names(package(dependencies, folder(tmp_path / "b", shared__y="2"), store)) == ["shared/x", "shared/y"]


@pytest.mark.parametrize("kind", ["a link", "a dangling link", "a link to a folder", "a pipe", "not UTF-8"])
def test_what_is_no_file_for_a_package_is_named(tmp_path: Path, store: Store, kind: str) -> None:
    place = folder(tmp_path / "a", x="1", inner__y="2")
    odd = place / "odd"
    match kind:
        case "a link":
            odd.symlink_to("x")
        case "a dangling link":
            odd.symlink_to("nowhere")
        case "a link to a folder":
            odd.symlink_to("inner")
        case "a pipe":
            os.mkfifo(odd)
        case _:
            odd = place / os.fsdecode(b"odd-\xff")
            odd.touch()
    with pytest.raises(BuildFailed, match="cannot go into a package") as caught:
        dependencies_zip(place, store)
    assert caught.value.where == str(odd)


def test_a_package_that_lambda_would_refuse_is_refused_with_what_is_big(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    dependencies = dependencies_zip(folder(tmp_path / "a", small__x="1", big__one="1" * 60, big__two="1" * 60), store)
    monkeypatch.setattr(packaging, "UNPACKED_LIMIT", 130)
    assert names(package(dependencies, folder(tmp_path / "b", app__x="1" * 8), store))
    with pytest.raises(BuildFailed, match="larger than Lambda takes") as caught:
        package(dependencies, folder(tmp_path / "c", app__x="1" * 9), store)
    assert "unpacked" in caught.value.where
    assert caught.value.why.index("big") < caught.value.why.index("app") < caught.value.why.index("small")


def test_lambdas_real_limit_is_told_before_anything_is_compressed(tmp_path: Path, store: Store) -> None:
    folder(tmp_path / "a", lib__x="1")
    os.truncate(tmp_path / "a/lib/x", 250 * MB)
    with pytest.raises(BuildFailed, match="larger than Lambda takes") as caught:
        dependencies_zip(tmp_path / "a", store)
    assert (caught.value.where, caught.value.why) == (
        "250.0 MB unpacked, at most 250.0 MB",
        "the biggest parts: lib 250.0 MB",
    )
    assert not store.folder.exists()


def test_only_what_goes_to_lambda_in_the_call_has_to_be_small_when_zipped(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaging, "DIRECT_LIMIT", 500)
    dependencies = dependencies_zip(folder(tmp_path / "a", big="".join(map(str, range(1000))), small="1"), store)
    application = folder(tmp_path / "b", app__x="1")
    assert package(dependencies, application, store).size > 500
    before = {*store.folder.iterdir()}
    with pytest.raises(BuildFailed, match="larger than Lambda takes") as caught:
        package(dependencies, application, store, direct=True)
    assert "zipped" in caught.value.where
    assert "through a bucket" in caught.value.next
    assert caught.value.why.startswith("the biggest parts: big")
    assert {*store.folder.iterdir()} == before


def test_more_files_than_a_zip_can_count_are_refused(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaging, "MOST_FILES", 2)
    with pytest.raises(BuildFailed, match="more files") as caught:
        dependencies_zip(folder(tmp_path / "a", a="1", b="2", c="3"), store)
    assert caught.value.where == "3 files, at most 2"


def test_dependencies_that_are_not_here_are_a_mistake_of_ours(tmp_path: Path, store: Store) -> None:
    with pytest.raises(InternalError):
        package(Blob("sha256:there", 1), folder(tmp_path / "a"), store)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06" * 20])
def test_dependencies_that_are_no_zip_are_told(tmp_path: Path, store: Store, content: bytes) -> None:
    with pytest.raises(BuildFailed, match="cannot be read"):
        package(store.keep(content), folder(tmp_path / "a"), store)


def test_a_large_file_streams(tmp_path: Path, store: Store) -> None:
    folder(tmp_path / "a", lib__x="1")
    os.truncate(tmp_path / "a/lib/x", 64 * MB)
    tracemalloc.start()
    try:
        package(dependencies_zip(tmp_path / "a", store), folder(tmp_path / "b"), store)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 16 * MB
