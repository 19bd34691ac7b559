from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ferry import cli
from ferry.outside import machine
from tests.awsbox import setup, terraform
from tests.landing import harbour as harbours
from tests.landing.harbour import Ended, Harbour

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awsbox.faults import Switchboard
    from awsbox.snapshots import Snapshot
    from tests.awsbox.people import Account, Caller


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every harbour is a copy of: the files, committed, and the dependencies, which are installed once."""
    folder = tmp_path_factory.mktemp("shelf") / "small"
    harbours.stock(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", harbours.tools(folder.parent / "bin"))
        _uv(patch, folder)
        assert cli.run(["build", "--offline", "--source", str(folder)]) == 0
    for words in ("init --quiet", "add .", "-c user.name=a -c user.email=a@b commit --quiet --message=one"):
        subprocess.run(["git", *words.split()], cwd=folder, check=True)
    return folder


def _uv(patch: pytest.MonkeyPatch, folder: Path) -> None:
    for name, value in {"FIND_LINKS": folder / "wheels", "CACHE_DIR": folder.parent / "cache", "OFFLINE": 1}.items():
        patch.setenv(f"UV_{name}", str(value))


@dataclass
class Opened:
    """An account, what its admin has put into it, and who deploys there."""

    account: Account
    deployer: Caller
    content: Snapshot


@pytest.fixture(scope="session")
def opened(account: Account) -> Opened:
    if absent := terraform.absent() or ("" if machine.where() else "no /proc: who is dead here is not known at once"):
        pytest.skip(absent)
    with setup.emptied(account):
        return Opened(account, harbours.opened(account), account.box.snapshot())


@pytest.fixture
def harbour(
    opened: Opened,
    shelf: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Harbour]:
    """An account of its own, opened by an admin, where nothing was deployed yet."""
    account = opened.account
    before = account.box.snapshot()
    account.box.restore(opened.content)
    folder, temporary = tmp_path / "small", tmp_path / "tmp"
    shutil.copytree(shelf, folder)
    for variable in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "GITHUB_ACTIONS", "FERRY_DEBUG", "UV"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", opened.deployer.endpoint)
    # By a file: the variables would be the box's root, which is in this process.
    keys = f"aws_access_key_id = {opened.deployer.key}\naws_secret_access_key = {opened.deployer.secret}\n"
    (tmp_path / "credentials").write_text(f"[default]\n{keys}")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("PATH", f"{shelf.parent / 'bin'}:/usr/bin:/bin")
    _uv(monkeypatch, shelf)
    # Terraform and its provider live for a second each: what they would clean up in it is a fifth of their work.
    monkeypatch.setenv("GOGC", "400")
    try:
        yield Harbour(folder, temporary, account, opened.deployer, capsys, {opened.deployer.secret})
    finally:
        account.box.faults.clear()
        account.box.restore(before)


@dataclass
class First:
    """What came of the first deployment, which takes half a minute: that long a new queue is waited for."""

    ended: Ended
    content: Snapshot


@pytest.fixture(scope="session")
def firsts() -> list[First]:
    """One at most."""
    return []


@pytest.fixture
def first(harbour: Harbour, firsts: list[First]) -> First:
    """Deployed once, into an empty account."""
    if not firsts:
        ended = harbour.deploy()
        firsts.append(First(ended, harbour.account.box.snapshot()))
    harbour.account.box.restore(firsts[0].content)
    return firsts[0]


@pytest.fixture
def standing(harbour: Harbour, first: First) -> Harbour:
    """The same; and there is something in all that can hold something."""
    assert first.ended.code == 0, first.ended.err
    harbour.fill()
    return harbour


@pytest.fixture
def faults(harbour: Harbour) -> Switchboard:
    return harbour.account.box.faults


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each deploys."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
