"""Bytes by their digest, in files: an artifact may be larger than the memory of whoever builds or carries it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ferry.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

CHUNK = 1024 * 1024


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Blob:
    """`path` is where the bytes are on this machine; None while only a registry has them."""

    digest: str
    size: int
    path: Path | None = None


class Writer:
    """A file that is being written, and what its digest is so far."""

    def __init__(self, file: BinaryIO, folder: Path) -> None:
        self._file = file
        self._folder = folder
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.size += len(data)
        with _told(self._folder):
            return self._file.write(data)

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


class Store:
    """A folder of blobs. What is in it is whole: a file gets its name when its last byte is written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, digest: str) -> Blob | None:
        path = self._path(digest)
        return Blob(digest, path.stat().st_size, path) if path.is_file() else None

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """When the block ends well, `find(writer.digest)` has it; otherwise nothing is left."""
        with _told(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            held, name = tempfile.mkstemp(dir=self.folder, prefix="part-")
        part = Path(name)
        file = os.fdopen(held, "wb")
        try:
            # What fails while the block reads is the block's own to tell.
            writer = Writer(file, self.folder)
            yield writer
            with _told(self.folder):
                file.close()
                part.replace(self._path(writer.digest))
        finally:
            with suppress(OSError):
                file.close()
            part.unlink(missing_ok=True)

    def written(self, writer: Writer) -> Blob:
        """What a block of `writing` has made."""
        return Blob(writer.digest, writer.size, self._path(writer.digest))

    def keep(self, data: bytes) -> Blob:
        with self.writing() as writer:
            writer.write(data)
        return self.written(writer)

    def note(self, key: str, said: Mapping[str, str]) -> None:
        """Remember what came of a key: the next build on this machine asks before it makes it again."""
        with _told(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            part = self.folder / f"part-{uuid.uuid4().hex}"
            part.write_text(json.dumps(said))
            part.replace(self._note(key))

    def noted(self, key: str) -> Mapping[str, str]:
        """Empty where nothing is remembered, or what is cannot be read."""
        try:
            said = json.loads(self._note(key).read_text())
        except (OSError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}

    def _note(self, key: str) -> Path:
        return self.folder / f"of-{key.removeprefix('sha256:')}"

    def _path(self, digest: str) -> Path:
        return self.folder / digest.removeprefix("sha256:")


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BuildFailed(
            "what is built cannot be written down",
            where=str(folder),
            why=error.strerror or str(error),
            next="make room there, or give Ferry another folder, then run the same command again",
        ) from error
