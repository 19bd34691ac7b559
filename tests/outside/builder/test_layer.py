from __future__ import annotations

import gzip
import io
import os
import random
import tarfile
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from ferry.errors import BuildFailed, InternalError
from ferry.outside.blobs import Store, digest_of
from ferry.outside.builder.layer import adapter_layer, layer, writing
from tests.outside.builder.images import folder_of

if TYPE_CHECKING:
    from pathlib import Path

    from ferry.outside.builder.assemble import Layer

MB = 1024 * 1024


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def data_of(made: Layer) -> bytes:
    assert made.blob.path is not None
    return made.blob.path.read_bytes()


def entries(made: Layer) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data_of(made))) as archive:
        return archive.getmembers()


def written(place: Path, names: list[str], *, seconds: int) -> Path:
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(name)
        os.utime(place / name, (seconds, seconds))
    return place


def test_the_same_files_are_the_same_layer_whenever_and_however_they_were_written(tmp_path: Path, store: Store) -> None:
    names = [f"{folder}/{name}.py" for folder in ("b", "a", "a-b", "a/b") for name in ("z", "y")]
    made = set()
    for turn, umask in enumerate((0o000, 0o022, 0o077)):
        before = os.umask(umask)
        try:
            order = random.Random(turn).sample(names, len(names))  # noqa: S311 - an order, not a secret
            made.add(layer(written(tmp_path / str(turn), order, seconds=turn * 1000), "/opt", store))
        finally:
            os.umask(before)
    assert len(made) == 1


def test_a_layers_bytes_are_the_same_on_every_machine(tmp_path: Path, store: Store) -> None:
    """Written down once: another Python, processor or zlib must not make others. A change here rebuilds everything."""
    place = folder_of(tmp_path / "app", a="print()\n" * 1000)
    (place / ("ä" * 60)).write_text("x")
    (place / "numbers").write_text("".join(str(number**7) for number in range(100_000)))
    (place / "link").symlink_to("a.py")
    made = layer(place, "/var/task", store)
    assert made.diff_id == "sha256:2a6ce9586aeb83469f018ac7522b3d50303f03a5959e81c503d733fc03098248"
    assert made.blob.digest == "sha256:ffa15328750a092519d88851e8f970c30633f480679beadad1845e400c3e3af7"


def test_the_digests_are_of_the_tar_and_of_the_file(tmp_path: Path, store: Store) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/big").write_bytes(b"".join(number.to_bytes(4) for number in range(MB)))
    made = layer(tmp_path / "app", "/opt", store)
    assert made.blob.digest == digest_of(data_of(made))
    assert made.blob.size == len(data_of(made))
    assert made.diff_id == digest_of(gzip.decompress(data_of(made)))


def test_the_header_says_neither_when_nor_by_what_it_was_compressed(tmp_path: Path, store: Store) -> None:
    made = layer(folder_of(tmp_path / "app", main=""), "/opt", store)
    assert data_of(made)[:10] == bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255])


def test_a_layer_larger_than_memory_streams(tmp_path: Path, store: Store) -> None:
    (tmp_path / "app").mkdir()
    with (tmp_path / "app/big").open("wb") as file:
        file.truncate(64 * MB)
    tracemalloc.start()
    try:
        made = layer(tmp_path / "app", "/opt", store)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert entries(made)[-1].size == 64 * MB
    assert most < 16 * MB


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_everyone_may_read_whatever_the_umask_was(tmp_path: Path, store: Store, umask: int) -> None:
    before = os.umask(umask)
    try:
        folder = folder_of(tmp_path / "app" / "inner", main="print()")
        (folder / "run.sh").touch(mode=0o700)
    finally:
        os.umask(before)
    modes = {entry.name: oct(entry.mode) for entry in entries(layer(tmp_path / "app", "/task", store))}
    folders = {"task": "0o755", "task/inner": "0o755"}
    assert modes == {**folders, "task/inner/main.py": "0o644", "task/inner/run.sh": "0o755"}


def test_who_made_it_and_when_is_not_in_a_layer(tmp_path: Path, store: Store) -> None:
    made = entries(layer(folder_of(tmp_path / "app", main=""), "/var/task", store))
    assert {(entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime) for entry in made} == {(0, 0, "", "", 0)}


def test_links_stay_links(tmp_path: Path, store: Store) -> None:
    folder = folder_of(tmp_path / "app", main="")
    (folder / "again.py").symlink_to("main.py")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "self").symlink_to(".")
    found = {entry.name: entry.linkname for entry in entries(layer(folder, "/t", store)) if entry.issym()}
    assert found == {"t/again.py": "main.py", "t/dangling": "nowhere", "t/self": "."}


