"""From what ferry.toml names to directories. Builders make folders and nothing more.

`assemble` turns them into an image, `package` into a zip.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ferry.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ferry.config import Recipe
    from ferry.outside.builder.assemble import Image

PYTHON = "3.13"
PLATFORM = "x86_64-manylinux_2_28"
DEPENDENCIES = "/opt/dependencies"
"""Where the dependencies lie in the image: apart from the application, a layer of their own."""

LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".git", ".venv", ".env", ".*_cache", "requirements.*")


class Builder(Protocol):
    """The folders are on this file system; what is in them goes to a place of its own in the image."""

    async def base(self, recipe: Recipe) -> Image | None:
        """The image to build on; None where something has to stand in for it."""
        ...

    async def dependencies(self, lock: str) -> Path: ...

    async def application(self, source: Sequence[str]) -> Path: ...


def install(target: str, lock: str) -> tuple[str, ...]:
    """Uv's words for "exactly what the lock says, for Lambda's platform, as wheels"."""
    return (
        "pip", "install", "--quiet", "--target", target, "--requirement", lock,
        "--require-hashes", "--no-deps", "--only-binary", ":all:",
        "--python-version", PYTHON, "--python-platform", PLATFORM, "--link-mode", "copy",
    )  # fmt: skip


def not_installed(lock: str, why: str) -> BuildFailed:
    return BuildFailed(
        "the dependencies could not be installed",
        where=lock,
        why=why.strip(),
        next="check that the package index is reachable and that the lock holds a hash for each wheel",
    )


def copy_application(root: Path, source: Sequence[str], target: Path) -> None:
    """Each folder of the application, under its own name."""
    for folder in source:
        if not (root / folder).is_dir():
            raise BuildFailed("the application folder does not exist", where=folder, next="mend `source` in ferry.toml")
        try:
            shutil.copytree(root / folder, target / Path(folder).name, ignore=LEFT_OUT)
        except OSError as error:
            # One error for the folder, or a list of (source, target, why) for what is in it.
            listed = error.args[0] if isinstance(error, shutil.Error) else [error.strerror or str(error)]
            why = "\n".join(it if isinstance(it, str) else f"{it[0]}: {it[2]}" for it in listed)
            raise BuildFailed(
                "the application could not be copied", where=folder, why=why, next="mend or remove what it names"
            ) from error


def tidy(target: Path) -> None:
    """Take out what says when, where and by whom it was installed: none of it is a property of the image."""
    shutil.rmtree(target / "bin", ignore_errors=True)
    (target / ".lock").unlink(missing_ok=True)
    for record in target.glob("*.dist-info/RECORD"):
        # It holds the hash of the scripts in bin, whose first line names the interpreter of this machine.
        record.unlink()
    for compiled in [*target.rglob("__pycache__")]:
        # It holds the time at which its source was installed.
        shutil.rmtree(compiled)
