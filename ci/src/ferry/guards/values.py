"""A plan's values, as guards read them: what will exist, and each value with its place. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ferry.tfplan import Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ferry.tfplan import Change, Plan

type Path = tuple[str, ...]

WHOLE_PLAN = "*"
"""The address of a finding that is about no single resource."""
FEW = 4


def resulting(plan: Plan, *types: str) -> list[Change]:
    """What there is after the apply; of these types, where some are named."""
    there = [change for change in plan.changes.values() if change.action is not Action.DESTROY]
    return [change for change in there if not types or change.type in types]


def leaves(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Every value that holds no other, with its place; JSON inside of text is read as what it is."""
    if isinstance(value, str) and (inner := document(value)) is not None:
        value = inner
    match value:
        case Mapping():
            for key, inside in value.items():
                yield from leaves(inside, (*path, str(key)))
        case list():
            for number, inside in enumerate(value):
                yield from leaves(inside, (*path, str(number)))
        case _:
            yield path, value


def document(text: object) -> Any:
    """The table or list that a text is the JSON of; None where it is plain text."""
    if not isinstance(text, str) or not text.lstrip().startswith(("{", "[")):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def at(value: object, path: Iterable[str]) -> Any:
    """What is at a place; None where there is no such place."""
    for key in path:
        match value:
            case Mapping():
                value = value.get(key)
            case list() if key.isdigit() and int(key) < len(value):
                value = value[int(key)]
            case _:
                return None
    return value


def unknown(change: Change, path: Iterable[str]) -> bool:
    """Whether only the apply will know what is there."""
    marks: object = change.unknown
    for key in path:
        if marks is True:
            return True
        marks = at(marks, (key,))
    return marks is True or _any(marks)


def _any(marks: object) -> bool:
    match marks:
        case Mapping():
            return any(_any(inside) for inside in marks.values())
        case list():
            return any(_any(inside) for inside in marks)
        case _:
            return marks is True


def text(change: Change, *path: str) -> str:
    """A text that is known and there; or nothing."""
    found = at(change.after, path)
    return found if isinstance(found, str) else ""


def word(name: str) -> str:
    """The pattern of a name that stands by itself: `prod` is in prod-items and /prod/, not in preprod or production."""
    return rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])"


def listed(names: Iterable[str], few: int = FEW) -> str:
    """The first of them, and how many more there are."""
    all = list(names)
    more = f" and {len(all) - few} more" if len(all) > few else ""
    return ", ".join(all[:few]) + more


def dotted(path: Iterable[str]) -> str:
    return ".".join(path)
