"""For environments that need no real answer: it counts words. No download, and the same result everywhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analysis.models import sentiment

if TYPE_CHECKING:
    from sentiment.articles import Sentiment


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


GLAD = _words("""
    advance advances award awards beat beats best better boom booming boost boosted boosts breakthrough bright calm
    cheer cheers climb climbed climbs confidence confident cure cured delight ease eased eases excellent gain gained
    gains glad good great grew grow growing grown growth happy heal healthy help helped helps hope hopeful hopes
    improve improved improvement improves improving jump jumped jumps milestone optimism optimistic peace praise
    praised profit profits progress promising prosper rallied rallies rally rebound rebounded rebounds record recover
    recovered recovers recovery relief rescue rescued rise rises rising robust rose safe safer save saved saves soar
    soared soaring soars stable strong stronger strongest succeed succeeds success successful surge surged surges
    surging thrive thriving triumph upbeat upgrade upgraded victory welcome welcomed win winner winners winning wins
    won wonderful
""")
SAD = _words("""
    accident afraid alarm anger angry attack attacked attacks bad bankrupt bankruptcy blast bleak blow burden collapse
    collapsed collapses concern concerned concerns conflict corruption crash crashed crashes crises crisis critical
    cut cuts damage damaged danger dangerous dead deadly death deaths debt decline declined declines declining default
    deficit delay delayed delays denies died dies disaster disease dispute doubt doubts downgrade downgraded downturn
    drop dropped drops drought emergency fail failed failing fails failure fall fallen falling falls fear fears fell
    fire fired flood floods fraud grim harm hurt hurts injured injury jobless kill killed kills lawsuit layoffs lose
    loses losing loss losses lost miss missed misses outage panic plunge plunged plunges poor problem problems protest
    protests recession risk risks sank scandal shortage shortages shut shutdown sink sinks slide slides slow slowdown
    slowing slows slump slumped slumps strike strikes struggle struggled struggles struggling sue sued sues suffer
    suffered suffers tension tensions terrible threat threaten threatens threats tragedy trouble tumble tumbled
    tumbles uncertainty unrest victim victims violence war warn warned warning warns weak weaker weakness worried
    worries worry worse worst wrong
""")
NOT = frozenset({"no", "not", "never", "without", "hardly"})
"""The word after one of these means its opposite; so does the one after isn't, won't and the like."""


class Mock:
    name = "mock-1"

    def judge(self, text: str) -> Sentiment:
        """One word of feeling is half of all that can be felt; each further one of its kind makes it surer."""
        feelings = _feelings(text)
        return sentiment(sum(feelings) / (len(feelings) + 1), self.name)


def _feelings(text: str) -> list[int]:
    """1 or -1 for each word that has one."""
    words = re.findall(r"[a-z]+(?:'[a-z]+)?", text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").lower())
    felt = [(word in GLAD) - (word in SAD) for word in words]
    turned = [False, *(word in NOT or word.endswith("n't") for word in words)]
    return [-feeling if turn else feeling for feeling, turn in zip(felt, turned, strict=False) if feeling]
