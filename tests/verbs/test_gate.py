"""`ferry gate`, as a job calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ferry import cli
from tests.gate.worlds import persons_pull, pull, security_pull, sha, world
from tests.outside.github.small_github import NAME, OWNER, PLACE, Repo, persons, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gate.worlds import Data

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Repo]:
    with serving() as github:
        monkeypatch.setenv("GITHUB_API_URL", github.url)
        monkeypatch.setenv("GITHUB_REPOSITORY", f"{OWNER}/{NAME}")
        monkeypatch.setenv("GITHUB_TOKEN", "planted")
        yield Repo(github)


def gate(repo: Repo, *more: str) -> int:
    line = ["--from", sha("deployed"), "--to", repo.tip, "--env", "prod", "--source", str(ROOT)]
    return cli.run(["gate", *line, *more])


@pytest.mark.req("R-03")
def test_a_person_has_to_agree(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.merge(8, persons("src/stream.py"))
    assert gate(repo) == 4
    assert capsys.readouterr().out.splitlines() == [
        "prod: a person has to agree (T2: a person's change: automatic in the first stage, a person after it)",
        "  T2  #8: opener: a person's change",
    ]


@pytest.mark.req("R-03")
def test_a_refusal_says_why(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.merge(8, persons("src/stream.py"))
    repo.github.answers[f"{PLACE}/environments/prod"]["protection_rules"] = []
    assert gate(repo) == 3
    assert "  X  prod: rules: nobody has to review" in capsys.readouterr().out


@pytest.mark.req("R-03")
def test_what_it_prints_is_enough_to_decide_once_more(
    repo: Repo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.merge(8, persons("src/stream.py"))
    assert gate(repo, "--json") == 4
    said = capsys.readouterr().out
    assert json.loads(said)["tier"] == "T2"
    (tmp_path / "facts.json").write_text(said)
    repo.github.asked.clear()
    assert cli.run(["gate", "explain", str(tmp_path / "facts.json"), "--json"]) == 4
    assert capsys.readouterr().out == said
    assert repo.github.asked == []


@pytest.mark.req("R-03")
@pytest.mark.parametrize(
    ("facts", "code"),
    [
        pytest.param(world(security_pull()), 0, id="automatic"),
        pytest.param(world(pull()), 4, id="a person"),
        pytest.param(world(persons_pull(), reachable=False), 3, id="refused"),
        pytest.param({}, 3, id="nothing known"),
    ],
)
def test_facts_alone_are_enough(facts: Data, code: int, tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    assert cli.run(["gate", "explain", str(tmp_path / "facts.json")]) == code


@pytest.mark.parametrize("text", [None, "", "[]", "{", "\xff", "[" * 100_000])
def test_what_are_no_facts_is_told(text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if text is not None:
        (tmp_path / "facts.json").write_bytes(text.encode("latin-1"))
    assert cli.run(["gate", "explain", str(tmp_path / "facts.json")]) == 11
    assert "these are no facts to decide by" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (["--to", sha("tip"), "--env", "prod"], "nothing says what the environment runs now"),
        (["--from", "main", "--to", sha("tip"), "--env", "prod"], "--from is no commit"),
        (["--from", sha("deployed"), "--to", "main", "--env", "prod"], "--to is no commit"),
        (["--from", sha("deployed"), "--to", sha("tip"), "--env", "prd"], "did you mean 'prod'?"),
        (["--from", "", "--to", sha("tip"), "--env", "prod", "--repository", "acme"], "which repository it is"),
    ],
)
def test_what_is_mistyped_is_told(line: list[str], what: str, repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["gate", *line, "--source", str(ROOT)]) == 64
    assert what in capsys.readouterr().err
    assert repo.github.asked == []


def test_without_a_token_nothing_is_asked(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GITHUB_TOKEN")
    assert gate(repo) == 64
    assert "GITHUB_TOKEN is not set" in capsys.readouterr().err
    assert repo.github.asked == []


def test_the_gate_alone_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["gate"]) == 64
    assert capsys.readouterr().out.startswith("Usage: ferry gate [OPTIONS] COMMAND")
