from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ferry import cli
from ferry.outside.registry import Registry
from ferry.outside.registry.external import Externals
from tests.awsbox.people import allow
from tests.outside.registry.local_registry import serving
from tests.publishing import shop as shops
from tests.publishing.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awsbox.faults import Switchboard
    from tests.awsbox.people import Account
    from tests.outside.registry.local_registry import LocalRegistry


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every shop is a copy of: the files, committed, and the dependencies, which are installed once."""
    folder = tmp_path_factory.mktemp("shelf") / "shop"
    shops.stock(folder)
    (folder / "ferry.toml").write_text(shops.TOML.replace("NAME", "shelf").replace("ACCOUNT", "1" * 12))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", shops.tools(folder.parent / "bin"))
        _uv(patch, folder)
        assert cli.run(["build", "--offline", "--source", str(folder)]) == 0
    (folder / ".ferry/release.json").unlink()
    for words in ("init --quiet", "add .", "-c user.name=a -c user.email=a@b commit --quiet --message=one"):
        subprocess.run(["git", *words.split()], cwd=folder, check=True)
    return folder


def _uv(patch: pytest.MonkeyPatch, folder: Path) -> None:
    for name, value in {"FIND_LINKS": folder / "wheels", "CACHE_DIR": folder.parent / "cache", "OFFLINE": 1}.items():
        patch.setenv(f"UV_{name}", str(value))


@pytest.fixture
def shop(
    account: Account,
    shelf: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Shop:
    """A repository with a name of its own in AWS, opened by an administrator."""
    name, folder = shops.named(), tmp_path / "shop"
    shutil.copytree(shelf, folder)
    (folder / "ferry.toml").write_text(shops.TOML.replace("NAME", name).replace("ACCOUNT", account.box.account))
    for variable in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "GITHUB_ACTIONS", "FERRY_DEBUG", "UV"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", str(shelf.parent / "bin"))
    _uv(monkeypatch, shelf)
    opened = Shop(folder, name, account, capsys, monkeypatch)
    opened.enter(account.user(allow("*")))
    return opened


@pytest.fixture
def hub() -> Iterator[LocalRegistry]:
    """Has the base image; `--mirror` leads to it."""
    with serving() as registry:
        registry.image("library/python", "3.13-slim", env=("PYTHON_VERSION=3.13.5",))
        yield registry


@pytest.fixture
def faults(account: Account) -> Iterator[Switchboard]:
    """No fault outlives its test: all share one box."""
    yield account.box.faults
    account.box.faults.clear()


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long registries were waited for, while nobody waits."""
    seconds: list[float] = []

    async def pause(wait: float) -> None:
        seconds.append(wait)

    for patient in (Registry, Externals):
        monkeypatch.setitem(patient.__init__.__kwdefaults__ or {}, "pause", pause)
    return seconds


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each builds, or waits for a registry: together they are too much for the fast tests."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
