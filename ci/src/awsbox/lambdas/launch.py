"""How an image's command starts on this machine: its words, its folder, its environment.

A container sees the image as its whole world; a process of ours sees it as a folder. So paths that the image means
absolutely (its working directory, PYTHONPATH, PATH, a command's own path) are looked for in the unpacked image first.
An interpreter of the image that this machine cannot run, or an image whose base was left out, gets this interpreter.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from awsbox.lambdas.functions import Function
    from awsbox.lambdas.image import Image

PYTHON = re.compile(r"python(3(\.\d+)?)?")
PATHS = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
PROBE_SECONDS = 5
# The virtual environment's packages are not the image's: what the image lacks shall be missed here as well.
INTERPRETER = str(getattr(sys, "_base_executable", sys.executable))


@dataclass(frozen=True)
class Launch:
    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str]


def launch(function: Function, image: Image, given: Mapping[str, str]) -> Launch:
    """`given` is what Lambda gives every function, and wins; then the function's own variables, then the image's."""
    own = dict(pair.split("=", 1) for pair in image.config.get("Env") or [])
    environment = {"PATH": "", **own, **function.environment, **given}
    environment |= {name: _mapped(image, environment[name]) for name in PATHS if environment.get(name)}
    environment["PATH"] = ":".join(filter(None, [environment["PATH"], os.defpath]))
    entrypoint = function.entrypoint or image.config.get("Entrypoint") or ()
    words = [*entrypoint, *(function.command or image.config.get("Cmd") or ())]
    folder = image.inside(function.workdir or image.config.get("WorkingDir") or "/")
    folder.mkdir(parents=True, exist_ok=True)  # as a container engine does
    return Launch(_command(image, words, environment), folder, environment)


def _mapped(image: Image, paths: str) -> str:
    return ":".join(str(image.inside(path)) for path in paths.split(":") if path)


def _command(image: Image, words: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    if not words:
        return []
    program, *rest = words
    return [_program(image, program, environment), *(_argument(image, word) for word in rest)]


def _argument(image: Image, word: str) -> str:
    return str(image.inside(word)) if word.startswith("/") and image.inside(word).exists() else word


def _program(image: Image, word: str, environment: Mapping[str, str]) -> str:
    name = word.rpartition("/")[2]
    if PYTHON.fullmatch(name):
        own = _on_path(image, word, environment)
        return str(own) if own and _is_our_python(own, environment) else INTERPRETER
    own = _on_path(image, word, environment)
    return str(own) if own else word


def _on_path(image: Image, word: str, environment: Mapping[str, str]) -> Path | None:
    from pathlib import Path  # noqa: PLC0415 - elsewhere it is only a type

    inside = [image.inside(word)] if "/" in word else [Path(place) / word for place in environment["PATH"].split(":")]
    return next((place for place in inside if place.is_file() and place.is_relative_to(image.root)), None)


def _is_our_python(program: Path, environment: Mapping[str, str]) -> bool:
    """It starts here, and is of the version that the image's packages were made for as far as we can tell."""
    said = f"import sys; print(sys.version_info[:2] == {sys.version_info[:2]})"
    try:
        done = subprocess.run(
            [program, "-S", "-c", said],
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.strip() == "True"
