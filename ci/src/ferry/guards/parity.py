"""Where two environments differ, beyond their names: what preprod does not have, it proves nothing about.

Two plans of one commit are compared, resource by resource and value by value. Before that, each side's own words are
taken out: its environment's name, its account, and the ids that AWS gave its resources. What only an apply will know,
on either side, is not compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferry.guards.values import WHOLE_PLAN, document, dotted, leaves, resulting, text, word
from ferry.model import Finding, Severity
from ferry.shape import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ferry.guards.values import Path
    from ferry.tfplan import Change, Plan

GIVEN = frozenset(
    {
        "arn",
        "created_date",
        "create_date",
        "domain_name_servers",
        "function_url",
        "hosted_zone_id",
        "id",
        "invoke_arn",
        "key_id",
        "last_modified",
        "last_updated_date",
        "owner_id",
        "policy_id",
        "qualified_arn",
        "qualified_invoke_arn",
        "registry_id",
        "s3_object_version",
        "source_code_size",
        "stream_arn",
        "stream_label",
        "unique_id",
        "url",
        "url_id",
        "version",
    }
)
"""Attributes that AWS fills in: they differ between any two objects, and say nothing."""
SHORTEST_ID = 8
"""What is shorter than this stands in other values by chance."""
DRAWN = re.compile(r"(?<![0-9])20[0-9]{16}[0-9a-f]{8}(?![0-9a-f])")
"""What Terraform appends to a name that it was only given the beginning of: a time and a counter."""
SECRET = re.compile(r"secret|password|token|credential|api_?key|user_data|variables|value$|content", re.IGNORECASE)
"""Places whose texts are never shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One environment's plan, and the words that are only its own. `region` is left as it is where it is not given."""

    plan: Plan
    environment: str
    account: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """`subject` is an address, or address:attribute: what a line of the allow-list is matched with."""

    subject: str
    address: str
    what: str


def differences(ours: Side, theirs: Side, allowed: Sequence[str] = ()) -> tuple[Finding, ...]:
    """What `allowed` does not cover; and lines of it that cover nothing, since they hide the next difference."""
    found = list(_all(ours, theirs))
    patterns = {line: pattern(line) for line in allowed}
    used = {line for line, covers in patterns.items() if any(covers.fullmatch(one.subject) for one in found)}
    left = [one for one in found if not any(covers.fullmatch(one.subject) for covers in patterns.values())]
    return (*(_finding(one) for one in left), *(_stale(line) for line in allowed if line not in used))


def pattern(line: str) -> re.Pattern[str]:
    """`*` is any text. Everything else is itself: the brackets of addresses too, which fnmatch would read as a set."""
    return re.compile(".*".join(map(re.escape, line.split("*"))), re.DOTALL)


def _finding(one: Difference) -> Finding:
    return Finding(
        guard="parity",
        severity=Severity.WARN,
        verdict="missing" if one.subject == one.address else "differs",
        address=one.address,
        what=one.what,
        why="a test in one environment says nothing of what only the other has",
        next=f"make both the same, or write the difference down in ferry.toml: [parity] allow = [{one.subject!r}]",
    )


def _stale(line: str) -> Finding:
    return Finding(
        guard="parity",
        severity=Severity.INFO,
        verdict="unused",
        address=WHOLE_PLAN,
        what=f"[parity] allow: {show(line)} covers no difference",
        next="take it out, before it hides one that nobody meant",
    )


def _all(ours: Side, theirs: Side) -> Iterator[Difference]:
    mine, others = _paired(ours, theirs)
    here, there = (words.by_address(side.plan) for words, side in ((mine, ours), (others, theirs)))
    for address in sorted(here.keys() | there.keys()):
        if address not in there:
            yield Difference(address, address, f"{ours.environment} has it, and {theirs.environment} has not")
        elif address not in here:
            yield Difference(address, address, f"{theirs.environment} has it, and {ours.environment} has not")
        else:
            for path, one, other in _values(_read(here[address], mine), _read(there[address], others)):
                values = f"{_shown(path, one)} in {ours.environment}, {_shown(path, other)} in {theirs.environment}"
                yield Difference(f"{address}:{dotted(path)}", address, f"{dotted(path)} is {values}")


