"""What every builder does with folders: copy the application, tidy the dependencies."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ferry.errors import BuildFailed
from ferry.outside.builder import copy_application, install, not_installed, tidy

if TYPE_CHECKING:
    from pathlib import Path


def written(place: Path, *names: str) -> None:
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(name)


def files(place: Path) -> set[str]:
    return {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}


def test_each_folder_is_copied_under_its_own_name(tmp_path: Path) -> None:
    written(tmp_path, "src/app/main.py", "src/app/inner/x.py", "src/shared/y.py", "src/other/z.py")
    copy_application(tmp_path, ["src/app", "src/shared"], tmp_path / "out")
    assert files(tmp_path / "out") == {"app/main.py", "app/inner/x.py", "shared/y.py"}


def test_what_is_no_part_of_an_application_stays_behind(tmp_path: Path) -> None:
    written(tmp_path, "app/main.py", "app/.env", "app/x.pyc", "app/__pycache__/a.pyc", "app/requirements.lock")
    written(tmp_path, "app/.mypy_cache/x.json", "app/.git/config", "app/.venv/bin/python")
    copy_application(tmp_path, ["app"], tmp_path / "out")
    assert files(tmp_path / "out") == {"app/main.py"}


@pytest.mark.req("B-11")
def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="does not exist") as caught:
        copy_application(tmp_path, ["app"], tmp_path / "out")
    assert caught.value.where == "app"


@pytest.mark.parametrize("kind", ["a dangling link", "a pipe", "a loop"])
def test_what_cannot_be_copied_is_named(tmp_path: Path, kind: str) -> None:
    written(tmp_path, "app/main.py")
    odd = tmp_path / "app/odd"
    match kind:
        case "a dangling link":
            odd.symlink_to("nowhere")
        case "a loop":
            odd.symlink_to("odd")
        case _:
            os.mkfifo(odd)
    with pytest.raises(BuildFailed, match="could not be copied") as caught:
        copy_application(tmp_path, ["app"], tmp_path / "out")
    assert "odd" in caught.value.why


def test_a_folder_without_a_name_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "app/main.py")
    (tmp_path / "out").mkdir()
    with pytest.raises(BuildFailed, match="could not be copied") as caught:
        copy_application(tmp_path / "app", ["."], tmp_path / "out")
    assert caught.value.why == "File exists"


def test_what_says_when_and_where_it_was_installed_is_taken_out(tmp_path: Path) -> None:
    written(tmp_path, "bin/uvicorn", ".lock", "a/__init__.py", "a/__pycache__/__init__.pyc", "a-1.dist-info/METADATA")
    written(tmp_path, "a-1.dist-info/RECORD", "a/bin/kept.py", "a/b/__pycache__/x.pyc")
    tidy(tmp_path)
    assert files(tmp_path) == {"a/__init__.py", "a/bin/kept.py", "a-1.dist-info/METADATA"}


def test_exactly_the_lock_is_installed_as_wheels_for_lambdas_platform() -> None:
    said = install("/out", "/lock")
    assert {"--require-hashes", "--no-deps", "--only-binary", "--python-platform"} <= set(said)


def test_what_the_installer_said_is_in_the_error() -> None:
    error = not_installed("app.lock", "\n  error: hash mismatch\n")
    assert (error.where, error.why) == ("app.lock", "error: hash mismatch")
