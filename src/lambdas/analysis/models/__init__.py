"""What can judge a text, and what their scores mean."""

from __future__ import annotations

from typing import Protocol

from sentiment.articles import Label, Sentiment

NEUTRAL = 0.25
"""A score nearer to 0 than this says neither."""


class Model(Protocol):
    @property
    def name(self) -> str:
        """It stands in each item, and is a dimension of the metrics."""
        ...

    def judge(self, text: str) -> Sentiment:
        """The same text gives the same answer. Rejected: nothing can be said of this one."""
        ...


def sentiment(score: float, model: str) -> Sentiment:
    score = round(score, 4)  # as the table keeps it, so that label and score never disagree
    if abs(score) < NEUTRAL:
        return Sentiment(label=Label.NEUTRAL, score=score, model=model)
    return Sentiment(label=Label.POSITIVE if score > 0 else Label.NEGATIVE, score=score, model=model)
