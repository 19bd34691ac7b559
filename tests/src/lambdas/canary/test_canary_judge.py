"""The canary itself is what is tested: it passes what is well, and fails whatever is broken, for the right reason."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from canary.judge import judge
from canary.question import Limits, Load, Question
from tests.src.lambdas.canary import servers
from tests.src.lambdas.canary.servers import DIGEST, KEY, Good, nobody, serving

if TYPE_CHECKING:
    from canary.verdict import Check, Verdict

pytestmark = [pytest.mark.req("R-07"), pytest.mark.slow]

# Far more than a healthy server on this machine takes: only what must run into a limit has a short one.
PATIENT = Limits(first_event=20, gap=20, listen=0.3, answer=20, within=60)
TO_THE_END = replace(PATIENT, listen=20)
HASTY = replace(PATIENT, first_event=0.4, gap=0.5, answer=0.4)


def asked(url: str, **more: Any) -> Question:
    """Of both services in one: each check is made once at least."""
    known: dict[str, Any] = {"stream": url, "dashboard": url, "key": KEY, "limits": PATIENT}
    return Question(**known | {"environment": "preprod", "digest": DIGEST, "dashboard_digest": DIGEST} | more)


def judged(question: Question) -> Verdict:
    return asyncio.run(judge(question))


def judged_of(server: type[Good], **more: Any) -> Verdict:
    with serving(server) as served:
        return judged(asked(served.url, **more))


def failed(verdict: Verdict) -> set[str]:
    return {check.name for check in verdict.checks if check.ok is False}


def named(verdict: Verdict, name: str) -> Check:
    """The last of that name: the stream service's, where there are two."""
    return [check for check in verdict.checks if check.name == name][-1]


@dataclass(frozen=True, kw_only=True)
class Broken:
    """What fails of a server: exactly these checks, and the first one's line has this text."""

    server: type[Good]
    fails: tuple[str, ...]
    says: str
    more: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.server.__name__


def broken(server: type[Good], fails: str, says: str, **more: Any) -> Broken:
    return Broken(server=server, fails=tuple(fails.split()), says=says, more=more)


STALE = "sha256:" + "b" * 64
BROKEN = [
    # The ten of the issue.
    broken(
        servers.HealthIsNotJson, "health environment digest", "its health is not a JSON object: 200 application/json"
    ),
    broken(
        servers.HealthIsAPage, "health environment digest key page items summary stream", "not application/json: 200"
    ),
    broken(servers.Buffered, "spread", "all 7 things of it came at once"),
    broken(servers.NoHeartbeat, "heartbeat", "neither event nor heartbeat for 5", limits=replace(PATIENT, gap=0.5)),
    broken(Good, "digest", f"it says {DIGEST}, expected is {STALE}", digest=STALE),
    broken(Good, "environment", "it says preprod, expected is prod", environment="prod"),
    broken(servers.Hangs, "health", "no whole answer within 0.4 s", limits=HASTY),
    broken(servers.Cut, "end", "the connection broke after", limits=TO_THE_END),
    broken(servers.Doubled, "ids", "came twice"),
    broken(
        servers.SlowFirstEvent, "first-event", "no whole event within 400 ms", limits=replace(PATIENT, first_event=0.4)
    ),
    # And what else there is.
    broken(servers.HealthIsAList, "health environment digest", "is not a JSON object"),
    broken(servers.HealthIsNested, "health environment digest", "is not a JSON object"),
    broken(servers.HealthIsNotText, "health environment digest", "is not a JSON object"),
    broken(servers.HealthLacks, "health digest", "does not say its version, digest, dependencies"),
    broken(servers.SaysDegraded, "health", "it says 'degraded', with failing table"),
    broken(servers.SaysOkWithoutItsTable, "health", "with failing table"),
    broken(servers.HealthFails, "health", "does not say 200 and ok: 500"),
    broken(servers.HealthIsElsewhere, "health", "does not say 200 and ok: 301"),
    broken(servers.HealthDrips, "health", "no whole answer within 0.4 s", limits=HASTY),
    broken(servers.HealthHasNoEnd, "health", "the answer has no end"),
    broken(servers.HangsUp, "health", "it breaks the connection"),
    broken(servers.Resets, "health", "it breaks the connection"),
    broken(servers.Garbage, "health", "it breaks the connection"),
    broken(servers.OpenToAll, "key", "/api/stream answers 200 without a key"),
    broken(servers.TakesAnyKey, "key", "/api/stream answers 200 with a wrong key"),
    broken(servers.FailsForStrangers, "key", "/api/stream answers 500 without a key"),
    broken(servers.AnotherKey, "stream items summary", "it refuses the key that the canary has: 403"),
    broken(servers.AnotherPage, "page", "it is not text/html with our title: 200 text/html"),
    broken(servers.PageFails, "page", "502 text/html"),
    broken(
        servers.PageUnprotected, "page-headers", "there is no content-security-policy; other pages may frame it; x-"
    ),
    broken(servers.PageRunsAnything, "page-headers", "its content-security-policy lets any script run"),
    broken(servers.ItemsFail, "items", "/api/items?limit=5 is not 200 and application/json: 500"),
    broken(servers.ItemsAreNone, "items", 'one is no item: {"id": "1"}'),
    broken(servers.ItemsOldestFirst, "items", "they are not newest first"),
    broken(servers.SummaryIsEmpty, "summary", "no window, or no topics"),
    broken(servers.StreamHangs, "stream", "no answer within 0.4 s", limits=replace(PATIENT, first_event=0.4)),
    broken(servers.StreamFails, "stream", "it answers 500"),
    broken(servers.StreamIsAPage, "stream", "its content-type is text/html, not text/event-stream"),
    broken(servers.Compressed, "stream", "it has content-encoding gzip"),
    broken(servers.Cacheable, "stream", "its cache-control says neither"),
    broken(servers.BufferedWithLength, "stream spread", "it was held back until its end"),
    broken(
        servers.HeldBack, "spread first-event", "it is buffered, or hangs", limits=replace(PATIENT, first_event=0.4)
    ),
    broken(servers.HeartbeatAlone, "first-event", "comments alone within", limits=replace(PATIENT, first_event=0.4)),
    broken(servers.EndsEmpty, "first-event spread end", "the stream was over after"),
    broken(servers.EndsEarly, "end", "without a reconnect event", limits=TO_THE_END),
    broken(servers.EndsWithinAnEvent, "framing", "it ended within an event", limits=TO_THE_END),
    broken(servers.CutAtOnce, "end first-event", "the connection broke after"),
    broken(servers.Backwards, "ids", "came after"),
    broken(servers.WithoutIds, "ids", "an item has none"),
    broken(servers.AnotherId, "framing", "an item with position"),
    broken(servers.EventsAreNotJson, "framing", "the data of item is no JSON object: <b>news</b>"),
    broken(servers.Unframed, "framing", "a line is no field: 'item "),
    broken(servers.NotText, "framing", "it is not UTF-8"),
    broken(servers.NoEndOfLine, "framing", "bytes came, and no end"),
    broken(servers.ResumesDoubled, "resume", "which was read already"),
    broken(servers.ResumesTwice, "resume", "came twice"),
    broken(servers.DoesNotResume, "resume", "did not come again", limits=replace(PATIENT, first_event=1.5)),
    broken(servers.QuietDoesNotResume, "resume", "4 of 4 did not come again", limits=replace(PATIENT, first_event=1.5)),
    broken(servers.ResumesWithAHole, "resume", "did not come again", limits=replace(PATIENT, first_event=1.5)),
    broken(servers.ResumesWithAnError, "resume", "a second stream is none: it answers 500"),
    broken(servers.EveryThirdFails, "load", "at most 1.0% may: ", load=Load(streams=12, seconds=0.2)),
]


