from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer

from ferry import cli
from ferry.errors import FerryError, TerraformFailed
from ferry.rehearsal import story
from ferry.report import Report, record

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
FERRY_TOML = ROOT / "ferry.toml"
BROKEN = ROOT / "tests/broken_configs/artifact_kind_mistyped.toml"
FERRY = Path(sys.executable).with_name("ferry")


def commands() -> dict[str, Any]:
    """Each command line that there is, to the command behind it."""

    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield name, command
        for inner in getattr(command, "commands", {}).values():
            yield from below(f"{name} {inner.name}", inner)

    return dict(below("ferry", typer.main.get_command(cli.app)))


ALL = commands()
LEAVES = [name for name, command in ALL.items() if not hasattr(command, "commands")]


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the terminal, and the runner that these tests are run by, would change."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "FERRY_DEBUG", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


# Help.


def test_ferry_alone_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    """And does not look like something that was done: a script may have lost its command."""
    assert cli.run([]) == 64
    out, err = capsys.readouterr()
    assert out.startswith("Usage: ferry [OPTIONS] COMMAND")
    assert err == ""


def test_a_group_alone_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["config"]) == 64
    assert capsys.readouterr().out.startswith("Usage: ferry config [OPTIONS] COMMAND")


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("name", ALL)
def test_help_is_asked_for(name: str, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*name.split()[1:], flag]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"Usage: {name} ")
    assert err == ""


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("name", ALL)
def test_help_fits(
    name: str, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    cli.run([*name.split()[1:], "--help"])
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if len(line) > min(columns, cli.WIDEST_HELP)] == []
    assert "\x1b" not in out


@pytest.mark.parametrize("name", LEAVES)
def test_help_says_how_it_can_end(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.run([*name.split()[1:], "--help"])
    said = capsys.readouterr().out.partition("Exit codes:\n")[2]
    codes = [int(code) for code in re.findall(r"^  (\d+) ", said, re.MULTILINE)]
    assert codes == sorted(set(codes))
    assert {0, 64, 70, 130} <= set(codes)
    known = {failure.__name__: failure.exit_code for failure in FerryError.__subclasses__()}
    assert {(name, int(code)) for code, name in re.findall(r"^  (\d+) +(\w+):", said, re.MULTILINE)} <= set(
        known.items()
    )


def test_a_rehearsal_ends_in_no_other_way() -> None:
    """What the code behind it raises, but for what it has no use for: credentials, other runs, and who has to agree."""
    ferry = ROOT / "ci/src/ferry"
    behind = [path for room in ("verbs", "outside", "rehearsal") for path in (ferry / room).rglob("*.py")]
    text = "".join(path.read_text() for path in [ferry / "tfplan.py", *behind] if path.name != "dagger.py")
    raised = {it.__name__ for it in FerryError.__subclasses__() if re.search(rf"\b{it.__name__}\(", text)}
    assert raised - {"Busy", "CredentialsError", "NotAgreed", "NotReady"} <= set(
        re.findall(r"\t(\w+):", ALL["ferry rehearse"].epilog)
    )


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_answers_programs_too(name: str) -> None:
    assert "--json" in {option for parameter in ALL[name].params for option in parameter.opts}


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"ferry {version('ferry')}\n"


# What is mistyped.


@pytest.mark.parametrize(
    ("line", "what", "next"),
    [
        ("confg", "No such command 'confg'. Did you mean 'config'?", "ferry --help"),
        ("config chek", "Did you mean 'check'", "ferry config --help"),
        ("config check --jsn", "(Possible options: --json)", "ferry config check --help"),
        ("rehearse --envv=prod", "(Possible options: --env)", "ferry rehearse --help"),
        ("config check one two", "unexpected extra argument(s) (two)", "ferry config check --help"),
        ("rehearse --env", "requires an argument", "ferry --help"),
        ("rehearse --env=prd", "there is no environment 'prd'; did you mean 'prod'?", "name one of: preprod, prod"),
        ("build --env=prd", "there is no environment 'prd'; did you mean 'prod'?", "name one of: preprod, prod"),
        ("publish --env=prd", "there is no environment 'prd'; did you mean 'prod'?", "name one of: preprod, prod"),
        ("publish", "Missing option '--env'", "ferry publish --help"),
        ("lock --chek", "(Possible options: --check, --help)", "ferry lock --help"),
        (
            "lock --mirror=nonsense",
            "the mirror is not the address of a registry",
            "name one such as http://127.0.0.1:5000",
        ),
    ],
)
def test_a_usage_error_suggests(line: str, what: str, next: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(line.split()) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert what in err
    assert f"  next: {next}\n" in err
    assert "exit code 64 (UsageError)" in err


def test_a_usage_error_is_json_where_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["config", "chek", "--json"]) == 64
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["class"] == "UsageError"
    assert err.startswith("error: No such command")


# config check, config schema.


def test_a_sound_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["config", "check", str(FERRY_TOML)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{FERRY_TOML} is valid: sentiment-analyzer\n")
    assert err == ""


def test_a_sound_configuration_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["config", "check", str(FERRY_TOML), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "file": str(FERRY_TOML),
        "project": "sentiment-analyzer",
        "artifacts": ["sse-streaming", "ingestion", "analysis", "dashboard", "canary"],
        "environments": ["preprod", "prod"],
    }
    assert err == ""


def test_every_mistake_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["config", "check", str(BROKEN)]) == 10
    out, err = capsys.readouterr()
    assert out == ""
    assert "artifact_kind_mistyped.toml:15: artifacts.page.kind" in err
    assert "artifact_kind_mistyped.toml:16: artifacts.page.repository" in err


def test_every_mistake_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["config", "check", "--json", str(BROKEN)]) == 10
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    assert (error["class"], error["exit_code"]) == ("ConfigError", 10)
    assert [mistake["line"] for mistake in error["mistakes"]] == [15, 16]
    assert err.startswith("error: ")


