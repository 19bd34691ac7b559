"""An image's command, its folder and its variables, as a process of this machine gets them."""

from __future__ import annotations

import stat
import sys
from typing import TYPE_CHECKING, Any

from awsbox.lambdas.functions import Function, Source
from awsbox.lambdas.image import Image
from awsbox.lambdas.launch import INTERPRETER, Launch, launch

if TYPE_CHECKING:
    from pathlib import Path


def started(
    root: Path, given: dict[str, str] | None = None, function: dict[str, Any] | None = None, **config: Any
) -> Launch:
    made = Function(
        account="111122223333",
        region="us-east-1",
        name="f",
        version="1",
        arn="arn",
        image=Source("111122223333", "us-east-1", "r", "sha256:0"),
        memory=128,
        timeout=3,
        log_group="g",
        **{"environment": {}} | (function or {}),
    )
    return launch(made, Image(root, config), given or {})


def program(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    place.chmod(place.stat().st_mode | stat.S_IXUSR)


def test_what_lambda_gives_wins_over_the_function_over_the_image(tmp_path: Path) -> None:
    own = ["A=image", "B=image", "C=image", "D=has=signs"]
    said = started(tmp_path, {"C": "lambda"}, {"environment": {"B": "function", "C": "function"}}, Env=own, Cmd=["x"])
    assert {name: said.environment[name] for name in "ABCD"} == {
        "A": "image",
        "B": "function",
        "C": "lambda",
        "D": "has=signs",
    }


def test_entry_point_and_command_may_be_the_function_s(tmp_path: Path) -> None:
    config: dict[str, Any] = {"Entrypoint": ["tool"], "Cmd": ["one"], "WorkingDir": "/app"}
    assert started(tmp_path, **config).command == ["tool", "one"]
    assert started(tmp_path, function={"command": ("two",)}, **config).command == ["tool", "two"]
    own = {"entrypoint": ("other",), "workdir": "/elsewhere"}
    assert started(tmp_path, function=own, **config).command == ["other", "one"]
    assert started(tmp_path, function=own, **config).folder == tmp_path / "elsewhere"


def test_paths_of_the_image_are_looked_for_in_it(tmp_path: Path) -> None:
    program(tmp_path / "app/serve", "")
    said = started(tmp_path, Env=["PATH=/app:/bin", "PYTHONPATH=/opt/p:/app"], Cmd=["serve", "/app/serve", "/etc/none"])
    assert said.command == [f"{tmp_path}/app/serve", f"{tmp_path}/app/serve", "/etc/none"]
    assert said.environment["PYTHONPATH"] == f"{tmp_path}/opt/p:{tmp_path}/app"
    assert said.environment["PATH"].startswith(f"{tmp_path}/app:{tmp_path}/bin:")


def test_python_is_the_image_s_where_it_runs_here(tmp_path: Path) -> None:
    program(tmp_path / "usr/bin/python3", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    assert started(tmp_path, Env=["PATH=/usr/bin"], Cmd=["python3", "x"]).command == [
        f"{tmp_path}/usr/bin/python3",
        "x",
    ]


def test_python_is_this_one_where_the_image_s_does_not(tmp_path: Path) -> None:
    program(tmp_path / "usr/bin/python", "of another machine")
    for word in ("python", "/usr/bin/python", "python3.13"):
        assert started(tmp_path, Env=["PATH=/usr/bin"], Cmd=[word]).command == [INTERPRETER]
