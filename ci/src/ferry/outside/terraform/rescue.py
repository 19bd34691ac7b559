"""The state of an apply that could not be written is the only word of what was made: it is kept, then written again.

Kept first: whoever stops us in the meantime finds it where git does not look and no temporary folder is emptied.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

PAUSES = (0.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds before each try; terraform itself tries each of them five times."""
HOPELESS = ("lineage", "serial")
"""What terraform says of a state that somebody else has written since: trying again would not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """`kept` is where the state is, when it could not be written; `why` is what terraform said to the last try."""

    kept: Path | None = None
    why: str = ""


type Push = Callable[[], Awaitable[tuple[int, str]]]
"""Writes the state once: terraform's exit code, and what it said."""


async def rescued(
    errored: Path, safe: Path, push: Push, say: Callable[[str], None], *, pauses: Sequence[float] = PAUSES
) -> Rescued:
    kept = keep(errored, safe)
    say(f"the state could not be written; it is kept in {kept}, and written again")
    why = await pushed(push, pauses)
    if why is not None:
        return Rescued(kept=kept, why=why)
    for copy in (kept, errored):
        await anyio.Path(copy).unlink()
    say("the state is written")
    return Rescued()


async def pushed(push: Push, pauses: Sequence[float] = PAUSES) -> str | None:
    """Write the state, trying again for a while; why not, if it could not be."""
    why = ""
    for pause in pauses:
        await anyio.sleep(pause)
        code, said = await push()
        if code == 0:
            return None
        why = " ".join(said.split())
        if any(word in why for word in HOPELESS):
            break
    return why


def keep(errored: Path, safe: Path, now: datetime | None = None) -> Path:
    """`safe` is the folder and the beginning of the name. Nobody else reads it: a state holds secrets."""
    kept = safe.absolute().with_name(f"{safe.name}-{now or datetime.now(UTC):%Y%m%dT%H%M%S}.tfstate")
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if kept.parent.parent.name == ".ferry":
        (kept.parent.parent / ".gitignore").write_text("*\n")
    with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(errored.read_bytes())
        file.flush()
        os.fsync(file.fileno())
    return kept


def command(root: Path, backend: Mapping[str, str], kept: Path) -> str:
    """What a person types to write it: with a folder of its own for terraform's data, their own is left as it is."""
    settings = shlex.join(f"-backend-config={name}={value}" for name, value in backend.items())
    there = f"terraform -chdir={shlex.quote(str(root))}"
    return (
        f"export TF_DATA_DIR=$(mktemp -d) && {there} init -reconfigure {settings} "
        f"&& {there} state push {shlex.quote(str(kept))}"
    )
