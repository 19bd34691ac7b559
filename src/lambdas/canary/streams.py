"""What is judged of a stream: facts about one listening in, checks out."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

from canary.asking import NO_KEY
from canary.listening import End, until_all_of, until_enough
from canary.services import REFUSED, may_ask, refuses_strangers
from canary.sse import Comment, Event
from canary.verdict import clip, in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from canary.asking import Asking
    from canary.listening import Heard

PATH = "/api/stream"
JSON_EVENTS = {"item", "summary"}
FAREWELL = "reconnect"


async def stream(asking: Asking, url: str, environment: str, positions: Sequence[str]) -> bool:
    """`positions`: of the newest items, newest first, where a dashboard told them. Whether there is a stream at all."""
    await refuses_strangers(asking, url, PATH, environment)
    if not may_ask(asking, environment):
        asking.undecided("stream", url, "could not be listened to", NO_KEY)
        return False
    limits = asking.question.limits
    heard: Heard | None = None
    with asking.answered("stream", url, "does not answer"):
        heard = await asking.web.listen(f"{url}{PATH}", headers=asking.headers, patience=until_enough(limits))
    if heard is None:
        return False
    wrong = "; ".join(not_a_stream(heard))
    well = f"opens in {in_words(heard.headers_at)}"
    asking.add("stream", url, wrong, well=well, bad="is not as a stream must be", seconds=heard.headers_at)
    if not heard.readable:
        return False
    _measure(asking, heard)
    # Where ids or what they stand in are wrong, resuming would only say so again.
    if _judge(asking, url, heard) and heard.first_event_at is not None:
        await _resume(asking, url, heard, positions)
    return True


def not_a_stream(heard: Heard) -> list[str]:
    """Reasons in the answer's head."""
    if heard.status in REFUSED:
        return [f"it refuses the key that the canary has: {heard.status} {heard.said}"]
    if heard.status != 200:
        return [f"it answers {heard.status}: {heard.said}"]
    wrong = []
    if heard.kind != "text/event-stream":
        wrong.append(f"its content-type is {clip(heard.kind) or 'missing'}, not text/event-stream: {heard.said}")
    if length := heard.headers.get("content-length"):
        wrong.append(f"it has content-length {clip(length)}: it was held back until its end")
    if encoding := heard.headers.get("content-encoding"):
        wrong.append(f"it has content-encoding {clip(encoding)}: what compresses a stream holds it back")
    if not {"no-cache", "no-store"} & {
        each.strip() for each in heard.headers.get("cache-control", "").lower().split(",")
    }:
        wrong.append("its cache-control says neither no-cache nor no-store")
    return wrong


def _measure(asking: Asking, heard: Heard) -> None:
    asking.measure("headers", heard.headers_at)
    if heard.first_byte_at is not None:
        asking.measure("first_byte", heard.first_byte_at)
    if heard.first_event_at is not None:
        asking.measure("first_event", heard.first_event_at)
        asking.measure("longest_gap", longest_gap(heard))
    asking.measure("listened", heard.over_at)
    comments = sum(isinstance(arrival.block, Comment) for arrival in heard.arrivals)
    asking.measured |= {"events": len(heard.arrivals) - comments, "comments": comments, "ids": len(heard.ids)}


def _judge(asking: Asking, url: str, heard: Heard) -> bool:
    """Whether what came can be read, and its ids can be gone by."""
    _first_event(asking, url, heard)
    framed = _framing(asking, url, heard)
    _spread(asking, url, heard)
    _heartbeat(asking, url, heard)
    ordered = _ids(asking, url, heard)
    _end(asking, url, heard)
    return framed and ordered


def _framing(asking: Asking, url: str, heard: Heard) -> bool:
    if not heard.arrivals and not heard.problems:
        return False
    wrong = "; ".join(clip(problem) for problem in [*heard.problems, *_not_json(heard)])
    return asking.add("framing", url, wrong, well="is right", bad="is wrong")


