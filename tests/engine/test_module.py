"""The module on a real Dagger engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Aws, Engine

pytestmark = pytest.mark.engine
REPOSITORY = "preprod-sse-streaming-lambda"


@pytest.mark.req("S-01", "S-02")
def test_a_clone_that_never_saw_the_sdk_lists_the_verbs_and_reads_the_configuration(engine: Engine) -> None:
    listed = engine.run("functions").stdout

    assert {"build", "plan", "deploy", "config"} <= {line.split()[0] for line in listed.splitlines() if line.strip()}
    assert json.loads(engine.call("config"))["project"] == "sentiment-analyzer"


def test_what_is_wrong_with_the_configuration_is_said_without_a_traceback(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "ferry.toml").write_text("projekt = 'x'\n")

    done = engine.run("call", f"--source={tmp_path}", "config")

    assert done.returncode == 1
    assert "ferry.toml:1: projekt: found an unknown key" in done.stderr
    assert "exit code 10 (ConfigError)" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_generated_schema_is_current(engine: Engine) -> None:
    done = engine.run("check", "schema")

    assert done.returncode == 0, done.stderr[-4000:]


def test_the_terraform_code_is_valid(engine: Engine, closed_network: list[str]) -> None:
    assert "The configuration is valid" in engine.call(*closed_network, "infrastructure")


@pytest.mark.req("P-01", "P-02", "P-03", "B-04", "B-06", "S-02")
def test_deploy_adopts_an_orphan_and_has_nothing_to_do_the_second_time(engine: Engine, aws: Aws) -> None:
    ecr = aws.access.client("ecr")
    ecr.create_repository(repositoryName=REPOSITORY)
    created = ecr.describe_repositories(repositoryNames=[REPOSITORY])["repositories"][0]["createdAt"]

    first = engine.run("call", *aws.flags, "deploy", "--env=preprod")
    second = engine.run("call", *aws.flags, "deploy", "--env=preprod")

    assert first.returncode == 0, first.stderr[-4000:]
    assert "adopt aws_ecr_repository.sse_streaming preprod-sse-streaming-lambda" in first.stderr
    assert second.returncode == 0, second.stderr[-4000:]
    assert "Plan preprod · nothing to do" in second.stderr
    assert ecr.describe_repositories(repositoryNames=[REPOSITORY])["repositories"][0]["createdAt"] == created
    assert aws.access.client("lambda").get_function(FunctionName="preprod-sse-streaming")["Code"]["ImageUri"] in {
        f"111122223333.dkr.ecr.us-east-1.amazonaws.com/{REPOSITORY}@{image['imageDigest']}"
        for image in ecr.list_images(repositoryName=REPOSITORY)["imageIds"]
    }


@pytest.mark.req("B-06")
def test_a_plan_is_looked_at_and_then_refused_because_its_release_is_not_published(
    engine: Engine, aws: Aws, tmp_path: Path
) -> None:
    aws.access.client("ecr").create_repository(repositoryName=REPOSITORY)
    page = tmp_path / "plan.html"

    engine.call(*aws.flags, "plan", "--env=preprod", "report", "export", f"--path={page}")
    refused = engine.run("call", *aws.flags, "plan", "--env=preprod", "apply")

    assert "module.sse_streaming.aws_lambda_function.this" in page.read_text()
    assert refused.returncode == 1
    assert "error: the release is not published" in refused.stderr
    assert "Traceback" not in refused.stderr
