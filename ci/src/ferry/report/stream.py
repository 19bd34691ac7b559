"""What verbs report to: events are masked once, kept, and handed to every reader."""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, Protocol, Self

from ferry.report import failure
from ferry.report.events import Changed, Ended, Event, Failed, Finished, Found, Made, Progress, Started
from ferry.report.masking import Mask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from ferry.model import Artifact, Finding
    from ferry.report.events import Changes, Row

# Tasks and threads inherit it, so a step knows what it runs inside even when steps run side by side.
_inside: ContextVar[Step | None] = ContextVar("_inside", default=None)


class Reader(Protocol):
    """One way to tell a run. Calls never overlap; `close` comes once, at the end."""

    def __call__(self, event: Event, /) -> None: ...

    def close(self) -> None: ...


class Step:
    """What is being done; it ends with its `with` block."""

    def __init__(self, report: Report, name: str) -> None:
        self.name = name
        self.report = report
        self.outcome = Ended.OK
        self.summary = ""

    def say(self, text: str) -> None:
        self.report.emit(Progress(step=self.name, text=text, at=self.report.clock()))

    def done(self, summary: str) -> None:
        self.outcome, self.summary = Ended.OK, summary

    def skip(self, why: str) -> None:
        self.outcome, self.summary = Ended.SKIPPED, why

    def fail(self, why: str) -> None:
        self.outcome, self.summary = Ended.FAILED, why


class Report:
    """As a context manager it tells of the error that ends the block, and closes its readers."""

    def __init__(
        self,
        readers: Iterable[Reader] = (),
        *,
        mask: Mask | None = None,
        clock: Callable[[], float] = time.time,
        debug: bool = False,
    ) -> None:
        self.mask = mask or Mask()
        self.clock = clock
        self._readers = tuple(readers)
        self._debug = debug
        self._events: list[Event] = []
        self._names: Counter[str] = Counter()
        self._broken: set[int] = set()
        self._told: BaseException | None = None
        self._lock = RLock()

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(self._events)

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[Step]:
        step, started = Step(self, self._unique(name)), self.clock()
        outer = _inside.get()
        parent = outer.name if outer and outer.report is self else ""
        self.emit(Started(step=step.name, title=title, at=started, parent=parent))
        token = _inside.set(step)
        try:
            yield step
        except BaseException as error:
            step.fail(failure.facts(error).what)
            raise
        finally:
            _inside.reset(token)
            at = self.clock()
            seconds = max(0.0, at - started)  # clocks of machines go back now and then
            self.emit(Finished(step=step.name, seconds=seconds, outcome=step.outcome, summary=step.summary, at=at))

    def found(self, finding: Finding) -> None:
        self.emit(Found(finding=finding))

    def made(self, artifact: Artifact) -> None:
        self.emit(Made(artifact=artifact))

    def changed(self, counts: Changes, rows: Iterable[Row] = (), *, diff: str = "") -> None:
        self.emit(Changed(counts=counts, rows=tuple(rows), diff=diff))

    def failed(self, error: BaseException) -> failure.Facts:
        """Tell of an error, once however often it passes by; the facts come back masked."""
        facts = self.mask.masked(failure.facts(error, debug=self._debug))
        if self._told is not error:
            self._told = error
            self.emit(Failed(error=facts, at=self.clock()))
        return facts

    def emit(self, event: Event) -> None:
        masked = self.mask.masked(event)
        with self._lock:
            self._events.append(masked)
            for reader in self._readers:
                self._guarded(reader, partial(reader, masked))

    def close(self) -> None:
        with self._lock:
            for reader in self._readers:
                self._guarded(reader, reader.close)
            self._readers = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error:
            self.failed(error)
        self.close()

    def _unique(self, name: str) -> str:
        with self._lock:
            self._names[name] += 1
            return name if self._names[name] == 1 else f"{name}-{self._names[name]}"

    def _guarded(self, reader: Reader, act: Callable[[], None]) -> None:
        """A reader that breaks is no reason to stop a release, and no secret either."""
        try:
            act()
        except Exception as error:  # noqa: BLE001  whatever a reader does, the run goes on
            if id(reader) in self._broken:
                return
            self._broken.add(id(reader))
            why = self.mask.masked(f"{type(error).__name__}: {error}")
            with suppress(OSError, ValueError):
                sys.stderr.write(f"ferry: the report {type(reader).__name__} is not complete, the run goes on: {why}\n")
