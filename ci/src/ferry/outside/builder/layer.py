"""A folder in, a layer out: one pass over the files, and the same bytes on every machine.

Order, times, owners and modes are fixed, so that a layer's digest depends on nothing but names and contents.
Python's own zlib is another library from one build of Python to the next, and compresses in another way:
what a digest depends on goes through zlib-ng, whose version is locked.
"""

from __future__ import annotations

import hashlib
import io
import os
import posixpath
import stat
import struct
import tarfile
import zlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from zlib_ng import zlib_ng

from ferry.errors import BuildFailed, InternalError
from ferry.outside.blobs import CHUNK
from ferry.outside.builder.assemble import Layer

if TYPE_CHECKING:
    from collections.abc import Buffer, Iterator, Sequence
    from concurrent.futures import Executor, Future

    from ferry.outside.blobs import Store, Writer

LEVEL = 6
HEADER = b"\x1f\x8b\x08\x00" + b"\x00\x00\x00\x00" + b"\x00\xff"
"""Gzip's: deflate, no name; no time; no word on the level, no word on the system."""
PIECES_AHEAD = 4
ADAPTER = "lambda-adapter"
EXTENSIONS = "opt/extensions"
"""Where Lambda starts extensions from: the adapter is one."""


class _Gzip(io.RawIOBase):
    """A file to write a tar into: it counts and hashes what goes in, and compresses it into the store.

    The worker compresses one piece while the next is read. Pieces are of one size whatever the tar is written in:
    what a compressor makes may depend on where they end.
    """

    def __init__(self, into: Writer, worker: Executor) -> None:
        self._into = into
        self._worker = worker
        self._deflate = zlib_ng.compressobj(LEVEL, zlib_ng.DEFLATED, -15)
        self._hash = hashlib.sha256()
        self._crc = 0
        self._size = 0
        self._held = bytearray()
        self._ahead: deque[Future[None]] = deque()
        into.write(HEADER)

    def write(self, data: Buffer, /) -> int:
        before = len(self._held)
        self._held += data
        added = len(self._held) - before
        self._size += added
        while len(self._held) >= CHUNK:
            self._pass_on(bytes(self._held[:CHUNK]))
            del self._held[:CHUNK]
        return added

    def tell(self) -> int:
        return self._size

    def finish(self) -> str:
        """The digest of what went in."""
        self._pass_on(bytes(self._held))
        while self._ahead:
            self._ahead.popleft().result()
        self._into.write(self._deflate.flush())
        self._into.write(struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))
        return f"sha256:{self._hash.hexdigest()}"

    def _pass_on(self, piece: bytes) -> None:
        self._ahead.append(self._worker.submit(self._out, piece))
        if len(self._ahead) > PIECES_AHEAD:
            self._ahead.popleft().result()

    def _out(self, piece: bytes) -> None:
        self._hash.update(piece)
        self._crc = zlib.crc32(piece, self._crc)
        self._into.write(self._deflate.compress(piece))


class Tar:
    """A layer that is being written."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._made: Layer | None = None

    def addfile(self, entry: tarfile.TarInfo, file: IO[bytes] | None = None) -> None:
        self._archive.addfile(entry, file)

    def ends_as(self, made: Layer) -> None:
        self._made = made

    @property
    def layer(self) -> Layer:
        """Known when the last entry is written: after the block of `writing`."""
        if self._made is None:
            raise InternalError("a layer that is being written has no digest yet")
        return self._made


@contextmanager
def writing(store: Store) -> Iterator[Tar]:
    """What is put into the tar goes on into the store at once: neither is ever in memory."""
    with store.writing() as writer, ThreadPoolExecutor(1) as worker:
        gzip = _Gzip(writer, worker)
        with tarfile.open(fileobj=gzip, mode="w", format=tarfile.PAX_FORMAT) as archive:
            tar = Tar(archive)
            yield tar
        diff_id = gzip.finish()
    tar.ends_as(Layer(store.written(writer), diff_id))


def layer(folder: Path, at: str, store: Store) -> Layer:
    """The folder's content, to lie at an absolute place in the image."""
    place = PurePosixPath(posixpath.normpath(at)).relative_to("/")
    with writing(store) as tar:
        for parent in [*reversed(place.parents), place][1:]:
            _add(tar, str(parent), tarfile.DIRTYPE, 0o755)
        for name, entry in walk(folder):
            with readable(entry.path):
                _add_found(tar, str(place / name), entry)
    return tar.layer


def adapter_layer(layers: Sequence[Path], store: Store) -> Layer:
    """The one file that we want of the adapter's image, taken from wherever it lies in its layers."""
    for path in reversed(layers):
        with readable(str(path)), tarfile.open(path) as archive:
            for entry in archive:
                file = archive.extractfile(entry) if entry.isreg() else None
                if file is not None and PurePosixPath(entry.name).name == ADAPTER:
                    return _extension(file, entry.size, store)
    raise BuildFailed(
        "the adapter's image does not hold the adapter",
        where=f"{len(layers)} layers",
        why=f"no file in them is called {ADAPTER}",
        next="check `adapter` in ferry.toml: it names an image of the AWS Lambda Web Adapter",
    )


def _extension(file: IO[bytes], size: int, store: Store) -> Layer:
    with writing(store) as tar:
        for parent in ("opt", EXTENSIONS):
            _add(tar, parent, tarfile.DIRTYPE, 0o755)
        _add(tar, f"{EXTENSIONS}/{ADAPTER}", tarfile.REGTYPE, 0o755, size=size, file=file)
    return tar.layer


def walk(folder: Path | str, below: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything in a folder by its name there, in an order of its own; links are not followed."""
    with readable(str(folder)), os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        yield below + entry.name, entry
        if entry.is_dir(follow_symlinks=False):
            yield from walk(entry.path, f"{below}{entry.name}/")


def mode_of(entry: os.DirEntry[str]) -> int:
    """Lambda runs as a user of its own: whatever the umask was here, everyone may read."""
    return 0o755 if entry.stat().st_mode & stat.S_IXUSR else 0o644


@contextmanager
def readable(path: str) -> Iterator[None]:
    """What is built was made by us a moment ago, or downloaded; it may still be gone, odd or cut short."""
    try:
        yield
    except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
        raise BuildFailed(
            "a file that belongs to the build cannot be read",
            where=path,
            why=(error.strerror if isinstance(error, OSError) else None) or str(error),
            next="look at the file, then run the same command again",
        ) from error


def _add_found(tar: Tar, name: str, found: os.DirEntry[str]) -> None:
    if found.is_symlink():
        _add(tar, name, tarfile.SYMTYPE, 0o777, link=str(Path(found.path).readlink()))
    elif found.is_dir():
        _add(tar, name, tarfile.DIRTYPE, 0o755)
    elif found.is_file():
        with Path(found.path).open("rb") as file:
            _add(tar, name, tarfile.REGTYPE, mode_of(found), size=os.fstat(file.fileno()).st_size, file=file)
    else:
        raise OSError("it is a pipe, a socket or a device, and no file")


def _add(
    tar: Tar,
    name: str,
    kind: bytes,
    mode: int,
    *,
    link: str = "",
    size: int = 0,
    file: IO[bytes] | None = None,
) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname, entry.size = kind, mode, link, size
    tar.addfile(entry, file)