def _first_event(asking: Asking, url: str, heard: Heard) -> None:
    limit = asking.question.limits.first_event
    if heard.first_event_at is not None:
        took = heard.first_event_at
        wrong = f"it took {in_words(took)}, at most {in_words(limit)} are right" if took > limit else ""
        asking.add("first-event", url, wrong, well=f"came after {in_words(took)}", bad="came late", seconds=took)
    elif heard.end is End.OVER:
        asking.undecided(
            "first-event", url, "was not waited for to the end", f"no time was left after {in_words(heard.over_at)}"
        )
    elif heard.end is End.LATE:
        what = (
            "comments alone"
            if heard.arrivals
            else "no whole event"
            if heard.first_byte_at is not None
            else "not a byte"
        )
        wrong = f"{what} within {in_words(limit)}; the head of the answer came after {in_words(heard.headers_at)}"
        asking.add("first-event", url, wrong, well="", bad="did not come in time", seconds=heard.over_at)
    else:
        wrong = f"the stream was over after {in_words(heard.over_at)}{f' ({heard.why})' if heard.why else ''}"
        asking.add("first-event", url, wrong, well="", bad="never came", seconds=heard.over_at)


def _not_json(heard: Heard) -> list[str]:
    wrong = []
    for event in (arrival.block for arrival in heard.arrivals if isinstance(arrival.block, Event)):
        if event.type not in JSON_EVENTS:
            continue
        try:
            said = json.loads(event.data)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            wrong.append(f"the data of {event.type} is no JSON object: {event.data}")
        elif event.type == "item" and said.get("position") != event.id:
            wrong.append(f"an item with position {said.get('position')!r} has id {event.id!r}")
    return wrong[:3]


def _spread(asking: Asking, url: str, heard: Heard) -> None:
    number, seconds = len(heard.arrivals), heard.over_at
    if heard.spread:
        over = heard.arrivals[-1].at - heard.arrivals[0].at
        asking.add("spread", url, "", well=f"{number} things came over {in_words(over)}", bad="", seconds=seconds)
    elif heard.first_byte_at is None and heard.end in {End.LATE, End.CLOSED}:
        wrong = f"its head came after {in_words(heard.headers_at)}, and no byte since: it is buffered, or hangs"
        asking.add("spread", url, wrong, well="", bad="is held back", seconds=seconds)
    elif heard.end is End.CLOSED and heard.arrivals:
        at = in_words(heard.arrivals[0].at)
        wrong = f"all {number} things of it came at once, after {at}, and that was all: it is buffered"
        asking.add("spread", url, wrong, well="", bad="is held back", seconds=seconds)
    else:
        asking.undecided("spread", url, "cannot be judged", f"{number} things came at once in {in_words(seconds)}")


def longest_gap(heard: Heard) -> float:
    """Where something was still expected, the silence at the end counts."""
    times = [arrival.at for arrival in heard.arrivals]
    times += [heard.over_at] if heard.end in {End.SILENT, End.LEFT} else []
    return max((later - earlier for earlier, later in pairwise(times)), default=0.0)


def _heartbeat(asking: Asking, url: str, heard: Heard) -> None:
    if heard.first_event_at is None:
        return
    gap, limit = longest_gap(heard), asking.question.limits.gap
    last = heard.arrivals[-1].at
    if heard.end is End.SILENT or gap > limit:
        wrong = f"neither event nor heartbeat for {in_words(gap)}, at most {in_words(limit)} are right"
        asking.add("heartbeat", url, wrong, well="", bad="is missing", seconds=heard.over_at)
    elif heard.end is End.OVER and not heard.spread:
        why = f"nothing came since {in_words(last)}, and after {in_words(heard.over_at)} no time was left"
        asking.undecided("heartbeat", url, "was not waited for to the end", why)
    else:
        asking.add("heartbeat", url, "", well=f"the longest silence was {in_words(gap)}", bad="", seconds=heard.over_at)


