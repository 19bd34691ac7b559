"""What changed in a lock file, or in the manifest beside it: versions, and whatever is more than versions.

    uv, requirements, terraform     lock files
    lines                           files of which lines name versions: workflows, Dockerfiles, *.tf, requirements.in
    manifest                        pyproject.toml

A file of another kind has nothing to do with an update, and a file that cannot be read is odd.
"""

from __future__ import annotations

import re
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from ferry.gate.facts import Listed, LockChange, Unknown
from ferry.gate.locks import lines, manifest, requirements, terraform, uv
from ferry.gate.locks.reading import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from ferry.gate.facts import Fact
    from ferry.gate.locks.reading import Change

type Reader = Callable[[str, str], Change]

LONGEST_LINE = 1000
ECOSYSTEMS = {"uv": "PIP", "requirements": "PIP", "terraform": "", "docker": "", "actions": "ACTIONS", "manifest": ""}
"""As GitHub's alerts name them; empty where there are none."""
MANIFESTS = {"pyproject.toml": "uv.lock", "requirements.in": "requirements.txt"}


def kind(path: str) -> str:
    """Nothing for a file that an update of dependencies does not touch."""
    name = path.rpartition("/")[2]
    if re.fullmatch(r"(\.github/workflows/[^/]+|(.+/)?action)\.ya?ml", path):
        return "actions"
    patterns = {
        "uv": ("uv.lock",),
        "terraform": (".terraform.lock.hcl",),
        "requirements": ("requirements*.txt", "requirements*.lock", "*-requirements.txt"),
        "docker": ("Dockerfile", "Dockerfile.*", "*.Dockerfile", "Containerfile"),
        "manifest": ("pyproject.toml", "requirements*.in", "*.tf"),
    }
    return next((kind for kind, own in patterns.items() if any(fnmatch(name, it) for it in own)), "")


def change(path: str, before: Fact[str], after: Fact[str]) -> LockChange:
    """What the file says of it at both ends."""
    unknown = next((text for text in (before, after) if isinstance(text, Unknown)), None)
    if unknown or not isinstance(before, str) or not isinstance(after, str):
        why = unknown or Unknown("it was not read")
        return LockChange(path=path, ecosystem=ECOSYSTEMS.get(kind(path), ""), bumps=why, odd=why)
    try:
        found = _reader(path)(before, after)
    except Unreadable as error:
        why = Unknown(f"it cannot be read: {error}")
        return LockChange(path=path, ecosystem=ECOSYSTEMS.get(kind(path), ""), bumps=why, odd=why)
    odd = [_line(said) for said in found.odd]
    return LockChange(path=path, ecosystem=ECOSYSTEMS[kind(path)], bumps=Listed.all(*found.bumps), odd=Listed.all(*odd))


def covers(manifest: str, path: str) -> bool:
    """An alert names the lock file, or the manifest that it was made from."""
    folder, slash, name = manifest.lstrip("/").rpartition("/")
    return path in (f"{folder}{slash}{name}", f"{folder}{slash}{MANIFESTS.get(name, name)}")


def _reader(path: str) -> Reader:
    name = path.rpartition("/")[2]
    if kind(path) == "manifest":
        return manifest.change if name == "pyproject.toml" else lines.terraform if name.endswith(".tf") else lines.loose
    known: dict[str, Reader] = {
        "uv": uv.change,
        "requirements": requirements.change,
        "terraform": terraform.change,
        "docker": lines.docker,
        "actions": lines.actions,
    }
    if kind(path) not in known:
        raise Unreadable("it is no lock file that the gate knows")
    return known[kind(path)]


def _line(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f]", "?", text)[:LONGEST_LINE]
