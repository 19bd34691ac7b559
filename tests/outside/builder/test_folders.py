"""What every builder does with folders: copy the application, tidy the dependencies, and say what went wrong."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ferry.errors import BuildFailed
from ferry.outside.builder import copy_application, install, not_compiled, not_installed, refuse_missing, tidy

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
    written(tmp_path, "app/.mypy_cache/x.json", "app/.git/config", "app/.venv/bin/python", "app/in/requirements.in")
    written(tmp_path, "app/tests/__pycache__/x.py", "app/in/__pycache__/deep/y.pyc", "app/tests/test.pyc")
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


def test_what_says_when_where_and_by_whom_it_was_installed_is_taken_out(tmp_path: Path) -> None:
    written(tmp_path, "bin/uvicorn", ".lock", "a/__init__.py", "a/__pycache__/__init__.pyc", "a-1.dist-info/METADATA")
    written(tmp_path, *(f"a-1.dist-info/{it}" for it in ("RECORD", "INSTALLER", "REQUESTED", "uv_cache.json")))
    written(tmp_path, "a/bin/kept.py", "a/b/__pycache__/__pycache__/x.pyc", "a/c/__pycache__")
    tidy(tmp_path)
    assert files(tmp_path) == {"a/__init__.py", "a/bin/kept.py", "a-1.dist-info/METADATA"}
    assert not [*tmp_path.rglob("__pycache__")]


def test_exactly_the_lock_is_installed_as_wheels_for_lambdas_platform() -> None:
    said = install("/out", "/lock")
    assert {"--require-hashes", "--no-deps", "--only-binary", "--python-platform"} <= set(said)


@pytest.mark.req("B-11")
@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("cause: failed to copy file from a to b: No space left on device (os error 28)", "there is no room"),
        ("error: Failed to download `idna`\n  cause: Hash mismatch for `idna==3.10`", "not the one that was locked"),
        ("error: Request failed\n  cause: HTTP status client error (407 Proxy Auth", "does not let us in"),
        ("error: Request failed\n  cause: dns error\n  cause: Name or service not known", "cannot be reached"),
        ("error: Failed to fetch: http://i/\n  cause: operation timed out", "cannot be reached"),
        ("error: something uv never said before", "uv refused"),
    ],
)
def test_what_the_installer_said_becomes_a_reason(said: str, what: str) -> None:
    """Those that cannot be provoked without a machine of one's own; see test_host for the others."""
    error = not_installed("app.lock", said)
    assert error.what.startswith("the dependencies could not be installed: ")
    assert what in error.what
    assert (error.where, error.why, bool(error.next)) == ("app.lock", said, True)


def test_an_error_has_the_last_lines_of_what_was_said() -> None:
    said = "\n".join(f"line {number}" for number in range(100)) + "\n\n"
    for error in (not_installed("app.lock", said), not_compiled("app", said)):
        assert error.why.splitlines() == [f"line {number}" for number in range(88, 100)]


@pytest.mark.parametrize("path", ["app", "app/main.py", "app/*.py", "**/*.py", "ap[p]", "./app", "app/"])
def test_what_an_artifact_is_made_from_may_be_a_file_a_folder_or_a_glob(tmp_path: Path, path: str) -> None:
    written(tmp_path, "app/main.py")
    refuse_missing(tmp_path, [path])


@pytest.mark.req("B-11")
@pytest.mark.parametrize("path", ["gone", "app/*.txt", "", ".", "/", "/etc", "..", "../*", "app/../app", "a\x00b"])
def test_what_is_not_in_the_repository_is_named(tmp_path: Path, path: str) -> None:
    written(tmp_path, "app/main.py")
    with pytest.raises(BuildFailed, match="not in the repository") as caught:
        refuse_missing(tmp_path, ["app", path, "another"])
    assert caught.value.where == f"{path}, another"
