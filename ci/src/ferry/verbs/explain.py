"""explain: which inputs of which artifact changed since a release. Files are read, nothing is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferry import inputs
from ferry.errors import RecordError
from ferry.verbs.build import want

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ferry.config import Config
    from ferry.model import Environment, Release
    from ferry.report import Report
    from ferry.verbs.build import Workshop
    from ferry.verbs.shelf import Shelf


async def explain(config: Config, workshop: Workshop, last: Release, report: Report) -> Mapping[str, tuple[str, ...]]:
    """What changed in words, by artifact; nothing where an artifact is as it was."""
    wanted = await want(config, workshop, report)
    known = {artifact.name: artifact for artifact in last.artifacts}
    told = {one.name: inputs.difference(known[one.name].inputs, one.inputs) for one in wanted if one.name in known}
    new = {one.name: ("it is not in the last release",) for one in wanted if one.name not in known}
    gone = {name: ("ferry.toml does not name it any more",) for name in known if name not in told}
    return told | new | gone


async def published(shelf: Shelf, environment: Environment) -> Release:
    """The release to compare with: what was published last."""
    if found := await shelf.latest():
        return found
    nothing = "there is no release to compare with"
    if not environment.packages:
        raise RecordError(
            nothing,
            where=f"environments.{environment.name}",
            why="it names no bucket, so nobody writes down what is published there",
            next="name one in ferry.toml: packages = …",
        )
    raise RecordError(
        nothing,
        where=f"s3://{environment.packages}",
        why=f"nothing was published to {environment.name} yet",
        next=f"ferry publish --env {environment.name}",
    )


def text(changes: Mapping[str, tuple[str, ...]]) -> str:
    if not any(changes.values()):
        return "nothing changed since the last release"
    return "\n".join(f"{name}: {what}" for name, said in changes.items() for what in said or ("nothing changed",))
