"""Files in which single lines name versions: an update changes these lines, and nothing else of them."""

from __future__ import annotations

import re

from ferry.gate.locks.reading import Change, bump, normal

USES = re.compile(
    r"(?P<head>\s*(?:-\s+)?uses:\s*['\"]?)(?P<name>[^@\s'\"]+)@(?P<version>[^\s'\"]+)(?P<tail>['\"]?)(?:\s*#.*)?"
)
FROM = re.compile(
    r"(?P<head>\s*FROM\s+(?:--platform=\S+\s+)?)(?P<name>[^\s:@]+(?::[0-9]+/[^\s:@]+)?)[:@](?P<version>\S+)(?P<tail>.*)",
    re.IGNORECASE,
)
BOUND = re.compile(r'(?P<head>\s*(?:version|[a-z_-]+\s*=\s*\{.*version)\s*=\s*")(?P<version>[^"]*)(?P<tail>".*)')
LOOSE = re.compile(r"(?P<head>)(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?)(?P<version>[^;#@]*)(?P<tail>.*)")


def actions(before: str, after: str) -> Change:
    return _changed(before, after, USES, told=True)


def docker(before: str, after: str) -> Change:
    return _changed(before, after, FROM, told=True)


def terraform(before: str, after: str) -> Change:
    """Which version is really taken, the lock file says."""
    return _changed(before, after, BOUND, told=False)


def loose(before: str, after: str) -> Change:
    return _changed(before, after, LOOSE, told=False)


def _changed(before: str, after: str, pattern: re.Pattern[str], *, told: bool) -> Change:
    was, now = before.splitlines(), after.splitlines()
    if len(was) != len(now):
        return Change(odd=("lines were added or removed",))
    bumps, odd = [], []
    for number, (old, new) in enumerate(zip(was, now, strict=True), 1):
        if old == new:
            continue
        left, right = pattern.fullmatch(old), pattern.fullmatch(new)
        if left is None or right is None or _rest(left) != _rest(right):
            odd.append(f"line {number} changes more than a version")
        elif told:
            name = left["name"]
            bumps.append(bump(normal(name) if "/" not in name else name, left["version"], right["version"], ()))
    return Change(bumps=tuple(bumps), odd=tuple(odd))


def _rest(found: re.Match[str]) -> dict[str, str]:
    return {name: text for name, text in found.groupdict().items() if name != "version"}
