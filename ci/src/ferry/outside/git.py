"""What git says of the folder that is built."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ferry.outside import processes

if TYPE_CHECKING:
    from pathlib import Path

NO_COMMIT = "0" * 40
"""Stands for work that is in no repository; it is never clean."""


async def commit(folder: Path) -> tuple[str, bool]:
    """The commit, and whether anything lies there that it does not hold."""
    if not shutil.which("git"):
        return NO_COMMIT, True
    head = await processes.run(["git", "rev-parse", "--verify", "--quiet", "HEAD"], cwd=folder)
    if head.code != 0:
        return NO_COMMIT, True
    state = await processes.run(["git", "status", "--porcelain", "--untracked-files=normal"], cwd=folder)
    return head.out.strip(), state.code != 0 or bool(state.out.strip())
