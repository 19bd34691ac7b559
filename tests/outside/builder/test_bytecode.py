"""The script that compiles, run as builders run it: by itself, by an interpreter."""

from __future__ import annotations

import json
import marshal
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ferry.outside.builder import BYTECODE
from ferry.outside.builder.bytecode import WITHOUT_REFERENCES

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULES = {
    "app/__init__.py": "",
    "app/main.py": "from . import names\n\ndef where():\n    return where.__code__.co_filename\n",
    "app/names.py": "ALL = {'a', 'b', None, 1}\ndef known(it):\n    return it in {'a', 'b', 'c', 'd', 'e'}\n",
    "app/things.py": "class Thing:\n    def __init__(self):\n"
    + "".join(f"        self.name_{number} = {number}.5\n" for number in range(20)),
    "single.py": "X = 'a longer text, that is no name'\ndef f(): return 'a longer text, that is no name', 10**30\n",
}


def written(place: Path, files: Mapping[str, str] = MODULES, *, turn: int = 0) -> Path:
    for name in random.Random(turn).sample([*files], len(files)):  # noqa: S311 - an order, not a secret
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(files[name])
        os.utime(place / name, (turn * 1000, turn * 1000))
    return place


def run(
    folder: Path | str, *, options: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """From a folder without modules: what it compiles is never compared with its source again."""
    command = [sys.executable, *options, str(BYTECODE), str(folder)]
    return subprocess.run(command, cwd="/proc", env=environment or {}, capture_output=True, text=True, check=False)


def compiled(folder: Path, **environment: str) -> dict[str, bytes]:
    done = run(folder, environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.pyc")}


def said(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return dict(json.loads(done.stdout))


def test_every_module_is_compiled_where_python_looks_for_it(tmp_path: Path) -> None:
    done = run(written(tmp_path / "a"))
    assert said(done) == {"compiled": 5, "skipped": []}
    found = {path.relative_to(tmp_path / "a").as_posix() for path in (tmp_path / "a").rglob("*.pyc")}
    tag = sys.implementation.cache_tag
    assert found == {
        str(Path(name).parent / "__pycache__" / f"{Path(name).stem}.{tag}.pyc").removeprefix("./") for name in MODULES
    }


def test_the_same_modules_are_the_same_bytes_wherever_and_however_they_are_compiled(tmp_path: Path) -> None:
    one = compiled(written(tmp_path / "a"))
    before = os.umask(0o077)
    try:
        other = written(tmp_path / "a longer name/b", turn=7)
        two = compiled(other, PYTHONHASHSEED="77", PYTHONOPTIMIZE="2", PYTHONNODEBUGRANGES="1", PYTHONUTF8="0")
    finally:
        os.umask(before)
    assert one == two
    assert len(one) == len(MODULES)


@pytest.mark.slow  # an interpreter each
@pytest.mark.parametrize("options", [("-O",), ("-S", "-s"), ("-X", "no_debug_ranges"), ("-I",)])
def test_how_the_interpreter_was_started_does_not_matter(tmp_path: Path, options: tuple[str, ...]) -> None:
    one = compiled(written(tmp_path / "a"))
    assert run(written(tmp_path / "b"), options=options).returncode == 0
    two = {it.relative_to(tmp_path / "b").as_posix(): it.read_bytes() for it in (tmp_path / "b").rglob("*.pyc")}
    assert one == two


def test_how_many_processors_there_are_does_not_matter(tmp_path: Path) -> None:
    many = compiled(written(tmp_path / "a"))
    here = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(here)})
    try:
        one = compiled(written(tmp_path / "b"))
    finally:
        os.sched_setaffinity(0, here)
    assert one == many


def test_who_else_uses_an_object_does_not_show() -> None:
    """By its default `marshal` marks what has more than one reference, which is nothing that a source says."""
    code = compile(MODULES["single.py"], "single.py", "exec", dont_inherit=True)
    alone = marshal.dumps(code, WITHOUT_REFERENCES)
    held = [code.co_consts, *code.co_consts, code.co_linetable]
    assert marshal.dumps(code, WITHOUT_REFERENCES) == alone
    assert held


def test_python_takes_it_without_a_look_at_the_source(tmp_path: Path) -> None:
    place = written(tmp_path / "a")
    compiled(place)
    for name in MODULES:
        (place / name).write_text("raise SystemExit('compiled again')")
    words = "import app.main, app.things, single; print(app.main.where()); print(app.names.known('a'), single.f()[1])"
    done = subprocess.run([sys.executable, "-c", words], cwd=place, env={}, capture_output=True, text=True, check=False)
    assert (done.stdout.splitlines(), done.stderr) == ([str(place / "app/main.py"), f"True {10**30}"], "")


@pytest.mark.slow  # an interpreter each
@pytest.mark.parametrize(
    "source",
    [
        "print 'two'",
        "{% template %}",
        "\x00",
        "# coding: no-such-coding",
        "(" * 300,
        "x = " + "-" * 100_000 + "1",
        "1" * 5000,
    ],
)
def test_what_is_no_module_is_left_and_counted(tmp_path: Path, source: str) -> None:
    done = run(written(tmp_path / "a", MODULES | {"app/odd.py": source}))
    assert (said(done), done.stderr) == ({"compiled": 5, "skipped": ["app/odd.py"]}, "")
    assert not [*tmp_path.rglob("odd*.pyc")]


def test_bytes_that_are_no_text_are_left_and_counted(tmp_path: Path) -> None:
    place = written(tmp_path / "a")
    (place / "latin.py").write_bytes(b"x = '\xff'")
    (place / os.fsdecode(b"odd-\xff.py")).write_text("x = 1")
    assert said(run(place)) == {"compiled": 6, "skipped": ["latin.py"]}


def test_other_peoples_warnings_are_not_ours(tmp_path: Path) -> None:
    done = run(written(tmp_path / "a", {"x.py": "'\\d'\nassert (1, 2)\n1 is 1\n"}))
    assert (done.returncode, done.stderr, said(done)["compiled"]) == (0, "", 1)


def test_a_folder_without_modules_is_fine(tmp_path: Path) -> None:
    assert said(run(tmp_path)) == {"compiled": 0, "skipped": []}


def test_what_is_a_link_to_nowhere_or_a_folder_is_no_module(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "dangling.py").symlink_to("nowhere")
    assert said(run(tmp_path)) == {"compiled": 0, "skipped": []}


@pytest.mark.parametrize("folder", ["", "/nonexistent", str(BYTECODE)])
def test_without_a_folder_it_says_how_to_call_it(folder: str) -> None:
    done = run(folder)
    assert (done.returncode, done.stderr) == (2, "usage: python bytecode.py FOLDER\n")


def test_what_cannot_be_written_ends_it_with_the_reason(tmp_path: Path) -> None:
    place = written(tmp_path / "a")
    (place / "app/__pycache__").touch()
    done = run(place)
    assert (done.returncode, done.stdout) == (1, "")
    assert "File exists" in done.stderr
    assert "Traceback" not in done.stderr
