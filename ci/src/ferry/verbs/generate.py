"""generate: the files that follow from ferry.toml and ferry.lock, for those who need them as files."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from ferry import dockerfile
from ferry.config import ImageArtifact
from ferry.errors import BuildFailed, ConfigError, Mistake

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ferry.config import Config
    from ferry.lockfile import Lock


def generated(config: Config, lock: Lock) -> dict[str, str]:
    """Every file by its path in the repository: the Dockerfile of each image that has a recipe."""
    files: dict[str, str] = {}
    for name, artifact in config.artifacts.items():
        if isinstance(artifact, ImageArtifact) and artifact.recipe:
            place = dockerfile.place(artifact.recipe)
            if place in files:
                raise BuildFailed(
                    "two images would have the same Dockerfile",
                    where=place,
                    why=f"the lock of artifacts.{name} is in a folder with another image's",
                    next="give each image a folder of its own for its lock",
                )
            files[place] = dockerfile.text(name, artifact.recipe, lock.images)
    return files


def stale(files: Mapping[str, str], folder: Path) -> tuple[str, ...]:
    """Those that are not in the folder as they must be."""
    return tuple(path for path, text in files.items() if _there(folder / path) != text)


def check(files: Mapping[str, str], folder: Path) -> None:
    mistakes = [_mistake(path, _there(folder / path), files[path]) for path in stale(files, folder)]
    if mistakes:
        error = ConfigError(mistakes[0].file, tuple(mistakes))
        error.next = "ferry generate"
        raise error


def _there(path: Path) -> str | None:
    """Line ends and all: a checkout that changes them has changed the file."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None


def _mistake(path: str, there: str | None, text: str) -> Mistake:
    lines = enumerate(zip_longest((there or "").split("\n"), text.split("\n")), 1)
    line = next((number for number, (found, wanted) in lines if found != wanted), 1)
    found = "another text" if there is not None else "no text that can be read"
    return Mistake(file=path, line=line, key="", found=found, allowed="what `ferry generate` writes")
