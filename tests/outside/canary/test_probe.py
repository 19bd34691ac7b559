from __future__ import annotations

import socket

import pytest

from ferry.errors import ProofFailed
from ferry.outside import canary
from tests.outside.canary import targets
from tests.outside.canary.targets import Good, serving

pytestmark = [pytest.mark.anyio, pytest.mark.req("R-07")]


SERVICES = [
    (targets.SaysNo, "says that it is not well"),
    (targets.SaysNothingOfItself, "says that it is not well"),
    (targets.HealthIsAPage, "not what it must be"),
    (targets.HealthFails, "not what it must be"),
    (targets.HealthIsElsewhere, "not what it must be"),
    (targets.HealthIsCut, "not JSON"),
    (targets.HealthIsNotText, "not JSON"),
    (targets.HangsUp, "does not answer"),
    (targets.NeverAnswers, "no whole answer within"),
]
STREAMS = [
    (targets.Buffered, "buffered"),
    (targets.WrongType, "not an event stream"),
    (targets.Page, "not an event stream"),
    (targets.Fails, "not an event stream"),
    (targets.TooFew, "too few or too many"),
    (targets.TooMany, "too few or too many"),
    (targets.NoEvents, "too few or too many"),
    (targets.CutInAnEvent, "too few or too many"),
    (targets.CutHalfWay, "does not answer"),
    (targets.HangsUp, "does not answer"),
    (targets.NeverAnswers, "no whole answer within"),
    (targets.NeverEnds, "no whole answer within"),
]


def time_for(says: str) -> float:
    """Only what never ends is waited for until the time is up."""
    return 0.3 if "within" in says else 10


async def stream(url: str, within: float = 10) -> canary.Stream:
    return await canary.stream(url, events=5, interval=0.02, within=within)


async def test_a_service_that_is_well_passes() -> None:
    with serving(Good) as url:
        assert (await canary.health(url))["environment"] == "preprod"
        seen = await stream(url)
    assert len(seen.arrivals) == 5
    assert seen.first > 0
    assert seen.spread > 0.1


async def test_an_address_may_end_in_a_slash_as_those_of_functions_do() -> None:
    with serving(Good) as url:
        await canary.health(f"{url}/")
        await stream(f"{url}/")


@pytest.mark.parametrize(
    ("target", "says"),
    SERVICES,
)
async def test_a_service_that_is_not_well_fails(target: type[Good], says: str) -> None:
    with serving(target) as url, pytest.raises(ProofFailed, match=says) as caught:
        await canary.health(url, within=time_for(says))
    assert caught.value.where == url
    assert caught.value.next


@pytest.mark.parametrize(
    ("target", "says"),
    STREAMS,
)
async def test_a_broken_stream_fails(target: type[Good], says: str) -> None:
    with serving(target) as url, pytest.raises(ProofFailed, match=says) as caught:
        await stream(url, within=time_for(says))
    assert caught.value.where == url


def test_no_broken_target_is_forgotten() -> None:
    tested = {target for target, _ in [*SERVICES, *STREAMS]}
    all = {it for it in vars(targets).values() if isinstance(it, type) and issubclass(it, Good)}
    assert tested == all - {Good, targets.Steady}


async def test_events_that_came_before_a_stream_broke_are_told() -> None:
    with serving(targets.CutHalfWay) as url, pytest.raises(ProofFailed) as caught:
        await stream(url)
    assert "after 5 events" in caught.value.why


@pytest.mark.parametrize("url", ["http://127.0.0.1:port", "ftp://127.0.0.1", "no address", ""])
async def test_what_is_no_address_does_not_answer(url: str) -> None:
    for ask in (canary.health, canary.stream):
        with pytest.raises(ProofFailed, match="does not answer"):
            await ask(url)


async def test_where_nobody_listens_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(ProofFailed, match="does not answer"):
        await canary.health(url)