@dataclass(frozen=True, slots=True)
class _Words:
    """What is a side's own, and what stands for it on both sides."""

    names: Mapping[str, str]
    ids: Mapping[str, str]

    @classmethod
    def of(cls, side: Side) -> _Words:
        names = {side.environment: "{env}", side.account: "{account}", side.region: "{region}"}
        return cls({name: stands for name, stands in names.items() if name}, {})

    def by_address(self, plan: Plan) -> dict[str, Change]:
        return {self.plain(change.address): change for change in resulting(plan)}

    def plain(self, said: str) -> str:
        """Ids first, the longest before those that it contains: an ARN holds an account and a name."""
        for id in sorted((id for id in self.ids if id in said), key=len, reverse=True):
            said = said.replace(id, self.ids[id])
        said = DRAWN.sub("{drawn}", said)
        own = "|".join(map(word, sorted(self.names, key=len, reverse=True)))
        return re.sub(own, lambda match: self.names[match[0]], said) if own else said


def _paired(ours: Side, theirs: Side) -> tuple[_Words, _Words]:
    """What AWS gave to the same resource of both sides, and is not the same, stands for that resource."""
    mine, others = _Words.of(ours), _Words.of(theirs)
    here, there = mine.by_address(ours.plan), others.by_address(theirs.plan)
    ids: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for address in here.keys() & there.keys():
        for key in GIVEN & here[address].after.keys():
            pair = (_id(here[address], key), _id(there[address], key))
            if all(pair) and mine.plain(pair[0]) != others.plain(pair[1]):
                for known, id in zip(ids, pair, strict=True):
                    known[id] = f"{{{address}.{key}}}"
    return _Words(mine.names, ids[0]), _Words(others.names, ids[1])


def _id(change: Change, key: str) -> str:
    """Of an address, what everybody builds on it."""
    found = text(change, key).rstrip("/")
    return found if len(found) >= SHORTEST_ID else ""


def _read(change: Change, words: _Words) -> Any:
    after = {key: value for key, value in change.after.items() if key not in GIVEN}
    return _masked(_plain(after, words), change.unknown)


def _plain(value: object, words: _Words) -> Any:
    match value:
        case str():
            inner = document(value)
            return words.plain(value) if inner is None else _plain(inner, words)
        case Mapping():
            return {words.plain(str(key)): _plain(inside, words) for key, inside in value.items()}
        case list():
            return [_plain(inside, words) for inside in value]
        case _:
            return value


_UNKNOWN = "\0only the apply knows"


def _masked(value: Any, unknown: object) -> Any:
    """With a mark wherever only the apply knows."""
    if unknown is True:
        return _UNKNOWN
    match unknown:
        case Mapping() if isinstance(value, dict | None):
            masked = {key: _masked((value or {}).get(key), inside) for key, inside in unknown.items() if inside}
            return {**(value or {}), **masked}
        case list() if isinstance(value, list):
            return [_masked(one, mark) for one, mark in zip(value, unknown, strict=False)] + value[len(unknown) :]
        case _:
            return value


def _values(ours: Any, theirs: Any, path: Path = ()) -> Iterator[tuple[Path, object, object]]:
    """The smallest places that differ. The provider says now null, now an empty list: both are nothing."""
    if _UNKNOWN in (ours, theirs) or ours == theirs or (_nothing(ours) and _nothing(theirs)):
        return
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            yield from _values(ours.get(key), theirs.get(key), (*path, key))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        # Sets have no order, and a plan does not say which lists are sets.
        mine, others = _without(ours, theirs), _without(theirs, ours)
        if not (_holds_unknown(mine) or _holds_unknown(others)):
            for number, (one, other) in enumerate(zip(mine, others, strict=True)):
                yield from _values(one, other, (*path, str(number)))
    else:
        yield path, ours, theirs


def _nothing(value: object) -> bool:
    return value is None or value in ("", [], {})


def _without(values: list[Any], others: list[Any]) -> list[Any]:
    """What is left when each that the others have too is taken out once; in an order of its own."""
    left, paired = [], list(others)
    for value in values:
        if value in paired:
            paired.remove(value)
        else:
            left.append(value)
    return sorted(left, key=lambda value: json.dumps(value, sort_keys=True))


def _holds_unknown(value: object) -> bool:
    return any(leaf == _UNKNOWN for _, leaf in leaves(value))


def _shown(path: Path, value: object) -> str:
    """A text may be a secret: terraform writes those into plans in the clear."""
    if isinstance(value, str) and any(SECRET.search(key) for key in path):
        return "a text"
    return "nothing" if value is None else show(value)
