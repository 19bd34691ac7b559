"""pyproject.toml: what an update may change of it are the bounds of what the project asks for."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from ferry.gate.locks.reading import Change, Unreadable

NAME = re.compile(
    r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?)\s*[<>=!~0-9.,*\sA-Za-z+-]*(?P<rest>(?:;.*)?)"
)


def change(before: str, after: str) -> Change:
    was, now = _told(before), _told(after)
    odd = [f"[{table}] changes more than versions" for table in sorted(was.keys() | now.keys())
           if was.get(table) != now.get(table)]  # fmt: skip
    return Change(odd=tuple(odd))


def _told(text: str) -> dict[str, Any]:
    try:
        data = tomllib.loads(text)
        project = data.get("project", {})
        for table in (project, project.get("optional-dependencies", {}), data.get("dependency-groups", {})):
            for key, value in table.items():
                if isinstance(value, list) and (table is not project or key == "dependencies"):
                    table[key] = [_without_bound(item) for item in value]
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from None
    return data


def _without_bound(item: Any) -> Any:
    found = NAME.fullmatch(item) if isinstance(item, str) else None
    return [found["name"].strip(), found["rest"]] if found else item