def test_the_schema_is_the_one_that_editors_get(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["config", "schema"]) == 0
    assert capsys.readouterr().out == (ROOT / "docs/reference/ferry.schema.json").read_text()


# rehearse: what it tells and writes; the rehearsal itself is another test's.


@contextmanager
def rehearsal(monkeypatch: pytest.MonkeyPatch, ends: Exception | None = None) -> Iterator[None]:
    async def play(_: object, environment: str, source: Path, report: Report) -> None:
        assert source.is_absolute()
        with report.step("build", f"Build for {environment}"):
            if ends:
                raise ends

    with monkeypatch.context() as patch:
        patch.setattr(story, "rehearse", play)
        yield


@pytest.fixture
def system(tmp_path: Path) -> Path:
    (tmp_path / "ferry.toml").write_text(FERRY_TOML.read_text())
    return tmp_path


def test_a_rehearsal_is_written_down(
    system: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with rehearsal(monkeypatch):
        assert cli.run(["rehearse", "--source", str(system)]) == 0
    out, err = capsys.readouterr()
    page = system / ".ferry/rehearsal.html"
    assert out == f"rehearsed preprod: every step is done\n{page}\n"
    assert "→ Build for preprod" in err
    assert "Rehearsal of preprod" in page.read_text()
    assert len(record.read(system / ".ferry/rehearsal.json")) == 2


def test_git_sees_nothing_of_it(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with rehearsal(monkeypatch):
        cli.run(["rehearse", "--source", str(system)])
    assert (system / ".ferry/.gitignore").read_text() == "*\n"


def test_a_rehearsal_that_fails_is_written_down_too(
    system: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with rehearsal(monkeypatch, TerraformFailed("no such resource", where="main.tf:3")):
        assert cli.run(["rehearse", "--source", str(system), "--env", "prod"]) == 30
    out, err = capsys.readouterr()
    assert out == f"{system}/.ferry/rehearsal.html\n"
    assert err.count("error: no such resource") == 1
    assert "no such resource" in (system / ".ferry/rehearsal.html").read_text()
    assert "no such resource" in (system / ".ferry/rehearsal.json").read_text()


def test_a_rehearsal_as_json_is_its_record(
    system: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with rehearsal(monkeypatch):
        assert cli.run(["rehearse", "--source", str(system), "--json"]) == 0
    assert capsys.readouterr().out == (system / ".ferry/rehearsal.json").read_text()


def test_a_rehearsal_that_fails_as_json_is_its_error(
    system: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with rehearsal(monkeypatch, TerraformFailed("no such resource")):
        assert cli.run(["rehearse", "--source", str(system), "--json"]) == 30
    assert json.loads(capsys.readouterr().out)["error"]["what"] == "no such resource"


def test_a_rehearsal_fills_the_summary_on_github(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = system / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    with rehearsal(monkeypatch):
        cli.run(["rehearse", "--source", str(system)])
    assert "Rehearsal of preprod" in summary.read_text()


def test_where_nothing_can_be_written_the_rehearsal_goes_on(
    system: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (system / ".ferry").write_text("a file is in the way")
    with rehearsal(monkeypatch):
        assert cli.run(["rehearse", "--source", str(system)]) == 0
    out, err = capsys.readouterr()
    assert out == "rehearsed preprod: every step is done\n"
    assert "is not complete, the run goes on" in err


@pytest.mark.parametrize(
    "line", ["rehearse", "build", "build --explain", "publish --env=preprod", "lock", "lock --check", "generate"]
)
def test_nothing_is_left_where_no_system_is(line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "nowhere"):
        assert cli.run([*line.split(), "--source", str(folder)]) == 10
        assert "ferry.toml:1: the file: found a file that cannot be read" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


# What goes wrong.


def test_a_mistake_of_ours_is_told_apart(
    system: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with rehearsal(monkeypatch, ZeroDivisionError("division by zero")):
        assert cli.run(["rehearse", "--source", str(system)]) == 70
    err = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero" in err
    assert "FERRY_DEBUG=1" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("ends", [ZeroDivisionError("division by zero"), TerraformFailed("no such resource")])
def test_a_traceback_is_asked_for(
    ends: Exception, system: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FERRY_DEBUG", "1")
    with rehearsal(monkeypatch, ends):
        cli.run(["rehearse", "--source", str(system)])
    assert capsys.readouterr().err.count("Traceback (most recent call last)") == 1


# As a program of its own.


def ferry(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([FERRY, *arguments], cwd=ROOT, text=True, check=False, stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_reader_that_has_enough_is_no_failure(buffered: str) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as pipe:
        ended = ferry("config", "schema", stdout=pipe, env={**os.environ, "PYTHONUNBUFFERED": buffered})
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("line", ["config schema", "--help", "config check --json"])
def test_output_that_cannot_be_written_is_one_clear_error(line: str) -> None:
    with Path("/dev/full").open("w") as full:
        ended = ferry(*line.split(), stdout=full)
    assert ended.returncode == 74
    assert ended.stderr.splitlines() == [
        "error: the result could not be written",
        "  where: stdout",
        "  why: No space left on device",
        "  next: send it somewhere else",
        "  exit code 74 (OutputLost)",
    ]


def test_what_failed_first_is_told_where_output_is_lost_too() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as pipe:
        ended = ferry("config", "check", str(BROKEN), "--json", stdout=pipe)
    assert ended.returncode == 10
    assert "2 mistakes" in ended.stderr


def test_a_file_name_may_be_no_text(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/\xff.toml"
    Path(os.fsdecode(odd)).write_text(FERRY_TOML.read_text())
    ended = subprocess.run([FERRY, b"config", b"check", odd], cwd=ROOT, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.slow  # starts a rehearsal
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stopping_it_leaves_a_report_and_no_process(stop: signal.Signals, system: Path) -> None:
    """Stopped as soon as the box stands."""
    command: list[str | Path] = [FERRY, "rehearse", "--source", str(system)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert process.stdout
        for line in process.stderr:
            if line.startswith("✓ Start AWS in a box"):
                process.send_signal(stop)
                break
        rest = process.stderr.read()
        assert process.stdout.read() == f"{system}/.ferry/rehearsal.html\n"
    assert process.returncode == 130
    assert "error: stopped before it was finished" in rest
    assert "Traceback" not in rest
    assert "stopped before it was finished" in (system / ".ferry/rehearsal.html").read_text()


@pytest.mark.slow  # starts a rehearsal
def test_without_its_tools_a_rehearsal_says_which(system: Path) -> None:
    for root in ("terraform", "bootstrap"):
        (system / "infrastructure" / root).mkdir(parents=True)
    ended = ferry("rehearse", "--source", str(system), stdout=subprocess.PIPE, env={**os.environ, "PATH": "/nowhere"})
    assert ended.returncode == 12
    assert "error: terraform is not on PATH" in ended.stderr
    assert ended.stdout == f"{system}/.ferry/rehearsal.html\n"