@pytest.mark.parametrize("case", BROKEN, ids=str)
def test_what_is_broken_fails_for_its_own_reason(case: Broken) -> None:
    verdict = judged_of(case.server, **case.more)
    assert verdict.word == "unhealthy", verdict.lines()
    assert failed(verdict) == set(case.fails), verdict.lines()
    assert case.says in named(verdict, case.fails[0]).line()


HEALTHY = [Good, servers.Quiet, servers.Empty, servers.SaysGoodbye]


@pytest.mark.parametrize("server", HEALTHY)
def test_what_is_well_passes(server: type[Good]) -> None:
    verdict = judged_of(server)
    assert verdict.word == "healthy", verdict.lines()
    assert [check.name for check in verdict.checks] == [
        *["health", "environment", "digest", "page", "page-headers", "key", "items", "summary"],
        *["health", "environment", "digest", "key", "stream", "first-event", "framing", "spread", "heartbeat"],
        *["ids", "end", "resume"],
    ]  # fmt: skip


def test_an_end_with_a_farewell_is_clean() -> None:
    verdict = judged_of(servers.SaysGoodbye, limits=TO_THE_END)
    assert verdict.word == "healthy", verdict.lines()
    assert "clean, after" in named(verdict, "end").line()


def test_no_server_is_forgotten() -> None:
    known = {each for each in vars(servers).values() if isinstance(each, type) and issubclass(each, Good)}
    assert known == {case.server for case in BROKEN} | {*HEALTHY, servers.Dev}


def test_in_dev_everybody_may_ask_and_no_key_is_needed() -> None:
    with serving(servers.Dev) as served:
        verdict = judged(Question(stream=served.url, dashboard=served.url, limits=PATIENT))
    assert verdict.word == "healthy", verdict.lines()
    assert "key" not in {check.name for check in verdict.checks}


def test_a_server_that_takes_itself_for_dev_is_not_spared_what_is_expected() -> None:
    verdict = judged_of(servers.Dev, digest="", dashboard_digest="")
    assert failed(verdict) == {"environment", "key"}


def test_what_is_not_expected_is_not_judged() -> None:
    with serving(Good) as served:
        verdict = judged(Question(stream=served.url, key=KEY, limits=PATIENT))
    assert verdict.word == "healthy"
    assert not {"environment", "digest", "page", "items", "load"} & {check.name for check in verdict.checks}
    assert verdict.expectations == {
        "max_first_event": 20, "max_gap": 20, "listen": 0.3, "answer": 20, "within": 60,
    }  # fmt: skip


