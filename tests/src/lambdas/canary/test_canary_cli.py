"""`python -m canary` as people and pipelines run it: a process, its lines, its JSON and its exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from canary.question import Unusable
from tests.src.lambdas.canary import servers
from tests.src.lambdas.canary.servers import DIGEST, KEY, Good, nobody, serving

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = [pytest.mark.req("R-07"), pytest.mark.slow]
LAMBDAS = Path(__file__).parents[4] / "src/lambdas"
QUICK = ["--listen", "0.3"]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Nothing but this folder: the shared library is not to be had."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
    return kept | {"PYTHONPATH": str(LAMBDAS), "CANARY_API_KEY": KEY} | dict(more or {})


def canary(*args: str, more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "canary", *args]
    return subprocess.run(command, env=environment(more), capture_output=True, text=True, timeout=60, check=False)


def test_a_healthy_system_is_0_with_one_line_a_check() -> None:
    with serving(Good) as served:
        run = canary(served.url, served.url, "--environment", "preprod", "--digest", DIGEST, *QUICK)
    lines = run.stdout.splitlines()
    assert (run.returncode, lines[-1], run.stderr) == (0, "healthy", "")
    assert all(line.startswith(("ok   ", "     measured: ")) for line in lines[:-1])
    assert KEY not in run.stdout


def test_json_is_one_object_on_stdout() -> None:
    with serving(Good) as served:
        run = canary(served.url, "--json", *QUICK)
    said = json.loads(run.stdout)
    assert (run.returncode, said["schema"], said["verdict"]) == (0, 1, "healthy")
    assert set(said) == {"schema", "verdict", "checks", "measured", "expectations"}
    assert all(set(check) == {"name", "target", "ok", "what", "why", "seconds"} for check in said["checks"])


@pytest.mark.parametrize(
    ("server", "more", "fails"),
    [
        (servers.HealthIsAPage, [], "health"),
        (servers.Buffered, [], "spread"),
        (Good, ["--digest", "sha256:old"], "digest"),
        (Good, ["--environment", "prod"], "environment"),
        (servers.Hangs, ["--within", "1"], "health"),
    ],
)
def test_a_broken_system_is_1(server: type[Good], more: list[str], fails: str) -> None:
    with serving(server) as served:
        run = canary(served.url, "--json", *QUICK, *more)
    said = json.loads(run.stdout)
    assert (run.returncode, said["verdict"], run.stderr) == (1, "unhealthy", "")
    assert fails in {check["name"] for check in said["checks"] if check["ok"] is False}


def test_a_refused_connection_is_1_and_a_name_that_does_not_resolve_is_2() -> None:
    assert canary(nobody()).returncode == 1
    run = canary("https://canary.invalid", "--json")
    assert (run.returncode, json.loads(run.stdout)["verdict"]) == (2, "undecided")


def test_a_dashboard_alone_is_judged_by_name() -> None:
    with serving(Good) as served:
        run = canary("--dashboard", served.url, "--json")
        assert run.returncode == 0
        names = [check["name"] for check in json.loads(run.stdout)["checks"]]
    assert names == ["health", "page", "page-headers", "key", "items", "summary"]


def test_the_key_may_be_in_a_variable_of_another_name() -> None:
    with serving(Good) as served:
        run = canary(served.url, "--key-env", "OTHER", *QUICK, more={"CANARY_API_KEY": "", "OTHER": KEY})
        assert run.returncode == 0
        run = canary(served.url, more={"CANARY_API_KEY": ""})
        assert (run.returncode, run.stdout.splitlines()[-1]) == (2, "undecided")


def test_load_has_its_own_options() -> None:
    with serving(Good) as served:
        run = canary(served.url, "--streams", "5", "--seconds", "0.2", "--max-errors", "0", "--json", *QUICK)
    said = json.loads(run.stdout)
    assert run.returncode == 0
    assert said["measured"]["load_streams"] == 5
    assert said["expectations"]["max_errors"] == 0


WRONG = [
    ([], "there is no URL to ask"),
    ([""], "a URL is empty"),
    (["no address"], "must begin with http"),
    (["ftp://127.0.0.1"], "must begin with http"),
    (["http://"], "must begin with http"),
    (["http://127.0.0.1:port"], "is no URL: Invalid port"),
    (["http://127.0.0.1:99999"], "its host or its port cannot be"),
    (["http://" + "a" * 300], "its host or its port cannot be"),
    (["http://a/\n"], "is no URL"),
    (["https://user:password@host"], "no user, password"),
    (["https://host/?key=1"], "no user, password, query"),
    (["http://a", "http://b", "http://c"], "3 URLs are too many"),
    (["http://a", "http://b", "--dashboard", "http://c"], "the dashboard is named twice"),
    (["http://a", "--unknown"], "unrecognized arguments: --unknown"),
    (["http://a", "--listen", "long"], "'long' is no number"),
    (["http://a", "--listen", "nan"], "listen is nan: it must be from 0.001 to 900"),
    (["http://a", "--within", "0"], "within is 0.0: it must be"),
    (["http://a", "--max-first-event", "1e9"], "first-event is 1000000000.0: it must be from 0.001 to 900"),
    (["http://a", "--streams", "0"], "streams is 0: it must be from 1 to 5000"),
    (["http://a", "--streams", "9" * 500], "it must be from 1 to 5000"),
    (["http://a", "--streams", "1.5"], "is no whole number"),
    (["http://a", "--seconds", "5"], "say --streams too"),
    (["http://a", "--streams", "2", "--max-errors", "2"], "max-errors is 2.0"),
    (["--dashboard", "http://a", "--streams", "2"], "load is for streams"),
    (["--dashboard", "http://a", "--digest", "x"], "the digest expected is the stream service's"),
    (["http://a", "--dashboard-digest", "x"], "no dashboard is named"),
    (["http://a", "--key-env", "NOT_SET"], "the variable NOT_SET, which --key-env names, is empty"),
]


@pytest.mark.parametrize(("args", "says"), WRONG)
def test_bad_usage_is_one_line_and_2(args: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    from canary.cli import main  # noqa: PLC0415 - as the process does it

    assert main(args) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err.startswith("canary: ")) == ("", 1, True)
    assert says in err


@pytest.mark.parametrize("key", ["ключ", "two\nlines", "with space"])
def test_a_key_that_no_header_carries_is_bad_usage_and_is_not_printed(key: str) -> None:
    run = canary("http://127.0.0.1:1", more={"CANARY_API_KEY": key})
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    assert key not in run.stderr


def test_bad_usage_of_the_process_is_2_without_a_traceback() -> None:
    run = canary("--nonsense")
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)


def test_help_says_what_the_urls_and_the_exit_codes_are() -> None:
    run = canary("--help")
    assert run.returncode == 0
    assert "The first URL is the stream service's" in run.stdout
    assert "0 healthy, 1 unhealthy, 2 could not judge" in run.stdout


def test_ctrl_c_is_130_and_quiet() -> None:
    with serving(servers.StreamHangs) as served:
        command = [sys.executable, "-m", "canary", served.url]
        process = subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert served.asked_for_stream.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "")


def test_who_reads_no_further_gets_no_traceback() -> None:
    with serving(servers.HealthIsAPage) as served:
        command = [sys.executable, "-m", "canary", served.url]
        process = subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        assert (process.wait(timeout=30), err) == (1, "")


def test_the_command_line_needs_httpx_alone() -> None:
    blocked = "import sys; sys.modules |= dict.fromkeys(['boto3', 'botocore', 'aws_lambda_powertools', 'sentiment'])"
    script = f"{blocked}; from canary.cli import main; sys.exit(main(sys.argv[1:]))"
    run = subprocess.run(
        [sys.executable, "-c", script, nobody()],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stderr) == (1, "")


def test_every_way_of_asking_refuses_the_same() -> None:
    from canary.question import Question  # noqa: PLC0415

    with pytest.raises(Unusable, match="no URL to ask"):
        Question()
