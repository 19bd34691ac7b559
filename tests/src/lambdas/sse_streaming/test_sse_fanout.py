"""What is written to whom: no server, and clients that take what they are told to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_streaming.fanout import Batch, Ending, Group, Reader
from sse_streaming.ring import Frame, Ring

if TYPE_CHECKING:
    from collections.abc import MutableMapping


class Client:
    """Takes everything while it is `willing`."""

    def __init__(self) -> None:
        self.willing = asyncio.Event()
        self.willing.set()
        self.came: list[bytes] = []
        self.over = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        await self.willing.wait()
        self.came.append(message["body"])
        self.over = not message["more_body"]


class Dropped:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def frame(number: int, topic: str = "energy") -> Frame:
    return Frame(f"{number:04}", topic, b"%d " % number)


def begun(group: Group, floor: str = "") -> tuple[Reader, Client]:
    client = Client()
    reader = Reader(group, b"", floor)
    reader.begin(client.send)
    return reader, client


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.anyio
async def test_a_batch_is_written_before_put_returns() -> None:
    group = Group(frozenset(), Dropped())
    _, one = begun(group)
    _, two = begun(group)
    group.put(Batch.of([frame(1), frame(2)], b"summary"), 0)
    assert one.came == two.came == [b"1 2 summary"]


@pytest.mark.anyio
async def test_what_came_while_a_client_was_busy_is_written_together_and_in_order() -> None:
    group = Group(frozenset(), Dropped())
    _, client = begun(group)
    client.willing.clear()
    for number in range(5):
        group.put(Batch.of([frame(number)]), 0)
    await turns()
    assert client.came == []
    client.willing.set()
    await turns()
    assert client.came == [b"0 ", b"1 2 3 4 "]


@pytest.mark.anyio
async def test_who_is_too_far_behind_is_told_and_dropped() -> None:
    dropped = Dropped()
    group = Group(frozenset(), dropped, kept=3)
    _, client = begun(group)
    client.willing.clear()
    for number in range(5):
        group.put(Batch.of([frame(number)]), 0)
    client.willing.set()
    await turns()
    assert client.came[0] == b"0 "
    assert b'"reason": "slow"' in client.came[1]
    assert (client.over, dropped.count) == (True, 1)
    group.put(Batch.of([frame(6)]), 0)
    assert len(client.came) == 2


@pytest.mark.anyio
async def test_what_another_process_has_sent_is_not_sent_again() -> None:
    group = Group(frozenset(), Dropped())
    _, client = begun(group, floor="0002")
    group.put(Batch.of([frame(1)], b"summary "), 0)
    group.put(Batch.of([frame(2), frame(3)]), 0)
    group.put(Batch.of([frame(4)]), 0)
    assert client.came == [b"summary ", b"3 ", b"4 "]


@pytest.mark.anyio
async def test_who_left_is_written_nothing_though_a_write_was_under_way() -> None:
    group = Group(frozenset(), Dropped())
    reader, client = begun(group)
    client.willing.clear()
    group.put(Batch.of([frame(1)]), 0)
    assert reader.leave() is group
    assert group.readers == set()
    client.willing.set()
    await turns()
    assert client.came == []


@pytest.mark.anyio
async def test_a_client_that_breaks_does_not_keep_the_others_from_reading() -> None:
    tried: list[bytes] = []

    async def broken(message: MutableMapping[str, Any]) -> None:
        tried.append(message["body"])
        raise OSError("gone")

    group = Group(frozenset(), Dropped())
    Reader(group, b"").begin(broken)
    _, client = begun(group)
    for number in range(3):
        group.put(Batch.of([frame(number)]), 0)
    assert client.came == [b"0 ", b"1 ", b"2 "]
    assert tried == [b"0 "]


@pytest.mark.anyio
async def test_the_first_reason_to_end_is_the_one_that_is_told() -> None:
    group = Group(frozenset(), Dropped())
    reader, client = begun(group)
    reader.end(Ending.LIMIT)
    reader.end(Ending.SHUTDOWN)
    assert len(client.came) == 1
    assert b'"reason": "limit"' in client.came[0]


NUMBERS = st.lists(st.integers(0, 300), unique=True).map(sorted)


@given(numbers=NUMBERS, sizes=st.lists(st.integers(1, 9)), limit=st.integers(1, 40), place=st.integers(0, 300))
def test_the_ring_has_everything_between_its_ends(numbers: list[int], sizes: list[int], limit: int, place: int) -> None:
    ring = Ring("", limit)
    rest = [frame(number, "odd" if number % 2 else "even") for number in numbers]
    added: list[Frame] = []
    for size in sizes:
        ring.append(rest[:size])
        added, rest = added + rest[:size], rest[size:]
    assert len(ring) <= limit
    position = f"{place:04}"
    if position >= ring.start:
        assert ring.after(position, frozenset()) == [one for one in added if one.position > position]
        assert ring.after(position, frozenset({"odd"})) == [
            one for one in added if one.position > position and one.topic == "odd"
        ]


@given(numbers=NUMBERS, cut=st.integers(0, 300), start=st.integers(0, 300))
def test_the_ring_can_be_made_to_reach_further_back(numbers: list[int], cut: int, start: int) -> None:
    every = [frame(number) for number in numbers if number > min(start, cut)]
    ring = Ring(f"{cut:04}", 1000)
    ring.append([one for one in every if one.position > ring.start])
    ring.reach_back(f"{min(start, cut):04}", [one for one in every if one.position <= f"{cut:04}"])
    assert ring.after(f"{min(start, cut):04}", frozenset()) == every
