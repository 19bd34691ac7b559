"""uv.lock: TOML, with each package's source, files and needs."""

from __future__ import annotations

import json
import re
import tomllib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from ferry.gate.locks.reading import Lock, Package, Unreadable, compared, normal

if TYPE_CHECKING:
    from ferry.gate.locks.reading import Change

OWN = frozenset({"virtual", "editable", "directory"})
TOLD_APART = frozenset({"name", "version", "source", "sdist", "wheels", "dependencies", "optional-dependencies"})
KNOWN = TOLD_APART | {"dev-dependencies", "metadata", "resolution-markers"}
HOST = re.compile(r"([a-z][a-z0-9+.-]*://[^/?#]*)", re.IGNORECASE)


def change(before: str, after: str) -> Change:
    return compared(lock(before), lock(after))


def lock(text: str) -> Lock:
    try:
        data = tomllib.loads(text)
        listed = data.pop("package", [])
        data.pop("revision", None)  # how uv writes it, not what it says
        if data.get("version") != 1:
            raise Unreadable("it is no uv.lock of version 1")
        parents = _parents(listed)
        packages = defaultdict[str, list[Package]](list)
        for one in listed:
            packages[normal(one["name"])].append(_package(one, parents))
        around = {key: json.dumps(value, sort_keys=True) for key, value in data.items()}
        return Lock(packages={name: tuple(versions) for name, versions in packages.items()}, around=around)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from None


def _package(one: dict[str, Any], parents: dict[str, set[str]]) -> Package:
    files = [*one.get("wheels", ()), *([one["sdist"]] if "sdist" in one else ())]
    own = bool(OWN & one["source"].keys())
    conditions = {key: value for key, value in one.items() if key not in TOLD_APART}
    if own:
        conditions["metadata"] = _without_bounds(one.get("metadata", {}))
        conditions.pop("dev-dependencies", None)
    return Package(
        version="" if own else one["version"],
        source=json.dumps(one["source"], sort_keys=True),
        hashes=frozenset(file["hash"] for file in files if "hash" in file),
        hosts=frozenset(host for file in files for host in _hosts(file)),
        needs=frozenset(_needs(one)),
        needed_by=frozenset(parents[normal(one["name"])]),
        rest=json.dumps(conditions, sort_keys=True),
        own=own,
        unhashed=sum(not file.get("hash") for file in files),
    )


def _hosts(file: dict[str, Any]) -> list[str]:
    place = file.get("url") or file.get("path") or ""
    found = HOST.match(place)
    return [found[1] if found else place]


def _needs(one: dict[str, Any]) -> list[str]:
    """With all conditions: a package that is needed on another platform too is another need."""
    groups = [one.get("dependencies", [])]
    groups += [*one.get("optional-dependencies", {}).values(), *one.get("dev-dependencies", {}).values()]
    return [json.dumps(need, sort_keys=True) for group in groups for need in group]


def _parents(listed: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Our own project brings nothing: what it needs is what somebody asked for."""
    parents = defaultdict[str, set[str]](set)
    for one in listed:
        if not OWN & one["source"].keys():
            for need in _needs(one):
                parents[normal(json.loads(need)["name"])].add(normal(one["name"]))
    return parents


def _without_bounds(metadata: Any) -> Any:
    """What the project asks for, but for which versions of it."""
    if isinstance(metadata, dict):
        return {key: _without_bounds(value) for key, value in metadata.items() if key != "specifier"}
    return [_without_bounds(item) for item in metadata] if isinstance(metadata, list) else metadata
