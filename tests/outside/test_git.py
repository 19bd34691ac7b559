"""Against the real git, in a repository of the test's own."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from ferry.outside.git import NO_COMMIT, commit

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
WHO = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}


def git(folder: Path, *words: str) -> str:
    # Whatever the machine's own settings say, hooks and signatures among them.
    alone = {**WHO, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *words], cwd=folder, check=True, capture_output=True, text=True, env=os.environ | alone
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("1")
    (tmp_path / ".gitignore").write_text("ignored\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    return tmp_path


async def test_a_commit_and_nothing_beside_it(repository: Path) -> None:
    assert await commit(repository) == (git(repository, "rev-parse", "HEAD"), False)


@pytest.mark.parametrize("change", ["changed", "new", "staged", "removed"])
async def test_what_no_commit_holds_makes_it_dirty(repository: Path, change: str) -> None:
    if change == "removed":
        (repository / "file").unlink()
    else:
        (repository / ("new" if change == "new" else "file")).write_text("2")
    if change == "staged":
        git(repository, "add", "file")
    assert await commit(repository) == (git(repository, "rev-parse", "HEAD"), True)


async def test_what_git_ignores_does_not(repository: Path) -> None:
    (repository / "ignored").write_text("1")
    assert (await commit(repository))[1] is False


async def test_a_folder_inside_a_repository_is_of_its_commit(repository: Path) -> None:
    (repository / "inside").mkdir()
    assert await commit(repository / "inside") == (git(repository, "rev-parse", "HEAD"), False)


async def test_without_a_commit_or_a_repository_it_is_nobodys_and_dirty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A repository further up is none of this test's.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert await commit(tmp_path) == (NO_COMMIT, True)
    git(tmp_path, "init", "--quiet")
    assert await commit(tmp_path) == (NO_COMMIT, True)


async def test_a_machine_without_git_has_no_commits(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert await commit(repository) == (NO_COMMIT, True)
