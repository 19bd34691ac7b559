from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

from ferry.errors import TerraformFailed
from ferry.model import Severity
from ferry.report import Report, terminal
from ferry.report.events import Changes, Ended, Finished, Progress, Row, Started
from ferry.report.live import Live

from .conftest import deploy, finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ferry.report.events import Event

    from .conftest import Clock, Pty, Tell

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def test_plain_lines_say_what_happened_and_how_long_it_took(tell: Tell, clock: Clock) -> None:
    assert tell("plain", lambda report: deploy(report, clock)) == (
        "→ Build the artifacts\n"
        "  → Build the image\n"
        "    image: dependencies: found in the registry\n"
        "  ✓ Build the image · 1 layer built, 5 reused · 1 min 01 s\n"
        f"+ image sse-streaming · sha256:{'4e' * 32} · 71.4 MB\n"
        "  → Build the zips\n"
        "  – Build the zips · nothing changed · 0.0 s\n"  # noqa: RUF001
        "✓ Build the artifacts · 1 artifact · 1 min 01 s\n"
        "→ Plan preprod\n"
        "plan +1 ~0 ±0 -1 ↓1\n"
        "    destroy aws_sns_topic.old\n"
        "    adopt aws_ecr_repository.sse preprod-sse\n"
        "    create aws_budgets_budget.monthly\n"
        "i adoption: aws_ecr_repository.sse: exists in AWS and not in state\n"
        "✓ Plan preprod · 3 changes · 2.5 s\n"
    )


def blocked(report: Report) -> None:
    report.found(
        finding(
            Severity.BLOCK,
            "aws_dynamodb_table.items",
            what="would be lost",
            why="its key changes",
            next="ferry explain",
        )
    )
    raise TerraformFailed("apply failed", where="main.tf:4", why="because\nof this", next="ferry deploy preprod")


def test_plain_lines_of_a_failure(tell: Tell) -> None:
    assert tell("plain", blocked) == (
        "✗ adoption: aws_dynamodb_table.items: would be lost\n"
        "    why: its key changes\n"
        "    next: ferry explain\n"
        "error: apply failed\n"
        "  where: main.tf:4\n"
        "  why: because\n"
        "       of this\n"
        "  next: ferry deploy preprod\n"
        "  exit code 30 (TerraformFailed)\n"
    )


def test_a_long_plan_is_cut(tell: Tell) -> None:
    rows = [Row("create", f"aws_x.y[{number}]") for number in range(1234)]
    told = tell("plain", lambda report: report.changed(Changes(create=1234), rows)).splitlines()
    assert len(told) == 52
    assert told[-1] == "    and 1,184 more"


def test_github_folds_each_step_and_annotates(tell: Tell) -> None:
    def story(report: Report) -> None:
        with report.step("plan", "Plan preprod") as step:
            step.say("refreshing")
        blocked(report)

    assert tell("github", story) == (
        "::group::Plan preprod\n"
        "  plan: refreshing\n"
        "::endgroup::\n"
        "✓ Plan preprod · 0.0 s\n"
        "::error title=adoption%3A aws_dynamodb_table.items::would be lost%0Aits key changes%0Aferry explain\n"
        "error: apply failed\n"
        "  where: main.tf:4\n"
        "  why: because\n"
        "       of this\n"
        "  next: ferry deploy preprod\n"
        "  exit code 30 (TerraformFailed)\n"
        "::error file=main.tf,line=4,title=TerraformFailed::"
        "apply failed%0Amain.tf:4%0Abecause%0Aof this%0Aferry deploy preprod\n"
    )


def started(step: str, parent: str = "") -> Started:
    return Started(step=step, title=step.upper(), at=0, parent=parent)


def said(step: str, text: str) -> Progress:
    return Progress(step=step, text=text, at=0)


def ended(step: str) -> Finished:
    return Finished(step=step, seconds=0, outcome=Ended.OK, summary="", at=0)


def emitting(events: Iterable[Event]) -> Callable[[Report], None]:
    def story(report: Report) -> None:
        for event in events:
            report.emit(event)

    return story


