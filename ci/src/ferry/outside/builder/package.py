"""Directories in, a zip out: the same bytes for the same names and contents."""

from __future__ import annotations

import io
import stat
import zipfile
from typing import TYPE_CHECKING

from ferry.errors import BuildFailed

if TYPE_CHECKING:
    from pathlib import Path

EARLIEST = (1980, 1, 1, 0, 0, 0)
UNPACKED_LIMIT = 250 * 1024 * 1024
"""Lambda's, for everything that a function unpacks."""
NAMED = 5


def package(*folders: Path) -> bytes:
    """The content of all of them at the top of one zip."""
    files = _files(folders)
    _refuse_too_large(files)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, whose modes these are
            # Lambda runs as a user of its own: whatever the umask was here, everyone may read.
            runs = path.stat().st_mode & stat.S_IXUSR
            entry.external_attr = (stat.S_IFREG | (0o755 if runs else 0o644)) << 16
            archive.writestr(entry, path.read_bytes())
    return data.getvalue()


def _files(folders: tuple[Path, ...]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for folder in folders:
        for path in folder.rglob("*"):
            name = path.relative_to(folder).as_posix()
            if path.is_dir():
                continue
            if name in files:
                raise BuildFailed(
                    "the application and its dependencies hold the same file",
                    where=name,
                    why="both would be at the top of the zip, and one would hide the other",
                    next="give the application's folder another name",
                )
            files[name] = path
    return files


def _refuse_too_large(files: dict[str, Path]) -> None:
    """Found here, with what takes the room, and not by Lambda after the upload."""
    sizes: dict[str, int] = {}
    for name, path in files.items():
        part = name.partition("/")[0]
        sizes[part] = sizes.get(part, 0) + path.stat().st_size
    if sum(sizes.values()) > UNPACKED_LIMIT:
        biggest = sorted(sizes.items(), key=lambda it: -it[1])[:NAMED]
        raise BuildFailed(
            "the package is larger than Lambda takes",
            where=f"{sum(sizes.values()) / 1e6:.0f} MB unpacked, at most {UNPACKED_LIMIT / 1e6:.0f} MB",
            why="the biggest parts: " + ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in biggest),
            next="take out what the function does not need, or make it an image",
        )
