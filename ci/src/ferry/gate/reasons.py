"""What a decision is made of: one finding each, with its own tier."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from ferry.gate.facts import Fact, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Tier(IntEnum):
    """How strict: the largest of all findings counts."""

    T0 = 0
    T1 = 1
    T2 = 2
    T3 = 3
    X = 4

    @property
    def meaning(self) -> str:
        return MEANINGS[self]


MEANINGS = {
    Tier.T0: "automatic through prod",
    Tier.T1: "automatic in the first stage, a person after it",
    Tier.T2: "a person's change: automatic in the first stage, a person after it",
    Tier.T3: "a person at every stage",
    Tier.X: "refused",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """`about` is the pull request, the range or the stage; `fact` is which fact of it."""

    tier: Tier
    about: str
    fact: str
    why: str

    def __str__(self) -> str:
        """One line, whatever GitHub's own words hold."""
        return CONTROL.sub(" ", f"{self.tier.name}  {self.about}: {self.fact}: {self.why}")


def unless[T](
    fact: Fact[T], condition: Callable[[T], bool], otherwise: Callable[[str], Reason], why: Callable[[T], str]
) -> Iterator[Reason]:
    """A reason where a fact is not as it must be, or is not known."""
    if isinstance(fact, Unknown):
        yield otherwise(f"not known: {fact.why}")
    elif not condition(fact):
        yield otherwise(why(fact))


def same(*facts: Fact[Any]) -> Fact[bool]:
    """Whether all of them are one and the same."""
    for fact in facts:
        if isinstance(fact, Unknown):
            return fact
    return len(set(facts)) == 1
