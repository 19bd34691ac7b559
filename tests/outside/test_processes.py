from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from ferry.errors import ToolError
from ferry.outside import processes
from tests.living import alive, saying, until_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.anyio


def python(code: str) -> list[str]:
    return [sys.executable, "-Sc", code]


async def cancelled_at_first_line(args: list[str], grace: float = 20) -> list[str]:
    """Cancel as soon as the program says something; what it said until it was gone."""
    lines: list[str] = []
    with anyio.CancelScope() as scope:

        def on_line(line: str) -> None:
            lines.append(line)
            scope.cancel()

        await processes.run(args, on_line=on_line, grace=grace)
    assert scope.cancelled_caught
    return lines


async def test_how_a_program_ended_is_told_whole() -> None:
    done = await processes.run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"))
    assert (done.code, done.out, done.err) == (3, "out\n", "err\n")


async def test_a_signal_is_a_negative_code() -> None:
    assert (await processes.run(["sh", "-c", "kill -9 $$"])).code == -signal.SIGKILL


async def test_lines_are_passed_on_as_they_come_and_the_last_one_too() -> None:
    lines: list[str] = []
    await processes.run(["printf", "one\\ntwo\\n\\nlast"], on_line=lines.append)
    assert lines == ["one", "two", "", "last"]


async def test_output_that_is_not_utf_8_is_kept_readable() -> None:
    done = await processes.run(["printf", "gr\\374n\\n"])
    assert done.out == "gr\ufffdn\n"


async def test_more_output_than_a_pipe_holds_stops_nobody() -> None:
    done = await processes.run(python("import sys; sys.stderr.write('e' * 300_000); sys.stdout.write('o' * 300_000)"))
    assert (len(done.out), len(done.err)) == (300_000, 300_000)


async def test_a_program_has_nothing_to_read_and_a_session_of_its_own() -> None:
    done = await processes.run(python("import os, sys; print(sys.stdin.read(), os.getsid(0) == os.getpid())"))
    assert done.out == " True\n"


async def test_the_environment_is_what_is_handed_in(tmp_path: Path) -> None:
    done = await processes.run(["/usr/bin/env"], cwd=tmp_path, env={"A": "1"})
    assert done.out == "A=1\n"


@pytest.mark.parametrize("cancel", [True, False])
async def test_what_a_program_starts_goes_with_it(*, cancel: bool) -> None:
    child = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True)"
    started = time.monotonic()
    if cancel:
        (said, *_) = await cancelled_at_first_line(python(f"{child}; import signal; signal.pause()"))
    else:
        said = (await processes.run(python(child))).out
    await until_gone(int(said))
    assert time.monotonic() - started < 10


async def test_a_cancelled_program_gets_one_sigint_and_its_time() -> None:
    saving = """
import signal, sys, time
def save(*_):
    print("x" * 500_000)  # more than a pipe holds
    print("saved", flush=True)
    sys.exit(0)
signal.signal(signal.SIGINT, save)
print("up", flush=True)
time.sleep(60)
"""
    lines = await cancelled_at_first_line(python(saving))
    assert (lines[0], lines[-1]) == ("up", "saved")


async def test_a_program_that_does_not_stop_is_killed_after_its_time() -> None:
    stubborn = "import os, signal; signal.signal(2, signal.SIG_IGN); print(os.getpid(), flush=True); signal.pause()"
    (pid,) = await cancelled_at_first_line(python(stubborn), grace=0.1)
    await until_gone(int(pid))


async def test_a_mistake_in_a_listener_ends_the_program_too() -> None:
    def broken(line: str) -> None:
        raise ValueError(line)

    with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="up")):
        await processes.run(python("print('up', flush=True); __import__('signal').pause()"), on_line=broken)


@pytest.mark.parametrize("program", ["missing", "no-program", "folder"])
async def test_a_program_that_does_not_start_is_named(tmp_path: Path, program: str) -> None:
    path = tmp_path / program
    if program == "no-program":
        path.write_bytes(b"\x7fELFnot")
        path.chmod(0o755)
    elif program == "folder":
        path.mkdir()
    with pytest.raises(ToolError, match="does not start") as caught:
        await processes.run([str(path), "--version"])
    assert caught.value.why
    assert caught.value.next


async def test_a_working_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="does not start") as caught:
        await processes.run(["true"], cwd=tmp_path / "gone")
    assert caught.value.where.endswith("gone")


def test_a_program_that_is_not_on_path_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolError, match="terraform is not on PATH") as caught:
        processes.find("terraform", next="install it")
    assert caught.value.next == "install it"


def test_what_a_program_said_is_not_printed() -> None:
    assert "planted" not in repr(processes.Done(("show",), 0, "planted", "planted"))


