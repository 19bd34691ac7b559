"""A release that is stopped on its way, or that two runs publish at once: nothing half done has a name."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from ferry.outside.registry import upload

if TYPE_CHECKING:
    import subprocess

    from awsbox.faults import Switchboard
    from awsbox.faults.switchboard import Switched
    from tests.publishing.shop import Shop

WHOLE = {"release.json", ".gitignore", "of"}
LATEST = "preprod/releases/latest.json"
POLL_SECONDS = 0.01


def met(switched: Switched, process: subprocess.Popen[str]) -> None:
    """The call that is waited for has come; or the program has ended without it."""
    while not switched.hits and process.poll() is None:
        time.sleep(POLL_SECONDS)
    assert switched.hits


@pytest.mark.slow
@pytest.mark.req("B-05")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("call", ["ecr:CompleteLayerUpload", "ecr:PutImage", "s3:PutObject"])
def test_a_push_that_is_stopped_goes_on_with_the_next_run(
    shop: Shop, faults: Switchboard, call: str, stop: signal.Signals
) -> None:
    held = faults.add(f"slow:{call}")
    with shop.started() as process:
        met(held, process)
        process.send_signal(stop)
        ended = shop.ended(process)
    faults.clear()
    assert ended.code == 130
    assert ended.error["next"] == "run the same command again"
    assert LATEST not in shop.objects
    whole(shop)
    assert shop.publish().code == 0
    assert {"latest"} < shop.tags
    assert LATEST in shop.objects


@pytest.mark.slow
@pytest.mark.req("B-05")
@pytest.mark.parametrize("call", ["ecr:CompleteLayerUpload", "ecr:PutImage", "s3:PutObject"])
def test_a_push_that_is_killed_goes_on_with_the_next_run(shop: Shop, faults: Switchboard, call: str) -> None:
    with shop.started() as process:
        killed = faults.add(f"kill-after:{call}:2:{process.pid}")
        met(killed, process)
        assert shop.ended(process).code == -signal.SIGKILL
    faults.clear()
    assert LATEST not in shop.objects
    whole(shop)
    assert shop.publish().code == 0
    assert LATEST in shop.objects


def whole(shop: Shop) -> None:
    """Blobs are called by what is in them; everything else is known by its name."""
    assert {name for name in shop.kept if len(name) != 64} == WHOLE


@pytest.mark.slow
@pytest.mark.req("B-05", "B-08")
def test_what_arrived_before_the_stop_does_not_travel_again(shop: Shop, faults: Switchboard) -> None:
    """The dependencies lie in their cache by then, and the application's layer in its repository."""
    with shop.started() as process:
        killed = faults.add(f"kill-before:ecr:PutImage@*{shop.name}-app:1:{process.pid}")
        met(killed, process)
        assert shop.ended(process).code == -signal.SIGKILL
    ended = shop.publish()
    assert ended.code == 0
    assert "0 blobs, 0.00 MB pushed, 3 were there" in ended.err


@pytest.mark.req("B-05")
def test_a_push_whose_connection_breaks_is_resumed_and_nobody_hears_of_it(
    shop: Shop, faults: Switchboard, paused: list[float]
) -> None:
    shop.monkeypatch.setattr(upload, "CHUNK", 16 * 1024)
    broken = faults.add("reset:ecr:UploadLayerPart:2")
    ended = shop.publish()
    assert (ended.code, broken.hits) == (0, 2)
    assert paused
    assert "latest" in shop.tags


@pytest.mark.slow
@pytest.mark.req("B-05")
def test_two_runs_that_publish_the_same_at_once_both_succeed(shop: Shop) -> None:
    with shop.started() as one, shop.started() as two:
        ended = [shop.ended(one), shop.ended(two)]
    assert [it.code for it in ended] == [0, 0]
    assert ended[0].answer == ended[1].answer
    whole(shop)
    assert LATEST in shop.objects