def _ids(asking: Asking, url: str, heard: Heard) -> bool:
    if heard.first_event_at is None:
        return False
    wrong = out_of_order([heard.mark, *heard.ids])
    events = [arrival.block for arrival in heard.arrivals if isinstance(arrival.block, Event)]
    if not wrong and any(event.type == "item" and not event.id for event in events):
        wrong = "an item has none: whoever reads it cannot resume after it"
    well = f"{len(heard.ids)} came, each once and in order" if heard.ids else "none came: there was no news"
    return asking.add("ids", url, wrong, well=well, bad="are wrong")


def out_of_order(ids: Sequence[str]) -> str:
    seen: set[str] = set()
    before = ""
    for id in ids:
        if id in seen:
            return f"{clip(id)} came twice"
        if id < before:
            return f"{clip(id)} came after {clip(before)}"
        seen.add(id)
        before = id
    return ""


def said_farewell(heard: Heard) -> bool:
    last = heard.arrivals[-1].block if heard.arrivals else None
    return isinstance(last, Event) and last.type == FAREWELL


def _end(asking: Asking, url: str, heard: Heard) -> None:
    at = in_words(heard.over_at)
    if heard.end is End.CUT:
        asking.add("end", url, f"the connection broke after {at}: {heard.why}", well="", bad="is cut")
    elif heard.end is End.CLOSED:
        wrong = "" if said_farewell(heard) else f"it was over after {at}, without a {FAREWELL} event"
        asking.add("end", url, wrong, well=f"clean, after {at}", bad="comes too early")
    else:
        asking.add("end", url, "", well=f"still open after {at}, when the canary left", bad="")


async def _resume(asking: Asking, url: str, heard: Heard, positions: Sequence[str]) -> None:
    known = _known(heard, positions)
    last, wanted = (known[0], known[1:]) if known else ("", [])
    headers = asking.headers | ({"last-event-id": last} if last else {})
    again: Heard | None = None
    with asking.answered("resume", url, "does not answer a second time"):
        patience = until_all_of(wanted, asking.question.limits)
        again = await asking.web.listen(f"{url}{PATH}", headers=headers, patience=patience)
    if again is None:
        return
    wrong = _not_resumed(again, last, wanted)
    if not wrong and again.end is End.OVER:
        asking.undecided("resume", url, "was not listened to to the end", "no time was left")
        return
    asking.measured["resumed"] = len(wanted)
    well = f"brought the {len(wanted)} that came since, each once" if wanted else "brought nothing twice"
    well = well if last else "works, but no event had an id, so there was nothing to resume from"
    asking.add("resume", url, wrong, well=well, bad="is wrong", seconds=again.over_at)


def _known(heard: Heard, positions: Sequence[str]) -> list[str]:
    """Ids in order, of which a reader who has the first must get the others.

    What was just heard; in quiet times, what the dashboard has just told; else only where the stream began.
    """
    own = [heard.mark, *heard.ids] if heard.mark else heard.ids
    return sorted(positions) if len(own) < 2 < len(positions) else own


def _not_resumed(again: Heard, last: str, wanted: Sequence[str]) -> str:
    if not again.readable:
        return f"a second stream is none: {'; '.join(not_a_stream(again))}"
    repeated = [id for id in again.ids if id <= last]
    if repeated:
        return f"after Last-Event-ID {clip(last)} came {clip(repeated[0])}, which was read already"
    if wrong := out_of_order(again.ids):
        return f"after Last-Event-ID {clip(last)}, {wrong}"
    missing = [id for id in wanted if id not in set(again.ids)]
    if missing and again.end is not End.OVER:
        return (
            f"after Last-Event-ID {clip(last)}, {len(missing)} of {len(wanted)} did not come again: {clip(missing[0])}"
        )
    if again.first_event_at is None and again.end is not End.OVER:
        return f"a second stream brought no event in {in_words(again.over_at)}"
    return ""
