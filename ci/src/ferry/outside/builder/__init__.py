"""From what ferry.toml names to directories. Builders make folders and nothing more.

`layer` and `assemble` turn them into an image, `package` into a zip: the same bytes whichever builder made them.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ferry.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

PYTHON = "3.13"
PLATFORM = "x86_64-manylinux_2_28"
DEPENDENCIES = "/opt/dependencies"
"""Where the dependencies lie in the image: apart from the application, a layer of their own."""
BYTECODE = Path(__file__).with_name("bytecode.py")
"""The script that compiles; it needs nothing but the interpreter whose bytecode is wanted."""
LAST_LINES = 12

NOT_COPIED = ("__pycache__", "*.pyc", ".git", ".venv", ".env", ".*_cache", "requirements.*", "Dockerfile")
"""What lies in an application's folder and is no part of it: people work there."""
LEFT_OUT = shutil.ignore_patterns(*NOT_COPIED)

# What says when, where and by whom it was installed: none of it is a property of what is built. Bytecode is made here;
# a wheel that brings its own, or a script whose first line names this machine's interpreter, is not taken at its word.
RECORDS = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
UNTIDY = ("bin", ".lock", "**/__pycache__", *(f"*.dist-info/{record}" for record in RECORDS))

# Uv's own words, to what happened and what to do. The first that fits: the rest of a message may quote the others'.
REASONS = tuple(
    (re.compile(words, re.IGNORECASE), what, next)
    for words, what, next in (
        (
            r"no space left on device|disk quota exceeded",
            "there is no room",
            "make room where it says so, then run the same command again",
        ),
        (
            r"hash mismatch",
            "a wheel is not the one that was locked",
            "find out why the index has other bytes; if they are meant, lock again: uv pip compile --generate-hashes",
        ),
        (
            r"network (was|is|connectivity is) disabled",
            "a wheel is not on this machine, and uv may not use the network",
            "unset UV_OFFLINE, then run the same command again",
        ),
        (
            r"\b(401|403|407) |unauthorized|forbidden",
            "the package index does not let us in",
            "check the credentials of UV_INDEX_URL, UV_DEFAULT_INDEX or the proxy",
        ),
        (
            r"failed to fetch|error sending request|request failed|dns error|timed out|connection (refused|reset)",
            "the package index cannot be reached",
            "check the network, the proxy and UV_INDEX_URL or UV_DEFAULT_INDEX, then run the same command again",
        ),
        (
            r"no wheels? with a matching|no usable wheels",
            f"a locked package has no wheel for Lambda's platform ({PLATFORM}, Python {PYTHON})",
            "lock a version that has one; what has to be built from its source cannot be locked",
        ),
        (
            r"there is no version of|not found in the (package registry|provided)|not found in the cache",
            "the lock is out of date: the index does not have what it names",
            "lock again: uv pip compile --generate-hashes",
        ),
        (
            r"--require-hashes|must have a(t least one)? hash|hash-checking",
            "the lock has a package without a version or a hash",
            "lock again: uv pip compile --generate-hashes",
        ),
        (
            r"couldn't parse|failed to parse|expected (one of|package name|a )",
            "the lock cannot be read",
            "lock again: uv pip compile --generate-hashes",
        ),
    )
)


class Builder(Protocol):
    """The folders are on this file system; what is in them goes to a place of its own in the image."""

    async def compiler(self) -> str:
        """The full version of the Python whose bytecode this builder makes, 3.13.5 say."""
        ...

    async def tree(self, paths: Sequence[str]) -> Path:
        """A folder in which these files, folders and globs of the repository lie as they do in it."""
        ...

    async def dependencies(self, lock: str) -> Path:
        """Installed from the lock, tidied, compiled."""
        ...

    async def application(self, source: Sequence[str]) -> Path:
        """Each folder under its own name, compiled."""
        ...

    async def dockerfile(self, dockerfile: str, inputs: Sequence[str]) -> Path:
        """The image that an engine makes from somebody's own Dockerfile, as a tar in OCI layout."""
        ...


def install(target: str, lock: str, *, link: str = "copy") -> tuple[str, ...]:
    """Uv's words for "exactly what the lock says, for Lambda's platform, as wheels"."""
    return (
        "pip", "install", "--quiet", "--target", target, "--requirement", lock,
        "--require-hashes", "--no-deps", "--only-binary", ":all:",
        "--python-version", PYTHON, "--python-platform", PLATFORM, "--link-mode", link,
    )  # fmt: skip


def not_installed(lock: str, said: str) -> BuildFailed:
    fits = [(what, next) for words, what, next in REASONS if words.search(said)]
    what, next = fits[0] if fits else ("uv refused", "look at the lock, and at what uv says of it")
    return BuildFailed(f"the dependencies could not be installed: {what}", where=lock, why=last(said), next=next)


def not_compiled(where: str, said: str) -> BuildFailed:
    return BuildFailed(
        "the bytecode could not be made",
        where=where,
        why=last(said),
        next="look at the file it names and at the room there, then run the same command again",
    )


def last(said: str) -> str:
    return "\n".join(said.strip().splitlines()[-LAST_LINES:])


def refuse_missing(root: Path, paths: Sequence[str]) -> None:
    """Each is a file, a folder or a glob, and there is something for it."""
    missing = [path for path in paths if not _is_there(root, path)]
    if missing:
        raise BuildFailed(
            "what an artifact is made from is not in the repository",
            where=", ".join(missing),
            why="no file or folder is called so",
            next="mend the artifact's paths in ferry.toml",
        )


def _is_there(root: Path, path: str) -> bool:
    """An absolute path, an empty one and one that leaves the repository name nothing in it."""
    parts = Path(path).parts
    inside = bool(parts) and not Path(path).is_absolute() and ".." not in parts and "\0" not in path
    return inside and any(True for _ in root.glob(path))


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
    _drop_empty(target)


def _drop_empty(folder: Path) -> None:
    """Git knows no empty folders: another checkout of the same commit would not have them."""
    for place, _, _ in folder.walk(top_down=False):
        if place != folder and not any(place.iterdir()):
            place.rmdir()


def tidy(target: Path) -> None:
    for path in [path for pattern in UNTIDY for path in target.glob(pattern)]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
