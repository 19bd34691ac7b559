"""Reports that are written when the run is over."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ferry.report.events import Event


class AtEnd:
    """A reader that keeps the events, then renders them once and hands the text on."""

    def __init__(self, render: Callable[[Sequence[Event]], str], write: Callable[[str], None]) -> None:
        self._render = render
        self._write = write
        self._events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self._events.append(event)

    def close(self) -> None:
        self._write(self._render(self._events))


def write_whole(path: Path, text: str) -> None:
    """All of it or nothing: a run that is killed here leaves what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)  # a temporary file is for its owner alone; a report is for whoever asks
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
