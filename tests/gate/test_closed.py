"""The gate fails closed: whatever is taken away from what it knows, it never becomes less strict."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferry.gate import Decision, Tier, Verdict, decide, people_needed, wire
from ferry.gate.facts import Facts, Unknown
from tests.gate.test_cases import ALL
from tests.gate.worlds import PERSON, agreed, decided, persons_pull, pull, security_pull, world

if TYPE_CHECKING:
    from collections.abc import Iterator

type Path = tuple[str | int, ...]

GONE = object()
CORRUPT: dict[str, Any] = {
    "removed": GONE,
    "denied": {"unknown": "403: Resource not accessible by integration"},
    "null": None,
    "another kind": [3.5],
    "text": "\x00 is no fact",
    "a table": {"nothing": "known"},
    "a number": -1,
    "too large": 10**30,
}
STRICT = {Verdict.AUTOMATIC: 0, Verdict.AGREED: 0, Verdict.PERSON: 1, Verdict.REFUSED: 2}
WORLDS = {
    **{f"{number} {case.what}": case.facts for number, case in enumerate(ALL, 1)},
    "agreed": agreed(world(persons_pull(merger=PERSON))),
    "agreed for Dependabot": agreed(world(pull(7), security_pull(8))),
    "preprod": world(security_pull(), first=True),
}
THOROUGHLY = ["31 a genuine security update", "3 a genuine pull request with one honest commit of a person", "agreed"]


def places(said: Any, path: Path = ()) -> Iterator[Path]:
    inside: Any = said.items() if isinstance(said, dict) else enumerate(said) if isinstance(said, list) else ()
    for key, value in inside:
        yield (*path, key)
        yield from places(value, (*path, key))


def without(said: Any, path: Path, corrupted: Any) -> Any:
    changed = deepcopy(said)
    at = changed
    for key in path[:-1]:
        at = at[key]
    if corrupted is GONE:
        del at[path[-1]]
    else:
        at[path[-1]] = corrupted
    return changed


def loosened(before: Decision, after: Decision) -> bool:
    return after.tier < before.tier or STRICT[after.verdict] < STRICT[before.verdict]


@pytest.mark.req("R-03")
@pytest.mark.parametrize("name", THOROUGHLY)
def test_no_single_fact_can_be_taken_away(name: str) -> None:
    said = WORLDS[name]
    before = decided(said)
    worse = [
        (path, how)
        for path in places(said)
        for how, corrupted in CORRUPT.items()
        if loosened(before, decided(without(said, path, corrupted)))
    ]
    assert worse == []


@pytest.mark.req("R-03")
@settings(max_examples=600, deadline=None)
@given(st.data())
def test_nor_can_several_in_any_world(data: st.DataObject) -> None:
    said = WORLDS[data.draw(st.sampled_from(sorted(WORLDS)))]
    before = decided(said)
    for _ in range(data.draw(st.integers(1, 4))):
        here = list(places(said))
        if not here:
            break
        corrupted = CORRUPT[data.draw(st.sampled_from(sorted(CORRUPT)))]
        said = without(said, data.draw(st.sampled_from(here)), corrupted)
        after = decided(said)
        assert not loosened(before, after)
        before = after


NOT_ASKED = {
    "rules", "reviewers", "prevents_self_review", "admins_bypass", "branches", "agreement", "phase", "parents",
}  # fmt: skip
"""Of no use where nobody has to agree, and nothing is tried out before it is merged."""
SAID_OTHERWISE = {"opener_login", "merger", "author_kind", "author_name", "author_email", "brought_by", "name", "first"}
"""Identities are numbers; what is named in the commit needs nobody to bring it; and T0 asks for nobody anywhere."""


@pytest.mark.req("R-03")
def test_what_is_automatic_rests_on_every_other_fact() -> None:
    """So no fact that is not known is taken for the good one."""
    said = world(security_pull(paths=("uv.lock",)))
    facts = {path for path in places(said) if isinstance(path[-1], str) and path[-1] not in ("items", "total")}
    denied = {path: decided(without(said, path, CORRUPT["denied"])) for path in facts}
    without_effect = {path for path, after in denied.items() if (after.tier, after.verdict) == (Tier.T0, "automatic")}
    assert (decided(said).tier, decided(said).verdict) == (Tier.T0, "automatic")
    assert {path[-1] for path in without_effect if not NOT_ASKED & set(path)} <= SAID_OTHERWISE
    assert {path for path in without_effect if path[-1] == "name"} <= {("stage", "name")}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda it: st.lists(it) | st.dictionaries(st.text(), it)
    )
)
def test_whatever_is_read_is_decided(data: Any) -> None:
    assert decide(wire.facts(data)).verdict is Verdict.REFUSED


@pytest.mark.parametrize("name", WORLDS)
def test_what_is_written_down_is_read_again(name: str) -> None:
    facts = wire.facts(WORLDS[name])
    assert wire.facts(wire.plain(facts)) == facts


def test_a_fact_that_is_missing_says_so() -> None:
    facts: Facts = wire.facts({"repository": "one", "default_branch": {"unknown": "404: Not Found"}})
    assert facts.repository == Unknown("the facts hold 'one' instead")
    assert facts.default_branch == Unknown("404: Not Found")
    assert facts.pulls == Unknown("the facts do not hold it")


@pytest.mark.parametrize(
    ("tier", "first", "later"),
    [
        (Tier.T0, False, False),
        (Tier.T1, False, True),
        (Tier.T2, False, True),
        (Tier.T3, True, True),
        (Tier.X, True, True),
    ],
)
def test_who_is_needed(tier: Tier, first: bool, later: bool) -> None:  # noqa: FBT001 - a table
    decision = Decision(tier=tier, verdict=Verdict.PERSON, reasons=())
    assert tuple(people_needed(decision, environment_is_first_stage=it) for it in (True, False)) == (first, later)
