"""The latest items, ready to be sent: who comes back is served from here, and nobody asks the table for it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

type Topics = frozenset[str]
"""Which ones a stream wants; none named is all of them."""


@dataclass(frozen=True, slots=True)
class Frame:
    """An item as it goes over the wire; made once, however many read it."""

    position: str
    topic: str
    body: bytes


def wanted(frames: Iterable[Frame], topics: Topics) -> list[Frame]:
    return [frame for frame in frames if frame.topic in topics] if topics else list(frames)


class Ring:
    """Every item after `start` and up to `end`, both positions."""

    def __init__(self, start: str, limit: int) -> None:
        self.start = start
        self.end = start
        self._limit = limit
        self._frames: list[Frame] = []

    def append(self, frames: list[Frame]) -> None:
        if not frames:
            return
        self._frames += frames
        self.end = frames[-1].position
        surplus = len(self._frames) - self._limit
        if surplus > 0:
            self.start = self._frames[surplus - 1].position
            del self._frames[:surplus]

    def reach_back(self, start: str, frames: list[Frame]) -> None:
        """`frames` are all items after the new start and up to the present one."""
        self._frames[:0] = frames
        self.start = start

    def after(self, position: str, topics: Topics) -> list[Frame]:
        """What came since; `position` is not before `start`."""
        return wanted(self._frames[bisect_right(self._frames, position, key=lambda frame: frame.position) :], topics)

    def __len__(self) -> int:
        return len(self._frames)
