"""The terminal, alive: what is being done now and for how long, below what is done. The only file that imports rich."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TextIO

from rich.console import Console
from rich.live import Live as Screen
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ferry.model import Severity
from ferry.report import words
from ferry.report.events import Changed, Ended, Failed, Finished, Found, Made, Progress, Started
from ferry.report.terminal import finished, lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from ferry.report.events import Event

_COLORS: Final = {Ended.OK: "green", Ended.FAILED: "red", Ended.SKIPPED: "dim"}
_FINDING_COLORS: Final = {Severity.BLOCK: "red", Severity.WARN: "yellow", Severity.INFO: "cyan"}


@dataclass(slots=True)
class _Doing:
    title: str
    started: float
    indent: str
    now: str = ""
    spinner: Spinner = field(default_factory=lambda: Spinner("dots", style="cyan"))


class Live:
    def __init__(self, stream: TextIO, *, color: bool, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._doing: dict[str, _Doing] = {}
        self._console = Console(file=stream, no_color=not color, highlight=False, force_terminal=True)
        # stdout is for results: rich must not lead it to stderr.
        self._screen = Screen(
            get_renderable=self._draw,
            console=self._console,
            transient=True,
            refresh_per_second=8,
            redirect_stdout=False,
        )

    def __call__(self, event: Event) -> None:
        match event:
            case Started():
                outer = self._doing.get(event.parent)
                self._doing[event.step] = _Doing(event.title, event.at, outer.indent + "  " if outer else "")
                self._screen.start()
                self._screen.refresh()
            case Progress():
                if doing := self._doing.get(event.step):
                    doing.now = event.text
            case Finished():
                doing = self._doing.pop(event.step)
                self._screen.refresh()
                self._print(doing.indent + finished(event, doing.title), _COLORS[event.outcome])
            case Found() | Made() | Changed() | Failed():
                self._print("\n".join(lines(event)), _color(event))

    def close(self) -> None:
        self._screen.stop()

    def _print(self, text: str, color: str) -> None:
        """Colour ends with the first word: the rest is for reading."""
        told = Text(text)
        told.stylize(color, end=len(text) - len(text.lstrip()) + len(text.split(maxsplit=1)[0]))
        self._console.print(told, soft_wrap=True)

    def _draw(self) -> RenderableType:
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column()
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column(justify="right", no_wrap=True, style="dim")
        for doing in list(self._doing.values()):  # the screen draws from a thread of its own
            elapsed = words.duration(max(0.0, self._clock() - doing.started))
            table.add_row(doing.spinner, Text(doing.indent + words.line(doing.title), "bold"), elapsed)
            if doing.now:
                table.add_row("", Text(doing.indent + words.line(doing.now), "dim"), "")
        return table


def _color(event: Found | Made | Changed | Failed) -> str:
    match event:
        case Found():
            return _FINDING_COLORS[event.finding.severity]
        case Failed():
            return "bold red"
        case _:
            return "cyan"
