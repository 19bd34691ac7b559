"""Does what a plan would create exist already? One reader a type; the answer is what Terraform imports it by.

Nothing here changes anything, but `restore`. An absence is what AWS calls one: a call that is denied, throttled or
not answered ends the run as an error that names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from ferry.errors import AwsError
from ferry.outside.aws import failures
from ferry.outside.aws.probes import functions, identity, images, keys, messages, storage, watching
from ferry.outside.aws.probes.questions import Found, Question, Reader, State, throttled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ferry.outside.aws import Access
    from ferry.tfplan import Change, Plan

__all__ = ["READERS", "Found", "State", "existing", "missing", "name", "named", "parent", "restore"]

READERS: Mapping[str, Reader] = {
    **functions.READERS,
    **identity.READERS,
    **images.READERS,
    **keys.READERS,
    **messages.READERS,
    **storage.READERS,
    **watching.READERS,
}
PAUSES = (0.25, 0.5, 1.0)
"""Seconds to wait where AWS says that it is too much: botocore has tried three times each time by then."""

REFINING = ("event_bus_name", "path", "qualifier")
"""Parts of a name that may be left out: what is not known yet is another matter."""


async def existing(access: Access, change: Change, plan: Plan) -> Found | None:
    """The object that this planned resource would collide with, or would be another of."""
    if not named(change):
        return None
    reader = READERS[change.type]
    asked = Question(access=access, after=change.after, needs=reader.needs, plan=plan)
    for pause in PAUSES:
        try:
            return await to_thread.run_sync(reader.read, asked)
        except AwsError as error:
            if not throttled(error):
                raise
        await anyio.sleep(pause)
    return await to_thread.run_sync(reader.read, asked)


def named(change: Change) -> bool:
    """Whether enough is known to ask. A name that AWS makes up, or that only the apply knows, collides with nothing."""
    reader = READERS.get(change.type)
    return reader is not None and not _waits(change) and all(change.after.get(name) for name in reader.needs)


def _waits(change: Change) -> bool:
    return any(change.unknown.get(name) is True for name in REFINING)


def missing(change: Change) -> tuple[str, ...]:
    """What only the apply would tell of all that is needed to ask; empty where a guess could not be told from chance.

    What a provider may make up shows the guess itself once that is imported, whatever was meant.
    """
    reader = READERS.get(change.type)
    if reader is None or _waits(change):
        return ()
    names = tuple(name for name in reader.needs if not change.after.get(name))
    guessable = all(name in reader.given and change.unknown.get(name) is True for name in names)
    return names if guessable else ()


def parent(change: Change) -> tuple[str, str]:
    """Type and name of what this is a part of; empty for what stands alone."""
    reader = READERS.get(change.type)
    return (reader.parent, str(change.after.get(reader.needs[0]))) if reader and reader.parent else ("", "")


def name(change: Change) -> tuple[str, str]:
    """Type and name, as `parent` gives them of a part."""
    reader = READERS.get(change.type)
    return change.type, str(change.after.get(reader.needs[0])) if reader and reader.needs else ""


async def restore(access: Access, id: str) -> None:
    """A secret that is deleted, and still kept, is as it was again."""
    await to_thread.run_sync(_restore, access, id)


def _restore(access: Access, id: str) -> None:
    with failures.translated(f"secretsmanager:RestoreSecret {id}"):
        access.client("secretsmanager").restore_secret(SecretId=id)
