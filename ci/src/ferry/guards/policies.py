"""Policies in a plan: where they stand, what their statements say, and whom they let in. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ferry.guards.values import document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ferry.guards.context import Document
    from ferry.guards.values import Path

NARROWING = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "kms:calleraccount",
        "lambda:invokedviafunctionurl",
        "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
    }
)
"""Keys that say who calls, or from where. aws:SecureTransport says how, and lets everybody in."""
POSITIVE = re.compile(
    r"(ForAnyValue:)?(StringEquals|StringEqualsIgnoreCase|StringLike|ArnEquals|ArnLike|IpAddress|Bool)"
)
"""Operators that fail where the key is missing: ForAllValues and IfExists let such a call in."""
NEARLY_EVERY_ADDRESS = re.compile(r".*/[0-7]")


def policies(value: object, path: Path = ()) -> Iterator[tuple[Path, Document]]:
    """Every policy in a resource's values, with its place."""
    if isinstance(value, str):
        value = document(value)
        if isinstance(value, Mapping) and "Statement" in value:
            yield path, value
            return
    match value:
        case Mapping():
            for key, inside in value.items():
                yield from policies(inside, (*path, str(key)))
        case list():
            for number, inside in enumerate(value):
                yield from policies(inside, (*path, str(number)))
        case _:
            pass


def statements(policy: Document) -> list[Mapping[str, Any]]:
    return [one for one in many(policy.get("Statement")) if isinstance(one, Mapping)]


def many(value: object) -> list[Any]:
    """IAM writes one thing without a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def anybody(statement: Mapping[str, Any]) -> bool:
    """Whether it lets in whom it does not name."""
    if statement.get("Effect") != "Allow":
        return False
    if "NotPrincipal" in statement:
        return True
    principal = statement.get("Principal")
    named = (
        [one for value in principal.values() for one in many(value)] if isinstance(principal, Mapping) else [principal]
    )
    return "*" in named


def narrowed(statement: Mapping[str, Any]) -> bool:
    """All conditions must hold, so one that narrows is enough."""
    condition = statement.get("Condition")
    if not isinstance(condition, Mapping):
        return False
    return any(
        _narrows(str(key), many(values))
        for operator, tests in condition.items()
        if POSITIVE.fullmatch(str(operator)) and isinstance(tests, Mapping)
        for key, values in tests.items()
    )


def _narrows(key: str, values: list[Any]) -> bool:
    """Of several values one is enough to get in: each must narrow."""
    name = key.lower()
    return name in NARROWING and bool(values) and all(_names_somebody(name, str(value)) for value in values)


def _names_somebody(key: str, value: str) -> bool:
    if key == "lambda:invokedviafunctionurl":
        return value.lower() == "true"
    if key == "aws:sourceip":
        return not NEARLY_EVERY_ADDRESS.fullmatch(value)
    if not key.endswith("arn"):
        return not re.search(r"[*?]", value)
    parts = value.split(":", 5)
    if len(parts) < 6:
        return False
    # Anybody can give things of theirs such a name in an account of their own. Only names of buckets are nobody else's.
    bucket = parts[2] == "s3" and re.sub(r"[*?/]", "", parts[5])
    return bool(bucket) or bool(re.fullmatch(r"[0-9]{12}", parts[4]))
