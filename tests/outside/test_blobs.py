from __future__ import annotations

import resource
import threading
from pathlib import Path

import pytest

from ferry.errors import BuildFailed
from ferry.outside.blobs import CHUNK, Blob, Store, digest_of

HELLO = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def names(store: Store) -> list[str]:
    return [path.name for path in store.folder.iterdir()]


def test_a_blob_is_found_by_its_digest(store: Store) -> None:
    assert store.find(HELLO) is None
    kept = store.keep(b"hello")
    assert kept == store.find(HELLO) == Blob(HELLO, 5, store.folder / HELLO.removeprefix("sha256:"))
    assert kept.path is not None
    assert kept.path.read_bytes() == b"hello"


def test_what_is_written_in_pieces_is_named_by_the_whole(store: Store) -> None:
    with store.writing() as writer:
        for piece in (b"he", b"", b"llo"):
            writer.write(piece)
    assert (writer.digest, writer.size) == (HELLO, 5)
    assert store.written(writer) == store.find(HELLO)


def test_nothing_has_a_name_before_it_is_whole(store: Store) -> None:
    with store.writing() as writer:
        writer.write(b"hello")
        assert store.find(HELLO) is None
    assert store.find(HELLO) is not None


def test_what_is_broken_off_leaves_nothing(store: Store) -> None:
    def broken_off() -> None:
        with store.writing() as writer:
            writer.write(b"hello")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert names(store) == []


def test_an_error_of_the_block_is_not_the_stores(store: Store) -> None:
    with pytest.raises(FileNotFoundError), store.writing():
        Path("/nonexistent").read_bytes()
    assert names(store) == []


def test_two_who_write_the_same_at_once_both_have_it(store: Store) -> None:
    with store.writing() as one, store.writing() as two:
        one.write(b"hello")
        two.write(b"hello")
    assert names(store) == [HELLO.removeprefix("sha256:")]


def test_many_may_write_side_by_side(store: Store) -> None:
    parts = [bytes([number]) * CHUNK for number in range(8)]
    writers = [threading.Thread(target=store.keep, args=(part,)) for part in parts * 2]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert {f"sha256:{name}" for name in names(store)} == {digest_of(part) for part in parts}


@pytest.mark.req("B-11")
def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BuildFailed, match="cannot be written down") as caught:
        Store(tmp_path / "file").keep(b"hello")
    assert (caught.value.where, caught.value.why) == (str(tmp_path / "file"), "File exists")


@pytest.mark.req("B-11")
@pytest.mark.parametrize("size", [1, 3 * CHUNK])
def test_a_disk_that_takes_no_more_is_told_as_such(store: Store, size: int) -> None:
    """Of little data it comes up at the end, when the rest of it is written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(BuildFailed, match="cannot be written down") as caught:
            store.keep(b"x" * size)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (caught.value.where, caught.value.why) == (str(store.folder), "File too large")
    assert names(store) == []


def test_what_came_of_a_key_is_remembered(store: Store) -> None:
    assert store.noted("sha256:key") == {}
    store.note("sha256:key", {"digest": HELLO})
    assert store.noted("sha256:key") == {"digest": HELLO}


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"'])
def test_a_note_that_cannot_be_read_is_none(store: Store, text: str) -> None:
    store.note("sha256:key", {"digest": HELLO})
    (store.folder / "of-key").write_text(text)
    assert store.noted("sha256:key") == {}
