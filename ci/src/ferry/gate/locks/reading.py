"""What all lock files have in common, and how two of them differ."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ferry.gate.facts import Bump, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TOKEN = re.compile(r"[^\x00-\x20\x7f]{1,300}")


class Unreadable(Exception):
    """The file is not what its name says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One locked package. `rest` is what a new version has no reason to change; `needed_by` is None where not said."""

    version: str
    source: str = ""
    hashes: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    needed_by: frozenset[str] | None = None
    rest: str = ""
    own: bool = False
    unhashed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """`around` is all that is no package: where packages come from, for which Python they were chosen."""

    packages: Mapping[str, tuple[Package, ...]]
    around: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    bumps: tuple[Bump, ...] = ()
    odd: tuple[str, ...] = ()


def compared(before: Lock, after: Lock) -> Change:
    names = sorted(before.packages.keys() | after.packages.keys())
    hosts = frozenset(host for versions in before.packages.values() for it in versions for host in it.hosts)
    odd, bumps = list(_around(before, after)), []
    for name in names:
        was, now = before.packages.get(name, ()), after.packages.get(name, ())
        if was == now:
            continue
        said = list(_odd(name, was, now, hosts))
        odd += said
        if len(was) == len(now) == 1 and was[0].version != now[0].version:
            bumps.append(bump(name, was[0].version, now[0].version, _ancestors(name, after)))
        elif not said and [_itself(it) for it in was] != [_itself(it) for it in now]:
            odd.append(f"{name} stays at its version and is another")
    return Change(bumps=tuple(bumps), odd=tuple(odd))


def bump(name: str, old: str, new: str, brought_by: tuple[str, ...] | Unknown) -> Bump:
    return Bump(
        name=name if TOKEN.fullmatch(name) else Unknown("its name is no name"),
        old=old if TOKEN.fullmatch(old) else Unknown("its version is no version"),
        new=new if TOKEN.fullmatch(new) else Unknown("its version is no version"),
        brought_by=brought_by,
    )


def normal(name: str) -> str:
    """As package indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _around(before: Lock, after: Lock) -> Iterator[str]:
    for key in sorted(before.around.keys() | after.around.keys()):
        if before.around.get(key) != after.around.get(key):
            yield f"{key} was {before.around.get(key, 'not there')}, and is {after.around.get(key, 'not there')}"


def _odd(name: str, was: tuple[Package, ...], now: tuple[Package, ...], hosts: frozenset[str]) -> Iterator[str]:
    if not was or not now:
        yield f"{name} is {'gone' if was else 'new'}"
    elif len(was) > 1 or len(now) > 1:
        yield f"{name} is locked more than once"
    for package in now:
        if was and package.source not in {it.source for it in was}:
            yield f"{name} comes from {package.source or 'elsewhere'}"
        if foreign := package.hosts - hosts:
            yield f"{name} is fetched from {', '.join(sorted(foreign))}"
        if package.unhashed or not (package.hashes or package.own):
            yield f"{name} has no hash"
        if was and package.rest not in {it.rest for it in was}:
            yield f"{name} has other conditions"


def _itself(package: Package) -> Package:
    """That another package needs it now changes nothing of it."""
    return replace(package, needed_by=None)


def _ancestors(name: str, lock: Lock) -> tuple[str, ...] | Unknown:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for package in lock.packages.get(waiting.pop(), ()):
            if package.needed_by is None:
                return Unknown("the lock file does not say what needs it")
            waiting += package.needed_by - found
            found |= package.needed_by
    return tuple(sorted(found))
