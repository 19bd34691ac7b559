"""`ferry guard` over plans of other projects, with and without a ferry.toml around."""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path

import pytest

from ferry.cli import run
from ferry.verbs import guard as guarding
from tests.verbs.fakes import CONFIG, PREPROD

PLANS = Path(__file__).parents[1] / "guards/plans"
DEPLOYER = "arn:aws:iam::123456789012:role/deployer"
TOML = """
project = "lighthouse"
region = "eu-north-1"
infrastructure = { root = "terraform" }
environments.north.account = "333344445555"
environments.north.deployer = "arn:aws:iam::333344445555:role/deployer"
environments.north.state.bucket = "lighthouse-state"
environments.north.variables = "north.tfvars"
"""


def said(capfd: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict[str, object]]:
    code = run(["guard", *args, "--json"])
    return code, json.loads(capfd.readouterr().out)


@pytest.mark.parametrize(
    ("plan", "code", "guards"),
    [
        ("lighthouse-adopts", 0, set()),
        ("lighthouse-wrong-state", 3, {"stateful"}),
        ("harbour-careless", 3, {"stateful", "principals", "images", "lockout"}),
    ],
)
def test_a_plan_of_another_project_is_judged_with_nothing_around(
    plan: str, code: int, guards: set[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ended, told = said(capfd, str(PLANS / f"{plan}.json"), "--as", DEPLOYER, "--source", str(tmp_path))
    findings = told["findings"]
    assert isinstance(findings, list)
    assert ended == code
    assert {one["guard"] for one in findings if one["severity"] == "block"} >= guards
    assert all({"guard", "severity", "verdict", "address", "what"} <= one.keys() for one in findings)


def test_what_stops_it_comes_first_and_is_counted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["guard", str(PLANS / "lighthouse-wrong-state.json"), "--source", str(tmp_path)]) == 3
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith("✗ stateful:")
    assert lines[-1].endswith("findings stop it")


def test_what_ferry_toml_allows_passes_and_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    args = (str(PLANS / "lighthouse-wrong-state.json"), "--source", str(tmp_path), "--env", "north")
    (tmp_path / "ferry.toml").write_text(TOML)
    _, before = said(capfd, *args)
    stops = [one for one in before["findings"] if one["severity"] == "block"]  # type: ignore[attr-defined]
    allow = "".join(
        f"[[allow]]\nguard = {json.dumps(one['guard'])}\naddress = {json.dumps(one['address'])}\n"
        'reason = "we are moving house, see #12"\nuntil = 2999-12-31\n'
        for one in {(one["guard"], one["address"]): one for one in stops}.values()
    )
    (tmp_path / "ferry.toml").write_text(TOML + allow)
    code, after = said(capfd, *args)
    allowed = [one for one in after["findings"] if one["verdict"] == "allowed"]  # type: ignore[attr-defined]
    assert (code, len(allowed)) == (0, len(stops))
    assert all("moving house" in one["why"] for one in allowed)


def test_the_repository_that_images_are_only_built_from_is_known_to_be_a_cache() -> None:
    assert guarding.context(CONFIG, PREPROD).caches == ("preprod-app-cache",)


def test_an_expired_allowance_stops_it_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lamp = 'guard = "stateful"\naddress = "aws_dynamodb_table.lamp"\n'
    (tmp_path / "ferry.toml").write_text(f'{TOML}[[allow]]\n{lamp}reason = "it was right then"\nuntil = 2020-01-01\n')
    code, told = said(capfd, str(PLANS / "lighthouse-wrong-state.json"), "--source", str(tmp_path), "--env", "north")
    assert code == 3
    assert "it was allowed until 2020-01-01" in json.dumps(told)


@pytest.mark.parametrize(
    ("args", "code", "what"),
    [
        (("absent.json",), 11, "the plan cannot be read"),
        (("ferry.toml",), 11, "not the JSON of a terraform plan"),
        (("plan.json", "--as", "me"), 64, "not the ARN"),
        (("plan.json", "--identity-policy", "ferry.toml"), 64, "not an IAM policy"),
        (("plan.json", "--identity-policy", "absent.json"), 64, "not an IAM policy"),
        (("plan.json", "--env", "south"), 64, "no environment"),
    ],
)
def test_bad_input_is_one_error(
    args: tuple[str, ...], code: int, what: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ferry.toml").write_text(TOML)
    (tmp_path / "plan.json").write_text((PLANS / "lighthouse-adopts.json").read_text())
    extra = () if "--env" in args else ("--source", str(tmp_path / "elsewhere"))
    with chdir(tmp_path):
        assert run(["guard", *args, *extra]) == code
    assert what in capfd.readouterr().err
