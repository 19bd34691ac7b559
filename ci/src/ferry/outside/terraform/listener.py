"""Listens to one run of terraform: people hear of its progress and errors at once, verbs get them at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferry.outside.terraform import events, failure, words
from ferry.outside.terraform.events import Diagnostic, Doing, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from ferry.errors import FerryError


def silent(_: str) -> None:
    """Nobody wants to hear of it."""


class Listener:
    def __init__(self, say: Callable[[str], None] = silent) -> None:
        self.seconds: dict[str, float] = {}
        """How long each resource took that is done."""
        self.errors: list[Diagnostic] = []
        self._say = say
        self._failed: dict[str, None] = {}
        """Addresses in the order in which they failed; the diagnostics at the end have another one."""
        self._told: set[str] = set()

    def line(self, text: str) -> None:
        """A line of the event stream."""
        event = events.read(text)
        if isinstance(event, Diagnostic):
            if not event.warning:
                self.errors.append(event)
                self._tell(event)
        elif event:
            if isinstance(event, Doing):
                self._timed(event)
            self._say(events.told(event))

    def log(self, text: str) -> None:
        """A line of terraform's log of errors."""
        if error := events.logged(text):
            self._failed.setdefault(error.address)
            self._tell(error)

    def error(self, verb: str, code: int, err: str) -> FerryError:
        if not self.errors:  # it did not get as far as events
            return words.failed(verb, code, err)
        return failure.error(verb, self.errors, tuple(self._failed))

    def _timed(self, doing: Doing) -> None:
        if doing.stage is Stage.DONE:
            self.seconds[doing.address] = doing.seconds
        elif doing.stage is Stage.FAILED:
            self._failed.setdefault(doing.address)

    def _tell(self, error: Diagnostic) -> None:
        """Say it at once, and once: the log has it first, the diagnostic comes when everything else is done."""
        if (error.address or error.text) in self._told:
            return
        self._told.add(error.address or error.text)
        known = failure.classify(error)
        where = known.address or known.place
        self._say(f"{where + ': ' if where and where not in known.cause else ''}{known.cause}. Next: {known.next}")
