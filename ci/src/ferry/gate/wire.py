"""Facts as JSON, and back. What is missing there, or of the wrong kind, is unknown: reading never fails or guesses.

An unknown fact is {"unknown": why}; a list is {"items": […], "total": number}.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from ferry.gate.facts import Fact, Facts, Listed, Unknown
from ferry.shape import Text, show

ABSENT = Unknown("the facts do not hold it")
LARGEST = 2**53


class _Misfit(Exception):
    """The data is not of the kind."""


def plain(value: Any) -> Any:
    match value:
        case Unknown():
            return {"unknown": value.why}
        case StrEnum():
            return value.value
        case tuple():
            return [plain(item) for item in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        case _:
            return value


def facts(data: object) -> Facts:
    read: Facts = _table(Facts, data if isinstance(data, Mapping) else {})
    return read


def _fact(hint: Any, data: object) -> Any:
    if isinstance(data, Mapping) and set(data) == {"unknown"}:
        return Unknown(data["unknown"] if isinstance(data["unknown"], str) else "nobody says why")
    try:
        return _value(hint, data)
    except _Misfit:
        return Unknown(f"the facts hold {show(data)} instead")


def _value(hint: Any, data: object) -> Any:
    if get_origin(hint) is Annotated:
        return _text(data, next(note for note in hint.__metadata__ if isinstance(note, Text)))
    if hint is bool or hint is int:
        return _scalar(hint, data)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _choice(hint, data)
    if get_origin(hint) is Listed:
        return _listed(get_args(hint)[0], data)
    if get_origin(hint) is tuple:
        return tuple(_value(get_args(hint)[0], item) for item in _list(data))
    if not isinstance(data, Mapping):
        raise _Misfit
    return _table(hint, data)


def _text(data: object, note: Text) -> str:
    if not isinstance(data, str) or not re.fullmatch(note.pattern, data):
        raise _Misfit
    return data


def _scalar(kind: type[bool | int], data: object) -> bool | int:
    if type(data) is not kind or (kind is int and not 0 <= data <= LARGEST):
        raise _Misfit
    return data


def _choice(kind: type[StrEnum], data: object) -> StrEnum:
    if not isinstance(data, str) or data not in {choice.value for choice in kind}:
        raise _Misfit
    return kind(data)


def _listed(hint: Any, data: object) -> Listed[Any]:
    if not isinstance(data, Mapping):
        raise _Misfit
    items = tuple(_value(hint, item) for item in _list(data.get("items")))
    return Listed(items, int(_scalar(int, data.get("total"))))


def _list(data: object) -> list[Any]:
    if not isinstance(data, list):
        raise _Misfit
    return data


def _table(kind: Any, data: Mapping[str, object]) -> Any:
    return kind(**{name: _fact(hint, data[name]) if name in data else ABSENT for name, hint in _hints(kind)})


@cache
def _hints(kind: Any) -> tuple[tuple[str, Any], ...]:
    """What each field is when it is known."""
    found = get_type_hints(kind, include_extras=True)
    return tuple((name, get_args(hint)[0]) for name, hint in found.items() if get_origin(hint) is Fact)
