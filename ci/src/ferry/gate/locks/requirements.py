"""requirements.txt and its like, as pip and uv lock them: exact versions, each with its hashes."""

from __future__ import annotations

import re
from collections import defaultdict

from ferry.gate.locks.reading import Change, Lock, Package, Unreadable, compared, normal

PINNED = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?P<extras>\[[^\]]*\])?\s*===?\s*(?P<version>[^\s;*]+)"
    r"\s*(?:;\s*(?P<marker>[^#]*?))?\s*(?P<hashes>(?:\s--hash=[a-z0-9]+:[0-9a-f]+)*)"
)
VIA = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def change(before: str, after: str) -> Change:
    return compared(lock(before), lock(after))


def lock(text: str) -> Lock:
    packages = defaultdict[str, list[Package]](list)
    around: dict[str, str] = {}
    for entry, via in _entries(text):
        found = PINNED.fullmatch(entry)
        if found:
            packages[normal(found["name"])].append(_package(found, via))
        elif entry.startswith("--hash"):
            raise Unreadable("a hash belongs to nothing")
        else:
            around[entry] = "there"
    return Lock(packages={name: tuple(versions) for name, versions in packages.items()}, around=around)


def _package(found: re.Match[str], via: frozenset[str] | None) -> Package:
    hashes = frozenset(re.findall(r"--hash=(\S+)", found["hashes"]))
    conditions = f"{found['extras'] or ''};{found['marker'] or ''}"
    return Package(version=found["version"], hashes=hashes, needed_by=via, rest=conditions)


def _entries(text: str) -> list[tuple[str, frozenset[str] | None]]:
    """Each requirement or option, with what its comments say that it is there for (`# via …`)."""
    entries: list[tuple[str, list[str]]] = []
    going_on = False
    for line in text.splitlines():
        code, comment = _split(line)
        if code and going_on:
            said, comments = entries[-1]
            entries[-1] = (f"{said} {code}", comments)
        elif code:
            entries.append((code, []))
        if comment and entries:
            entries[-1][1].append(comment)
        if code:
            going_on = code.endswith("\\")
            entries[-1] = (entries[-1][0].removesuffix("\\").strip(), entries[-1][1])
        elif not comment:
            going_on = False
    return [(re.sub(r"\s+", " ", said), _via(comments)) for said, comments in entries]


def _split(line: str) -> tuple[str, str]:
    found = re.fullmatch(r"(?P<code>.*?)(?:(?:^|\s)#(?P<comment>.*))?", line)
    return (found["code"].strip(), (found["comment"] or "").strip()) if found else (line.strip(), "")


def _via(comments: list[str]) -> frozenset[str] | None:
    """Nothing where the file does not say it."""
    told = " ".join(comments).partition("via")
    if not told[1] or told[0].strip():
        return None
    names = [word for word in told[2].replace(",", " ").split() if VIA.fullmatch(word)]
    return frozenset(normal(name) for name in names)
