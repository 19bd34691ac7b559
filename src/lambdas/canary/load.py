"""Many streams at once."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from canary.listening import End, for_seconds
from canary.sse import Event
from canary.streams import PATH, not_a_stream, said_farewell
from canary.verdict import clip, in_words
from canary.web import Unanswered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from canary.asking import Asking
    from canary.listening import Heard
    from canary.question import Load


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one stream. `wrong`: why it failed, or empty."""

    wrong: str = ""
    ours: bool = False
    first_event: float | None = None
    events: int = 0


async def load(asking: Asking, url: str, asked: Load) -> None:
    outcomes = await asyncio.gather(*(_one(asking, url, asked) for _ in range(asked.streams)))
    first = sorted(outcome.first_event for outcome in outcomes if outcome.first_event is not None)
    errors = [outcome for outcome in outcomes if outcome.wrong]
    ratio = len(errors) / asked.streams
    asking.measured |= {
        "load_streams": asked.streams,
        "load_errors": len(errors),
        "load_error_ratio": round(ratio, 4),
        "load_events": sum(outcome.events for outcome in outcomes),
    }
    for percent in (50, 95, 99):
        if first:
            asking.measure(f"load_first_event_p{percent}", percentile(first, percent))
    reasons = Counter(outcome.wrong for outcome in errors).most_common(3)
    why = "; ".join(f"{number} times {clip(reason)}" for reason, number in reasons)
    if any(outcome.ours for outcome in errors):
        asking.undecided("load", url, "this machine or this run could not carry it", why)
        return
    wrong = (
        f"{len(errors)} of {asked.streams}, at most {asked.max_errors:.1%} may: {why}"
        if ratio > asked.max_errors
        else ""
    )
    well = f"{asked.streams} streams at once, {len(errors)} failed"
    well += f", first event p99 {in_words(percentile(first, 99))}" if first else ""
    asking.add("load", url, wrong, well=well, bad="too many streams fail", seconds=asked.seconds)


async def _one(asking: Asking, url: str, asked: Load) -> Outcome:
    patience = for_seconds(asked.seconds, asking.question.limits)
    try:
        heard = await asking.web.listen(f"{url}{PATH}", headers=asking.headers, patience=patience)
    except Unanswered as error:
        return Outcome(wrong=error.why, ours=error.ours)
    events = sum(isinstance(arrival.block, Event) for arrival in heard.arrivals)
    return Outcome(wrong=_wrong(heard), ours=heard.end is End.OVER, first_event=heard.first_event_at, events=events)


def _wrong(heard: Heard) -> str:
    if not heard.readable:
        return not_a_stream(heard)[0]
    if heard.problems:
        return heard.problems[0]
    if heard.end is End.CLOSED and said_farewell(heard):
        return ""
    return "" if heard.end is End.LEFT else heard.end.value


def percentile(ordered: Sequence[float], percent: float) -> float:
    """By nearest rank: one of the values, and none is made up."""
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]
