"""Faults that are on."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from awsbox.faults.effects import EFFECTS
from awsbox.faults.kinds import Fault
from awsbox.faults.naming import meets, named

if TYPE_CHECKING:
    from collections.abc import Iterable

    from awsbox.calls import Answer, Call, Next
    from awsbox.faults.unready import Birth


@dataclass
class Switched:
    """A fault that is on. `hits` counts the calls that it met; `over` is set when it was cleared."""

    id: int
    fault: Fault
    hits: int = 0
    over: threading.Event = field(default_factory=threading.Event, repr=False)
    born: dict[str, Birth] = field(default_factory=dict, repr=False)
    """For a fault of new things: what was made since it is on."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def take(self, most: int | None = None) -> int:
        """Which hit this is; 0 where the fault has had all of its own. `most` is its count unless named."""
        most = self.fault.count if most is None else most
        with self._lock:
            if self.over.is_set() or (most and self.hits >= most):
                return 0
            self.hits += 1
            return self.hits


class Switchboard:
    """May be used from any thread."""

    def __init__(self, faults: Iterable[Fault | str] = ()) -> None:
        self._lock = threading.Lock()
        self._on: list[Switched] = []
        self._last = 0
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault | str) -> Switched:
        """Switch a fault on. BadFault where the text says none."""
        read = Fault.read(fault) if isinstance(fault, str) else fault
        with self._lock:
            self._last += 1
            self._on.append(Switched(self._last, read))
            return self._on[-1]

    def clear(self, *chosen: Switched) -> None:
        """Switch these off, or all; calls that are held back go on."""
        with self._lock:
            for switched in chosen or tuple(self._on):
                switched.over.set()
            self._on = [switched for switched in self._on if not switched.over.is_set()]

    def list(self) -> tuple[Switched, ...]:
        with self._lock:
            return tuple(self._on)

    async def layer(self, call: Call, way: Next) -> Answer:
        """Every fault that meets the call, the first one outermost."""
        if not self._on:
            return await way(call)
        asked = named(call)
        for switched in reversed(self.list()):
            if meets(switched.fault, asked):
                way = partial(EFFECTS[switched.fault.name], switched, way)
        return await way(call)
