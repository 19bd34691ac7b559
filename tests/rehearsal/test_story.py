"""`ferry rehearse` as its users start it, to the end and not to the end; nothing of it stays behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.living import saying

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FERRY = Path(sys.executable).with_name("ferry")
TERRAFORM = f"""#!{sys.executable} -S
import os, signal, subprocess, sys

own = os.path.dirname(__file__)
path = os.environ["PATH"].replace(own + os.pathsep, "")
process = subprocess.Popen(["terraform", *sys.argv[1:]], env=os.environ | {{"PATH": path}})
signal.signal(signal.SIGINT, lambda *_: process.send_signal(signal.SIGINT))
code = process.wait()
with open(own + "/ended", "a") as ended:
    print(sys.argv[1], code, file=ended)
sys.exit(code)
"""
"""Terraform, whose end somebody writes down."""


class Place:
    """What a rehearsal reads, in a folder that it may write its report to, and a temporary folder of its own.

    Of the system it is the stream alone: tests/system rehearses all of it, and these are about the rehearsal.

    What is in that folder afterwards, or runs with its name in the environment, was left behind.
    """

    def __init__(self, place: Path) -> None:
        self.source, self.temporary, self.programs = (place / name for name in ("source", "tmp", "bin"))
        for folder in (self.source, self.temporary, self.programs):
            folder.mkdir()
        tables = (ROOT / "ferry.toml").read_text().split("\n\n")
        kept = [table for table in tables if "[canary]" not in table and 'kind = "zip"' not in table]
        (self.source / "ferry.toml").write_text("\n\n".join(kept))
        for name in ("infrastructure", "src"):
            shutil.copytree(ROOT / name, self.source / name)
        self.path = os.pathsep.join((str(self.programs), str(ROOT / ".tools/uv/bin"), os.environ["PATH"]))

    @contextmanager
    def rehearsing(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [FERRY, "rehearse", "--json", "--source", self.source, *arguments],
            env={**os.environ, "TMPDIR": str(self.temporary), "PATH": self.path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
            assert saying(str(self.temporary)) == set()
            assert [left.name for left in self.temporary.iterdir()] == []
        finally:
            process.kill()
            process.communicate()

    def failed(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code, and the error as a program reads it; a person reads it once."""
        with self.rehearsing(*arguments) as process:
            out, err = process.communicate(timeout=300)
        return process.returncode, _error(out, err)


def _error(out: str, err: str) -> dict[str, Any]:
    assert "Traceback" not in out + err
    assert err.count("error: ") == 1
    return dict(json.loads(out)["error"])


def _events(record: str, kind: str) -> list[dict[str, Any]]:
    return [event for event in json.loads(record)["events"] if event["event"] == kind]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.slow
@pytest.mark.req("P-01", "P-02")
def test_one_release_gets_to_preprod_past_an_orphan(place: Place) -> None:
    with place.rehearsing() as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    findings = [event["finding"] for event in _events(out, "found")]
    adopted = {finding["address"]: finding["verdict"] for finding in findings if finding["guard"] == "adoption"}
    # Publishing makes it without tags.
    assert adopted["aws_ecr_repository.sse_streaming"] == "changed-in-place"


@pytest.mark.slow
def test_an_interrupt_in_the_apply_lets_terraform_end_and_leaves_nothing(place: Place) -> None:
    terraform = place.programs / "terraform"
    terraform.write_text(TERRAFORM)
    terraform.chmod(0o755)
    with place.rehearsing() as process:
        assert process.stderr
        seen = next(
            line for line in process.stderr if "module.sse_streaming.aws_lambda_function.this: creating" in line
        )
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert "apply preprod" in seen
    assert process.returncode == 130
    assert _error(out, err)["class"] == "Interrupted"
    # Killed it would have no end that it could tell, or a negative one.
    assert (place.programs / "ended").read_text().splitlines()[-1] == "apply 1"


def test_an_environment_that_does_not_exist_is_named_with_those_that_do(place: Place) -> None:
    code, error = place.failed("--env", "preprd")
    assert (code, error["class"]) == (64, "UsageError")
    assert "did you mean 'preprod'" in error["what"]
    assert "preprod, prod" in error["next"]


def test_a_folder_without_ferry_toml_is_named(place: Place) -> None:
    (place.source / "ferry.toml").unlink()
    code, error = place.failed()
    assert (code, error["class"]) == (10, "ConfigError")
    assert str(place.source / "ferry.toml") in error["where"]


@pytest.mark.slow  # a whole `ferry rehearse`; tests/outside/terraform has the same error
@pytest.mark.req("B-11")
def test_a_machine_without_terraform_is_told_what_to_do(place: Place) -> None:
    place.path = str(ROOT / ".tools/uv/bin")
    code, error = place.failed()
    assert (code, error["class"], error["what"]) == (12, "ToolError", "terraform is not on PATH")
    assert "install terraform 1.11 or newer" in error["next"]


@pytest.mark.slow
def test_a_terraform_root_that_is_broken_is_shown_with_its_line(place: Place) -> None:
    (place.source / "infrastructure/terraform/broken.tf").write_text("resource broken {\n")
    code, error = place.failed()
    assert (code, error["class"]) == (30, "TerraformFailed")
    assert error["why"].startswith("broken.tf:1: ")


@pytest.mark.slow
def test_an_orphan_that_the_configuration_would_destroy_is_not_touched(place: Place) -> None:
    registry = place.source / "infrastructure/terraform/registry.tf"
    encrypted = 'encryption_configuration {\n encryption_type = "KMS"\n}\nimage_scanning'
    registry.write_text(registry.read_text().replace("image_scanning", encrypted, 1))
    code, error = place.failed()
    assert (code, error["class"], error["where"]) == (3, "Blocked", "aws_ecr_repository.sse_streaming")
    assert "destroy it and make it again" in error["why"]
