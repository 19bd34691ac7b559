"""The one place that turns an error into what people and machines read: terminal text, GitHub annotations, JSON."""

from __future__ import annotations

import re
import traceback
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ferry.errors import ConfigError, FerryError, InternalError, Interrupted, Mistake

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE_AND_LINE = re.compile(r"(?P<file>[^\s:]+\.\w+):(?P<line>\d+)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of an error. `name` is its class; `trace` is filled only for a mistake of ours, when asked for."""

    name: str
    exit_code: int
    what: str
    where: str = ""
    why: str = ""
    next: str = ""
    mistakes: tuple[Mistake, ...] = ()
    trace: str = ""


def facts(error: BaseException, *, debug: bool = False) -> Facts:
    if isinstance(error, BaseExceptionGroup):
        return _facts_of_group(error, debug=debug)
    if isinstance(error, FerryError):
        return _facts_of_ferry(error)
    if not isinstance(error, Exception):  # KeyboardInterrupt, or a task that was cancelled
        return _facts_of_ferry(Interrupted("stopped before it was finished", next="run the same command again"))
    return _facts_of_bug(error, debug=debug)


def text(facts: Facts) -> str:
    """The lines a terminal shows."""
    said = (("where", facts.where), ("why", facts.why), ("next", facts.next), ("trace", facts.trace))
    lines = [f"error: {facts.what}"]
    lines += [_labelled(label, value) for label, value in said if value]
    return "\n".join([*lines, f"  exit code {facts.exit_code} ({facts.name})"])


def github(facts: Facts) -> tuple[str, ...]:
    """GitHub workflow commands: one for each mistake in a file, or one for the whole error."""
    if facts.mistakes:
        return tuple(_mistake_annotation(facts, mistake) for mistake in facts.mistakes)
    place = _FILE_AND_LINE.match(facts.where)
    message = "\n".join(part for part in (facts.what, facts.where, facts.why, facts.next) if part)
    return (annotation("error", message, title=facts.name, **(place.groupdict() if place else {})),)


def annotation(level: str, message: str, **properties: str) -> str:
    """One workflow command; properties escape more than messages do, as GitHub's own toolkit has it."""
    said = ",".join(f"{name}={_property(properties[name])}" for name in ("file", "line", "title") if name in properties)
    return f"::{level} {said}::{_data(message)}"


def to_json(facts: Facts) -> dict[str, Any]:
    known = asdict(facts)
    if not facts.trace:
        del known["trace"]
    return {"error": {"class": known.pop("name"), **known}}


def _facts_of_ferry(error: FerryError) -> Facts:
    return Facts(
        name=type(error).__name__,
        exit_code=error.exit_code,
        what=error.what,
        where=error.where,
        why=error.why,
        next=error.next,
        mistakes=error.mistakes if isinstance(error, ConfigError) else (),
    )


def _facts_of_bug(error: Exception, *, debug: bool) -> Facts:
    frames = traceback.extract_tb(error.__traceback__)
    return Facts(
        name=InternalError.__name__,
        exit_code=InternalError.exit_code,
        what="a mistake in Ferry itself",
        where=f"{frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else "",
        why="".join(traceback.format_exception_only(error)).strip(),
        next="set FERRY_DEBUG=1, run it again, and report the traceback",
        trace="".join(traceback.format_exception(error)).strip() if debug else "",
    )


def _facts_of_group(group: BaseExceptionGroup[BaseException], *, debug: bool) -> Facts:
    """Tasks that fail together: the first thing a user can act on speaks, a cancelled task never does before others."""
    first = min(_leaves(group), key=lambda error: (not isinstance(error, Exception), not isinstance(error, FerryError)))
    return facts(first, debug=debug)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _labelled(label: str, value: str) -> str:
    start = f"  {label}: "
    return start + value.replace("\n", "\n" + " " * len(start))


def _mistake_annotation(facts: Facts, mistake: Mistake) -> str:
    message = str(mistake).removeprefix(f"{mistake.file}:{mistake.line}: ")
    return annotation("error", message, file=mistake.file, line=str(mistake.line), title=facts.name)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
