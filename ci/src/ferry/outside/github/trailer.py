"""What Dependabot's commit says that it updates: the list at the end of its message."""

from __future__ import annotations

import re
from typing import Any

from ferry.outside.github.digging import listed, unknown

BLOCK = re.compile(r"^---\r?\nupdated-dependencies:\r?\n(?P<entries>(?:[ \t-].*\r?\n?)*)", re.MULTILINE)
KEY = re.compile(r"(?P<new>- |  )dependency-(?P<key>name|version):\s*(?P<quote>['\"]?)(?P<value>.*?)(?P=quote)\s*")


def claims(messages: list[str]) -> dict[str, Any]:
    """Of all messages together. One that lists nothing leaves all of it unknown."""
    found: list[dict[str, Any]] = []
    for message in messages:
        blocks = BLOCK.findall(message)
        entries = _entries(blocks[0]) if len(blocks) == 1 else []
        if not entries:
            return unknown("a commit does not list what it updates")
        found += entries
    return listed(found) if found else unknown("no commit lists what it updates")


def _entries(text: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for line in text.splitlines():
        if line.startswith("- "):
            entries.append({})
        key = KEY.fullmatch(line)
        if key and entries:
            entries[-1][key["key"]] = key["value"]
    missing = unknown("the commit does not say it")
    return [{"name": missing, "version": missing, **entry} for entry in entries]