def test_without_the_key_the_stream_is_left_undecided_and_strangers_are_still_refused() -> None:
    verdict = judged_of(Good, key="")
    assert verdict.word == "undecided"
    assert [check.name for check in verdict.checks if check.ok is None] == ["items", "summary", "stream"]
    assert "no API key" in named(verdict, "stream").line()
    assert named(verdict, "key").ok


def test_in_quiet_times_the_stream_is_resumed_from_the_items_that_the_dashboard_tells() -> None:
    with serving(servers.Quiet) as served:
        verdict = judged(asked(served.url))
        oldest = [headers["last-event-id"] for _, headers in served.seen if "last-event-id" in headers]
    assert oldest == [servers.position(1)]
    assert "brought the 4 that came since" in named(verdict, "resume").line()


def test_a_stream_with_no_news_and_no_dashboard_is_judged_by_its_heartbeat() -> None:
    verdict = judged_of(servers.Quiet, dashboard="", dashboard_digest="")
    assert verdict.word == "healthy"
    assert verdict.measured["ids"] == 0
    assert verdict.measured["comments"] > 0
    assert verdict.measured["resumed"] == 0


def test_what_is_measured_is_in_its_order() -> None:
    measured = judged_of(Good).measured
    assert (
        0 < measured["headers_ms"] <= measured["first_byte_ms"] <= measured["first_event_ms"] <= measured["listened_ms"]
    )
    assert measured["ids"] >= 3
    assert measured["resumed"] >= 2


def test_listening_ends_as_soon_as_enough_was_heard() -> None:
    news = judged_of(Good, limits=TO_THE_END).measured
    assert 3 <= news["ids"] < 100


def test_load_reports_percentiles_and_errors() -> None:
    verdict = judged_of(Good, load=Load(streams=20, seconds=0.3))
    assert verdict.word == "healthy", verdict.lines()
    measured = verdict.measured
    assert (measured["load_streams"], measured["load_errors"], measured["load_error_ratio"]) == (20, 0, 0)
    assert 0 < measured["load_first_event_p50_ms"] <= measured["load_first_event_p95_ms"]
    assert measured["load_first_event_p95_ms"] <= measured["load_first_event_p99_ms"]
    assert measured["load_events"] >= 20


def test_errors_under_load_that_are_allowed_do_not_fail() -> None:
    verdict = judged_of(servers.EveryThirdFails, load=Load(streams=12, seconds=0.2, max_errors=0.5))
    assert verdict.word == "healthy", verdict.lines()
    assert verdict.measured["load_errors"] == 4


def test_where_nobody_listens_is_unhealthy() -> None:
    verdict = judged(Question(stream=nobody(), key=KEY))
    assert verdict.word == "unhealthy"
    assert "refuses connections" in named(verdict, "health").line()
    assert len(verdict.checks) == 1


def test_a_name_that_does_not_resolve_is_undecided() -> None:
    verdict = judged(Question(stream="https://canary.invalid", key=KEY))
    assert verdict.word == "undecided"
    assert "does not resolve from here" in named(verdict, "health").line()


def test_one_that_is_unhealthy_outweighs_one_that_is_undecided() -> None:
    assert judged(Question(stream=nobody(), dashboard="https://canary.invalid", key=KEY)).word == "unhealthy"


def test_a_hanging_server_ends_with_the_time_for_everything() -> None:
    limits = Limits(within=0.5)
    verdict = judged_of(servers.Hangs, limits=limits, dashboard="", dashboard_digest="")
    assert verdict.word == "unhealthy"
    assert "no whole answer within 0.5 s" in named(verdict, "health").line()


def test_what_there_was_no_time_for_is_undecided_not_unhealthy() -> None:
    verdict = judged_of(servers.NoHeartbeat, limits=Limits(within=3), dashboard="", dashboard_digest="")
    assert verdict.word == "undecided", verdict.lines()
    assert "no time was left" in named(verdict, "heartbeat").line()
    assert "could not be asked" in named(verdict, "resume").line()


def test_a_server_that_repeats_the_key_does_not_get_it_printed() -> None:
    lines = judged_of(servers.AnotherKey).lines()
    assert KEY not in "".join(lines)
    assert "***" in "".join(lines)


def test_what_a_server_sends_cannot_write_on_the_terminal() -> None:
    lines = judged_of(servers.HealthIsNotText).lines()
    assert all(line.isprintable() for line in lines)


def test_an_image_may_be_named_in_full() -> None:
    verdict = judged_of(Good, digest=f"111122223333.dkr.ecr.us-east-1.amazonaws.com/preprod-sse@{DIGEST}")
    assert verdict.word == "healthy"


def test_a_base_url_may_end_in_a_slash() -> None:
    with serving(Good) as served:
        assert judged(asked(f"{served.url}/")).word == "healthy"
        assert not [path for path, _ in served.seen if "//" in path]
