"""The part of a repository that a Terraform root needs, copied to where terraform works.

Not in place: Ferry's own files beside the user's would be read by their next `terraform plan` when a run is killed,
and two environments could not be planned at once. Not the root alone: modules beside it would be missing. So: the
root, what its local modules and its paths with `..` reach, and what those reach, all in the places that they have to
each other. What a machine or an earlier run left there stays where it is.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ferry.outside.terraform import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LEFT_OUT = shutil.ignore_patterns(
    ".git", ".terraform", ".venv", ".ferry", "node_modules", "__pycache__",
    "*.tfstate*", "*.tfplan", "crash*.log", words.INPUTS_FILE, words.IMPORTS_FILE, words.OVERRIDE_FILE,
)  # fmt: skip
# A text with a `..` in it. What comes behind an interpolation is not known: then all that may be meant is taken.
UPWARD = re.compile(r'"(?:\$\{path\.(?:module|root)\}/)?(?P<path>(?:[^"$\s]*/)?\.\.(?:/[^"$\n]*)?)(?P<more>\$)?')


def copied(root: Path, work: Path) -> Path:
    """Copy what the root needs to `work`; the answer is where the root is in it."""
    root, work = Path(os.path.normpath(root.absolute())), work.absolute()
    reached = needed(root)
    top = Path(os.path.commonpath([root, *(path if path.is_dir() else path.parent for path in reached)]))
    work.mkdir(parents=True)
    ignored = _ignoring(root, work)
    for path in (root, *reached):
        target = work / path.relative_to(top)
        if path.is_dir():
            shutil.copytree(path, target, ignore=ignored, ignore_dangling_symlinks=True, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
    work.chmod(0o700)  # variables, plans and provider settings may hold secrets; copies have their originals' modes
    return work / root.relative_to(top)


def _ignoring(root: Path, work: Path) -> Callable[[str, list[str]], set[str]]:
    def ignored(folder: str, names: list[str]) -> set[str]:
        left = {name for name in names if Path(folder, name) == work} | set(LEFT_OUT(folder, names))
        # Terraform reads variables from the root alone: those of others are somebody else's secrets.
        elsewhere = not Path(folder).is_relative_to(root)
        return left | {name for name in names if elsewhere and name.endswith((".tfvars", ".tfvars.json"))}

    return ignored


def needed(root: Path) -> tuple[Path, ...]:
    """Folders and files outside the root that it reaches, however far."""
    found: dict[Path, None] = {}
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        for path in _reached(folder, root):
            if path not in found and not any(path.is_relative_to(known) for known in (root, *found)):
                found[path] = None
                waiting += [path] if path.is_dir() else []
    return tuple(found)


def _reached(folder: Path, root: Path) -> Iterator[Path]:
    for file in _configuration(folder):
        for match in UPWARD.finditer(file.read_text(errors="replace")):
            # Sources are meant from the module's folder, bare paths from where terraform runs.
            for base in dict.fromkeys((file.parent, root)):
                path = Path(os.path.normpath(base / match["path"]))
                if match["more"] and not match["path"].endswith("/"):
                    path = path.parent
                if path.exists() and _fit(path, root):
                    yield path


def _configuration(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        left = LEFT_OUT(place, folders)
        folders[:] = [name for name in folders if name not in left]
        yield from (Path(place, name) for name in sorted(names) if name.endswith((".tf", ".tf.json")))


def _fit(path: Path, root: Path) -> bool:
    """A folder around the root is only meant where it is a module: else it would be the whole repository, or `/`."""
    return not root.is_relative_to(path) or any(path.glob("*.tf")) or any(path.glob("*.tf.json"))