SAVING = """
import os, signal, sys, time
def save(*_):
    print("asked", flush=True)
    for _ in range(int(sys.argv[1])):
        time.sleep(0.1)
    print("saved", flush=True)
    sys.exit(0)
signal.signal(signal.SIGINT, save)
print("up", os.getpid(), flush=True)
while True:
    time.sleep(0.1)
"""
PARENT = """
import signal, sys
from pathlib import Path
import anyio
from ferry.outside import processes
async def main():
    processes.REPEAT_SECONDS = 1
    try:
        await processes.run(
            [sys.executable, "-Sc", {saving!r}, {tenths!r}],
            record=Path({record!r}),
            on_line=lambda line: print(line, flush=True),
            say=lambda text: print("told", text, flush=True),
        )
    finally:
        print("over", flush=True)
signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # as the command line does
anyio.run(main)
"""


class Parent:
    """A Python that runs a program which takes its time to save, as a terminal or a runner starts it."""

    def __init__(self, folder: Path, *, seconds: float) -> None:
        self.record = folder / "record"
        code = PARENT.format(saving=SAVING, tenths=str(int(seconds * 10)), record=str(self.record))
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": str(Path(processes.__file__).parents[2])},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.child = int(self.until("up").split()[1])

    def until(self, word: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(word):
                return line
        raise AssertionError(word)

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def said(self) -> str:
        return self.process.communicate(timeout=20)[0]

    @property
    def recorded(self) -> str:
        return self.record.with_suffix(".out").read_text()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[float], Parent]]:
    parents: list[Parent] = []

    def start(seconds: float) -> Parent:
        parents.append(Parent(tmp_path, seconds=seconds))
        return parents[-1]

    yield start
    for parent in parents:
        parent.process.kill()
        parent.process.communicate()
        with suppress(ProcessLookupError):
            os.kill(parent.child, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_sigterm_after_the_first_signal_cuts_nobodys_time_short(
    started: Callable[[float], Parent], first: signal.Signals
) -> None:
    parent = started(1)
    parent.send(first)
    parent.until("asked")
    parent.send(signal.SIGTERM)
    parent.send(signal.SIGTERM)
    told, *said = parent.said().splitlines()
    assert told.startswith("told python was asked to stop")
    assert said == ["saved", "over"], "a second interrupt makes terraform drop its state"


@pytest.mark.slow
def test_a_second_ctrl_c_says_what_the_next_one_does_and_that_one_does_it(
    started: Callable[[float], Parent],
) -> None:
    parent = started(60)
    parent.send(signal.SIGINT)
    parent.until("asked")
    parent.send(signal.SIGINT)
    told = parent.until("told")
    assert "was asked to stop and saves what it did" in told
    assert "Ctrl-C after 1 s kills it" in told
    parent.send(signal.SIGINT)  # a key that was held down, not another wish
    time.sleep(0.5)
    assert alive(parent.child)
    time.sleep(0.6)
    parent.send(signal.SIGINT)
    assert parent.said() == "over\n"
    assert not alive(parent.child)


@pytest.mark.slow
def test_a_program_with_a_record_outlives_us_by_what_it_needs_to_stop(started: Callable[[float], Parent]) -> None:
    parent = started(0.5)
    parent.send(signal.SIGKILL)
    parent.said()
    assert alive(parent.child)
    anyio.run(until_gone, parent.child)
    assert parent.recorded.splitlines()[1:] == ["asked", "saved"]


async def test_what_goes_through_a_record_is_told_as_it_comes_and_is_private(tmp_path: Path) -> None:
    lines: list[str] = []
    errors: list[str] = []
    code = "import sys; print('gr\\u00fcn'); print('no end', end=''); print('e', file=sys.stderr); sys.exit(3)"
    done = await processes.run(python(code), record=tmp_path / "record", on_line=lines.append, on_err=errors.append)
    assert (done.code, done.out, done.err) == (3, "grün\nno end", "e\n")
    assert (lines, errors) == (["grün", "no end"], ["e"])
    assert [(tmp_path / f"record.{stream}").stat().st_mode & 0o777 for stream in ("out", "err")] == [0o600, 0o600]


async def test_nothing_watches_over_a_program_that_is_gone(tmp_path: Path) -> None:
    done = await processes.run([*python("import os; print(os.getpid())")], record=tmp_path / "record")
    assert not [pid for pid in saying("kill -INT") if done.out.strip().encode() in watched(pid)]


def watched(watcher: int) -> list[bytes]:
    return Path(f"/proc/{watcher}/cmdline").read_bytes().split(b"\0")


async def test_signals_are_the_callers_own_again_after_a_program() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(processes.run, ["sleep", "0.2"])
        tasks.start_soon(processes.run, ["true"])
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_a_signal_that_comes_while_something_else_stops_us_is_passed_on() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        with anyio.CancelScope() as scope:

            def on_line(line: str) -> None:
                if line == "up":
                    scope.cancel()
                else:
                    assert line == "asked"
                    signal.raise_signal(signal.SIGTERM)
                    assert heard == []

            saving = SAVING.replace('"up", os.getpid()', '"up"').replace('print("saved", flush=True)', "pass")
            await processes.run([sys.executable, "-Sc", saving, "2"], on_line=on_line)
        assert heard == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)
