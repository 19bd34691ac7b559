from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING

import anyio
import pytest

from ferry.errors import ToolError
from ferry.outside import processes
from tests.living import until_gone

if TYPE_CHECKING:
    from pathlib import Path

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