def test_what_is_no_file_is_named(tmp_path: Path, store: Store) -> None:
    folder = folder_of(tmp_path / "app", main="")
    os.mkfifo(folder / "pipe")
    with pytest.raises(BuildFailed, match="cannot be read") as caught:
        layer(folder, "/t", store)
    assert (caught.value.where, "a pipe" in caught.value.why) == (str(folder / "pipe"), True)


def test_a_folder_that_is_gone_is_named_and_nothing_is_left(tmp_path: Path, store: Store) -> None:
    with pytest.raises(BuildFailed, match="cannot be read") as caught:
        layer(tmp_path / "gone", "/t", store)
    assert caught.value.where == str(tmp_path / "gone")
    assert [*store.folder.iterdir()] == []


@pytest.mark.parametrize(
    ("at", "names"),
    [
        ("/var/task", ["var", "var/task", "var/task/main.py"]),
        ("/var//task/", ["var", "var/task", "var/task/main.py"]),
        ("/var/../opt", ["opt", "opt/main.py"]),
        ("/../opt", ["opt", "opt/main.py"]),
        ("/", ["main.py"]),
    ],
)
def test_a_layer_lies_where_it_was_told(tmp_path: Path, store: Store, at: str, names: list[str]) -> None:
    assert [entry.name for entry in entries(layer(folder_of(tmp_path / "app", main=""), at, store))] == names


def test_a_layer_has_no_digest_before_its_last_entry(store: Store) -> None:
    with writing(store) as tar, pytest.raises(InternalError):
        _ = tar.layer
    assert tar.layer.blob == store.find(tar.layer.blob.digest)


def test_an_empty_folder_is_a_layer_too(tmp_path: Path, store: Store) -> None:
    assert [entry.name for entry in entries(layer(folder_of(tmp_path / "app"), "/opt", store))] == ["opt"]


def test_names_that_are_long_or_not_ascii_arrive(tmp_path: Path, store: Store) -> None:
    folder = folder_of(tmp_path / "app")
    names = {"ä" * 60, "n" * 200, os.fsdecode(b"not-utf-8-\xff")}
    for name in names:
        (folder / name).write_text("x")
    assert {entry.name.removeprefix("opt/") for entry in entries(layer(folder, "/opt", store))} == {"opt", *names}


def adapter(place: Path, at: str, text: str) -> Path:
    """A layer file with the adapter in it, and something beside it."""
    (place / at).mkdir(parents=True)
    (place / at / "lambda-adapter").write_text(text)
    (place / at / "lambda-adapter.md").write_text("not this")
    made = layer(place, "/", Store(place.with_suffix(".store")))
    assert made.blob.path is not None
    return made.blob.path


def test_the_adapter_is_put_where_lambda_starts_it(tmp_path: Path, store: Store) -> None:
    made = adapter_layer([adapter(tmp_path / "a", "usr/bin", "binary")], store)
    found = [(entry.name, oct(entry.mode), entry.isdir()) for entry in entries(made)]
    assert found == [
        ("opt", "0o755", True),
        ("opt/extensions", "0o755", True),
        ("opt/extensions/lambda-adapter", "0o755", False),
    ]
    with tarfile.open(fileobj=io.BytesIO(data_of(made))) as archive:
        file = archive.extractfile("opt/extensions/lambda-adapter")
        assert file is not None
        assert file.read() == b"binary"


def test_it_does_not_matter_where_the_adapter_lay(tmp_path: Path, store: Store) -> None:
    """Of two layers the upper one is what an image shows."""
    below, above = adapter(tmp_path / "a", "bin", "old"), adapter(tmp_path / "b", ".", "new")
    other = layer(folder_of(tmp_path / "c", main=""), "/", store).blob.path
    assert other is not None
    alone = adapter_layer([adapter(tmp_path / "d", "opt/extensions", "new")], store)
    assert adapter_layer([below, above, other], store) == alone


def test_an_image_without_the_adapter_is_refused(tmp_path: Path, store: Store) -> None:
    other = layer(folder_of(tmp_path / "c", main=""), "/", store).blob.path
    assert other is not None
    with pytest.raises(BuildFailed, match="does not hold the adapter"):
        adapter_layer([other], store)


@pytest.mark.parametrize("cut", [0, 20, 200])
def test_a_layer_file_that_is_cut_short_or_no_tar_is_named(tmp_path: Path, store: Store, cut: int) -> None:
    path = adapter(tmp_path / "a", ".", "".join(map(str, range(1000))))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(BuildFailed, match="cannot be read") as caught:
        adapter_layer([path], store)
    assert caught.value.where == str(path)
    assert caught.value.why