def test_on_github_steps_side_by_side_do_not_mix(tell: Tell) -> None:
    events = (
        started("a"),
        started("b"),
        said("b", "b1"),
        said("a", "a1"),
        ended("b"),
        started("c", "a"),
        ended("c"),
        ended("a"),
    )
    assert tell("github", emitting(events)) == (
        "::group::A\n  a: a1\n  → C\n  ✓ C · 0.0 s\n::endgroup::\n✓ A · 0.0 s\n"
        "::group::B\n  b: b1\n::endgroup::\n✓ B · 0.0 s\n"
    )


def test_on_github_nothing_is_lost_when_steps_do_not_end(tell: Tell) -> None:
    events = (started("a"), started("b"), said("b", "b1"), started("c"))
    assert tell("github", emitting(events)) == (
        "::group::A\n::endgroup::\n::group::B\n  b: b1\n::endgroup::\n::group::C\n::endgroup::\n"
    )


def test_hostile_text_gives_github_no_command(tell: Tell) -> None:
    def story(report: Report) -> None:
        with report.step("plan", "::set-env name=A::b\n::stop-commands::x") as step:
            step.say("::error::no\n##[error]no\n  ::debug::no")
        raise TerraformFailed("x", why="\n::add-path::/evil\n ##[group]")

    commands = [line for line in tell("github", story).splitlines() if re.match(r"\s*::", line) or "##[" in line]
    assert [line[:12] for line in commands] == ["::group::::s", "::endgroup::", "::error titl"]


def test_the_reader_fits_where_the_text_goes(tty: Pty, clock: Clock) -> None:
    assert type(terminal.reader(io.StringIO(), {}, clock=clock)) is terminal.Plain
    assert type(terminal.reader(tty.stream, {"TERM": "dumb"}, clock=clock)) is terminal.Plain
    assert type(terminal.reader(tty.stream, {"GITHUB_ACTIONS": "true"}, clock=clock)) is terminal.GitHub
    assert type(terminal.reader(tty.stream, {"TERM": "xterm"}, clock=clock)) is Live


def test_a_terminal_keeps_what_is_done_and_shows_what_is_going_on(tell: Tell, clock: Clock) -> None:
    told = tell("tty", lambda report: deploy(report, clock))
    assert "\x1b[32m" in told
    text = ESCAPES.sub("", told)
    assert re.search(r"\S Build the artifacts +0\.0 s\r\n\S +Build the image +0\.0 s", text)
    assert "  ✓ Build the image · 1 layer built, 5 reused · 1 min 01 s\r\n" in text
    assert "✓ Plan preprod · 3 changes · 2.5 s\r\n" in text
    assert "    adopt aws_ecr_repository.sse preprod-sse\r\n" in text


def test_a_terminal_shows_the_error_whole(tell: Tell) -> None:
    text = ESCAPES.sub("", tell("tty", blocked))
    assert "error: apply failed\r\n  where: main.tf:4\r\n  why: because\r\n       of this\r\n" in text


def test_no_color_means_none(tty: Pty, clock: Clock) -> None:
    with Report([terminal.reader(tty.stream, {"TERM": "xterm", "NO_COLOR": "1"}, clock=clock)], clock=clock) as report:
        deploy(report, clock)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", tty.text)


NARROW = """
import os, sys
from ferry.report import Report, terminal
with Report([terminal.reader(sys.stderr, os.environ)]) as report:
    with report.step("publish", "Publish the image with a title that is far too long for this") as step:
        step.say("pushing layer 2 of 3, which is long as well, and goes on")
        report._readers[0]._screen.refresh()
        print("the result")
        step.done("3 layers, 1 pushed")
"""


def test_forty_columns_are_enough() -> None:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    env = {"TERM": "xterm", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", NARROW],
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
        env=env,
        check=True,
        timeout=20,
    )
    text = ESCAPES.sub("", os.read(master, 65536).decode())
    os.close(slave)
    os.close(master)
    assert done.stdout == b"the result\n"
    live = [line for line in re.split(r"[\r\n]+", text) if "…" in line]
    assert live
    assert all(len(line) <= 40 for line in live)
    assert any(line.strip().startswith("pushing layer 2") for line in live)
    said = r"✓ Publish the image with a title that is far too long for this · 3 layers, 1 pushed · \d\.\d s"
    assert re.search(said, text)


def test_rich_is_imported_for_a_live_terminal_alone() -> None:
    code = "import sys; from ferry.report import Report, terminal, markdown, html, record; print('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"
