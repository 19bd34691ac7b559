from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests import conftest

if TYPE_CHECKING:
    from pathlib import Path

EXPECTED = {"P": 9, "B": 13, "R": 13, "S": 2}
"""How many lines each chapter has. Ids are for life: a line that is given up keeps its number."""

REQUIREMENTS = """\
| id | what must hold |
|---|---|
| P-01 | Orphans are adopted. |
| P-02 | Applies end well. |
| B-01 | Images are built. |
| R-01 | Merges go on to prod. |
"""
TESTS = """\
import pytest

@pytest.mark.req("P-01", "B-01")
def test_adopts(): pass

@pytest.mark.req("P-01")
def test_adopts_more(): assert False

@pytest.mark.req("P-02")
def test_cannot_be_tried_here(): pytest.skip("no engine")

@pytest.mark.req("B-01")
def test_breaks_when_it_is_over(broken): pass

@pytest.fixture
def broken():
    yield
    raise OSError
"""


def test_every_line_is_there_and_no_other() -> None:
    ids = [f"{chapter}-{number:02}" for chapter, count in EXPECTED.items() for number in range(1, count + 1)]
    assert list(conftest.requirements()) == ids


def test_every_line_says_something() -> None:
    assert [id for id, text in conftest.requirements().items() if len(text) < 20] == []


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A repository of four requirements, with our conftest.py."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/requirements.md").write_text(REQUIREMENTS)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nmarkers =\n    req(id, ...): proves\naddopts = -p no:cacheprovider\n"
    )
    shutil.copy(conftest.__file__, tmp_path / "tests/conftest.py")
    return tmp_path


def run(suite: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", *arguments]
    quick = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=suite, env=quick, capture_output=True, text=True, check=False)


@pytest.mark.slow  # a run of pytest
def test_the_report_says_who_proves_what(suite: Path) -> None:
    ended = run(suite, "--req-report")
    assert ended.returncode == 1
    lines = ended.stdout.partition(" requirements ")[2].splitlines()[1:13]
    assert lines == [
        "P-01 Orphans are adopted.",
        "    passed: tests/test_it.py::test_adopts",
        "    failed: tests/test_it.py::test_adopts_more",
        "P-02 Applies end well.",
        "    skipped: tests/test_it.py::test_cannot_be_tried_here",
        "B-01 Images are built.",
        "    passed: tests/test_it.py::test_adopts",
        "    failed: tests/test_it.py::test_breaks_when_it_is_over",
        "R-01 Merges go on to prod.",
        "    no test yet",
        *lines[10:],
    ]


@pytest.mark.slow  # a run of pytest
def test_what_was_left_out_proves_nothing(suite: Path) -> None:
    ended = run(suite, "--req-report", "-k", "more")
    assert "    not run: tests/test_it.py::test_adopts\n" in ended.stdout


@pytest.mark.slow  # a run of pytest
def test_the_report_is_asked_for(suite: Path) -> None:
    assert "Orphans are adopted" not in run(suite).stdout


@pytest.mark.slow  # a run of pytest
def test_an_unknown_id_stops_the_run(suite: Path) -> None:
    text = TESTS.replace('"P-02"', '"P-99"')
    (suite / "tests/test_it.py").write_text(text)
    ended = run(suite)
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert "docs/requirements.md has no line P-99: see tests/test_it.py::test_cannot_be_tried_here" in ended.stderr
