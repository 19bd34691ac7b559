"""Directories in, a zip out: the same bytes on every machine, and dependencies are compressed once.

The dependencies' zip is an artifact of its own. A package is its entries as they are, and the application's behind
them: an application change costs a copy and a few small files. `zipfile` can neither copy an entry without
unpacking it nor compress with zlib-ng (see `layer`), so the few structures that a zip needs are written here.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from zlib_ng import zlib_ng

from ferry.errors import BuildFailed, InternalError
from ferry.outside.blobs import CHUNK, Blob
from ferry.outside.builder.layer import LEVEL, mode_of, readable, walk

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import BinaryIO

    from ferry.outside.blobs import Store, Writer

UNPACKED_LIMIT = 250 * 1024 * 1024
"""Lambda's, for everything that a function unpacks. With it no zip here needs the format's 64-bit extension."""
DIRECT_LIMIT = 50 * 1024 * 1024
"""Lambda's, for a zip that is sent in the call itself. One that lies in a bucket may have any size."""
MOST_FILES = 0xFFFF
NAMED = 5

LOCAL = struct.Struct("<4s5H3L2H")
BEHIND = struct.Struct("<4s3L")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
END_MARK = b"PK\x05\x06"

VERSION = 20
UNIX = 3 << 8
"""Whose modes these are."""
SIZES_BEHIND_AND_UTF8 = 0x0808
"""A file is compressed on its way into the zip: how large it became is known behind it (Go's zips do the same)."""
DEFLATED = 8
MIDNIGHT, EARLIEST = 0, (1 << 5) + 1
"""1980-01-01 00:00, where a zip's calendar begins."""

type Files = Mapping[str, os.DirEntry[str]]


def dependencies_zip(folder: Path, store: Store) -> Blob:
    files = _files(folder)
    _refuse_too_large("unpacked", _sizes(files), UNPACKED_LIMIT)
    with store.writing() as writer:
        made = _Zip(writer)
        made.add(files)
        made.finish()
    return store.written(writer)


def package(dependencies: Blob, application: Path, store: Store, *, direct: bool = False) -> Blob:
    """Both at the top of one zip. `direct`: it goes to Lambda in the call itself, not through a bucket.

    Sorted apart, dependencies first: so their entries keep their places, and are copied without a look at them.
    """
    if dependencies.path is None:
        raise InternalError("a package is made from dependencies on this machine", where=dependencies.digest)
    files = _files(application)
    with readable(str(dependencies.path)), dependencies.path.open("rb") as below, store.writing() as writer:
        there = _listed(below, dependencies.digest)
        _refuse_two_of_a_name({it.filename for it in there}, files)
        unpacked = _sizes(files) + _by_part({it.filename: it.file_size for it in there})
        _refuse_too_large("unpacked", unpacked, UNPACKED_LIMIT)
        made = _Zip(writer)
        made.copy(below)
        made.add(files)
        made.finish()
        if direct:
            packed = {it.filename: it.compress_size for it in there} | made.packed
            _refuse_too_large("zipped", _by_part(packed), DIRECT_LIMIT)
    return store.written(writer)


