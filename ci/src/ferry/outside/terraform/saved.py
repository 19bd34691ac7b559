"""What a saved plan is bound to. Only its file is trusted: terraform keeps the state that it planned from in it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferry.errors import RecordError

if TYPE_CHECKING:
    from pathlib import Path

STATE = "tfstate-prev"
"""In the plan's file: the state as it was when terraform planned. `show -json` leaves serial and lineage out of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """`lock` is the hash of .terraform.lock.hcl, empty without one; `lineage` is empty before the first apply."""

    path: str
    sha256: str
    lock: str
    serial: int
    lineage: str
    terraform: str


def identity(plan: Path, lock_file: Path, terraform: str) -> Saved:
    """`terraform` is the version that saved it: terraform applies no plan of another one."""
    try:
        with zipfile.ZipFile(plan) as held:
            state = json.loads(held.read(STATE))
        serial, lineage = int(state["serial"]), str(state["lineage"])
    except (OSError, zipfile.BadZipFile, ValueError, LookupError, TypeError) as error:
        raise RecordError(
            "this is no plan that terraform saved",
            where=plan.name,
            why=f"{type(error).__name__}: {error}",
            next="plan again: ferry plan",
        ) from error
    return Saved(
        path=plan.name,
        sha256=digest(plan),
        lock=digest(lock_file) if lock_file.is_file() else "",
        serial=serial,
        lineage=lineage,
        terraform=terraform,
    )


def digest(file: Path) -> str:
    with file.open("rb") as held:
        return hashlib.file_digest(held, "sha256").hexdigest()


def differences(saved: Saved, now: Saved) -> tuple[str, ...]:
    """What is not as it was when the plan was looked at, in words."""
    compared = {
        "the plan's file": (saved.sha256, now.sha256),
        "the provider lock file": (saved.lock, now.lock),
        "the state it was made from": ((saved.serial, saved.lineage), (now.serial, now.lineage)),
        "terraform's version": (saved.terraform, now.terraform),
    }
    return tuple(what for what, (then, found) in compared.items() if then != found)
