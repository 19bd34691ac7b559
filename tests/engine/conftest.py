"""A real engine, a clone that has never seen `ci/sdk`, and an AWS in a box for it to work on.

They run where `dagger` is on PATH and its engine answers. In a closed network FERRY_TEST_IMAGE_MIRROR names a registry
with the external images (tcp://127.0.0.1:5000); terraform providers are found as Ferry finds them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from ferry import lockfile
from ferry.config import load
from ferry.outside.aws import Access, Credentials
from ferry.outside.terraform import mirror
from ferry.rehearsal import stage
from ferry.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ANSWER_SECONDS = 60
CALL_SECONDS = 600
MIRROR = os.environ.get("FERRY_TEST_IMAGE_MIRROR", "")


@dataclass(frozen=True)
class Engine:
    """`dagger` in a clone of this repository."""

    clone: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        quiet = {"DAGGER_PROGRESS": "plain", "DAGGER_NO_NAG": "1", "NO_COLOR": "1", "DO_NOT_TRACK": "1"}
        return subprocess.run(
            ["dagger", *words],
            cwd=self.clone,
            env=os.environ | quiet,
            capture_output=True,
            text=True,
            timeout=CALL_SECONDS,
            check=False,
        )

    def done(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What has to succeed, with what it said on the way."""
        done = self.run(*words)
        assert done.returncode == 0, done.stderr[-4000:]
        return done

    def call(self, *words: str) -> str:
        """The result of a call that has to succeed."""
        return self.done("call", *words).stdout

    def copy(self, place: Path) -> Engine:
        """Another clone, for a test that changes something in it."""
        shutil.copytree(self.clone, place, symlinks=True)
        return Engine(place)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    if shutil.which("dagger") is None:
        pytest.skip("dagger is not on PATH")
    asked = subprocess.run(
        ["dagger", "core", "version"], capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
    )
    if asked.returncode != 0:
        pytest.skip(f"no Dagger engine answers: {asked.stderr.strip()[-200:]}")
    clone = tmp_path_factory.mktemp("clone")
    # What git knows or would take, as it is now: the tests are about the work tree, not about the last commit.
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(lambda name: (ROOT / name).is_file(), files.stdout.splitlines()):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, clone / name)
    if MIRROR:
        # Under the same names a mirror may hold other images than those that are pinned.
        (clone / lockfile.FILE).unlink(missing_ok=True)
    subprocess.run(["git", "init", "--quiet"], cwd=clone, check=True)
    return Engine(clone)


@pytest.fixture(scope="session")
def closed_network() -> list[str]:
    """What has to be said where the world cannot be reached."""
    providers = mirror.find()
    flags = [f"--providers={providers}"] if providers else []
    return [*flags, f"--image-mirror={MIRROR}"] if MIRROR else flags


@dataclass(frozen=True)
class Aws:
    """A box in a process of its own, set up as an admin does; the flags are the deployer's."""

    access: Access
    """The admin's."""
    flags: list[str]


@pytest.fixture
def aws(tmp_path: Path, closed_network: list[str]) -> Iterator[Aws]:
    with boxed(tmp_path, closed_network) as box:
        yield box


@contextmanager
def boxed(folder: Path, closed_network: list[str]) -> Iterator[Aws]:
    with subprocess.Popen([sys.executable, "-m", "awsbox", "--json"], stdout=subprocess.PIPE, text=True) as box:
        try:
            assert box.stdout is not None
            said = json.loads(box.stdout.readline())
            keys = said["users"][-1]
            credentials = Credentials(key=keys["key"], secret=keys["secret"])
            access = Access(region="us-east-1", endpoint=said["endpoint"], credentials=credentials)
            deployer = anyio.run(_set_up, access, folder / "set-up")
            secret = folder / "credentials.json"
            # With the newline that `cmd:` and `file:` secrets keep.
            secret.write_text(json.dumps({"Version": 1, **deployer}) + "\n")
            port = said["endpoint"].rpartition(":")[2]
            yield Aws(access, [f"--aws=file:{secret}", f"--aws-endpoint=tcp://127.0.0.1:{port}", *closed_network])
        finally:
            box.terminate()


async def _set_up(admin: Access, work: Path) -> dict[str, str]:
    """Keys of the deployer that the bootstrap makes."""
    config = load(ROOT / "ferry.toml")
    preprod = config.environment("preprod")
    play = stage.Play(config=config, environment=preprod, source=ROOT, work=work, report=Report())
    stage.put_secrets(play, admin, "no-news")
    await stage.bootstrap(play, admin)
    made = admin.client("iam").create_access_key(UserName=preprod.deployer.rpartition("/")[2])["AccessKey"]
    return {name: made[name] for name in ("AccessKeyId", "SecretAccessKey")}