class _Zip:
    """A zip on its way into the store."""

    def __init__(self, into: Writer) -> None:
        self._into = into
        self._central = bytearray()
        self._count = 0
        self.packed: dict[str, int] = {}

    def copy(self, below: BinaryIO) -> None:
        """All entries of another zip, at their places. It was made here: nothing follows its end, no comment either."""
        below.seek(-END.size, 2)
        _, _, _, _, self._count, size, start, _ = END.unpack(below.read(END.size))
        below.seek(0)
        while start > self._into.size:
            self._into.write(below.read(min(CHUNK, start - self._into.size)))
        self._central += below.read(size)

    def add(self, files: Files) -> None:
        for name in sorted(files):
            with readable(files[name].path):
                self._add(name, files[name])

    def _add(self, name: str, entry: os.DirEntry[str]) -> None:
        start, said = self._into.size, name.encode()
        common = (SIZES_BEHIND_AND_UTF8, DEFLATED, MIDNIGHT, EARLIEST)
        self._into.write(LOCAL.pack(b"PK\x03\x04", VERSION, *common, 0, 0, 0, len(said), 0) + said)
        crc, packed, size = self._compressed(entry)
        self._into.write(BEHIND.pack(b"PK\x07\x08", crc, packed, size))
        mode = (stat.S_IFREG | mode_of(entry)) << 16
        sizes = (crc, packed, size, len(said), 0, 0, 0, 0, mode, start)
        self._central += CENTRAL.pack(b"PK\x01\x02", UNIX | VERSION, VERSION, *common, *sizes) + said
        self._count += 1
        self.packed[name] = packed

    def _compressed(self, entry: os.DirEntry[str]) -> tuple[int, int, int]:
        """The file's check sum, its size in the zip, and its own."""
        start, crc, size = self._into.size, 0, 0
        deflate = zlib_ng.compressobj(LEVEL, zlib_ng.DEFLATED, -15)
        with Path(entry.path).open("rb") as file:
            while data := file.read(CHUNK):
                crc = zlib.crc32(data, crc)
                size += len(data)
                self._into.write(deflate.compress(data))
        self._into.write(deflate.flush())
        return crc, self._into.size - start, size

    def finish(self) -> None:
        if self._count > MOST_FILES:
            raise BuildFailed(
                "the package has more files than a zip can hold",
                where=f"{self._count} files, at most {MOST_FILES}",
                next="take out what the function does not need, or make it an image",
            )
        start, size = self._into.size, len(self._central)
        self._into.write(bytes(self._central))
        self._into.write(END.pack(END_MARK, 0, 0, self._count, self._count, size, start, 0))


def _files(folder: Path) -> Files:
    """Neither a wheel nor a copied application holds a link: one would have to be resolved by whoever unpacks it."""
    files = {}
    for name, entry in walk(folder):
        if entry.is_dir(follow_symlinks=False):
            continue
        if not entry.is_file(follow_symlinks=False):
            _refuse_odd(entry.path, "it is a link, a pipe or a device, and Lambda's packages hold files only")
        if not _is_utf8(name):
            _refuse_odd(entry.path, "its name is not UTF-8")
        files[name] = entry
    return files


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_odd(path: str, why: str) -> None:
    raise BuildFailed("a file cannot go into a package", where=path, why=why, next="remove it, or put a file there")


def _listed(below: BinaryIO, digest: str) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(below) as archive:
            return archive.infolist()
    except zipfile.BadZipFile as error:
        raise BuildFailed(
            "the dependencies' zip cannot be read", where=digest, why=str(error), next="remove it, and build again"
        ) from error


def _refuse_two_of_a_name(there: set[str], files: Files) -> None:
    """Also where one has a file and the other a folder of that name."""
    folders = {above for name in there for above in _above(name)}
    for name in sorted(files):
        if name in there or name in folders or not there.isdisjoint(_above(name)):
            raise BuildFailed(
                "the application and its dependencies hold the same file",
                where=name,
                why="both would be at the top of the zip, and one would hide the other",
                next="give the application's folder another name",
            )


def _above(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]


def _sizes(files: Files) -> Counter[str]:
    return _by_part({name: entry.stat().st_size for name, entry in files.items()})


def _by_part(sizes: Mapping[str, int]) -> Counter[str]:
    """What each package or module at the top takes."""
    parts: Counter[str] = Counter()
    for name, size in sizes.items():
        parts[name.partition("/")[0]] += size
    return parts


def _refuse_too_large(how: str, parts: Counter[str], limit: int) -> None:
    """Found here, with what takes the room, and not by Lambda after the upload."""
    if parts.total() < limit:
        return
    big = ", ".join(f"{name} {_mb(size)}" for name, size in parts.most_common(NAMED))
    bucket = "" if how == "unpacked" else ", or send it through a bucket"
    raise BuildFailed(
        "the package is larger than Lambda takes",
        where=f"{_mb(parts.total())} {how}, at most {_mb(limit)}",
        why=f"the biggest parts: {big}",
        next=f"take out what the function does not need, or make it an image{bucket}",
    )


def _mb(size: int) -> str:
    """As Lambda counts them: its 250 MB are 262144000 bytes."""
    return f"{size / 1024 / 1024:.1f} MB"
