"""A small system that is built and published as its owner would: `ferry …` in its folder, against the box."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferry import cli
from tests.outside.builder.wheels import wheel

if TYPE_CHECKING:
    import pytest

    from tests.awsbox.people import Account, Caller

ROOT = Path(__file__).parents[2]
FERRY = Path(sys.executable).with_name("ferry")
SLIM = "python:3.13-slim"
PARTS = 8
"""The application's files: each of them small, all of them 100 kB in their layer."""
_NUMBERS = count(1)

TOML = """
project = "small"
region = "us-east-1"

[artifacts.app]
kind = "image"
repository = "{env}-NAME-app"
cache = "{env}-NAME-app-cache"
recipe = { base = "python:3.13-slim", lock = "app.lock", source = ["app"], command = ["python", "-m", "app"] }

[artifacts.job]
kind = "zip"
package = "{env}/{name}.zip"
lock = "app.lock"
source = ["job"]
handler = "job.main.handle"

[infrastructure]
root = "terraform"

[environments.preprod]
account = "ACCOUNT"
deployer = "arn:aws:iam::ACCOUNT:user/deployer"
state = { bucket = "small-state", key = "terraform.tfstate" }
variables = "preprod.tfvars"
packages = "NAME-packages"
"""


def stock(folder: Path) -> None:
    """Everything but ferry.toml; the wheel lies where uv is told to look."""
    (folder / "app").mkdir(parents=True)
    (folder / "job").mkdir()
    (folder / "wheels").mkdir()
    (folder / "app.lock").write_text(wheel(folder / "wheels", "first"))
    (folder / "app/main.py").write_text("import first\n")
    for part in range(PARTS):
        (folder / f"app/{part}.txt").write_text(os.urandom(12 * 1024).hex())
    (folder / "job/main.py").write_text("def handle(event, context): ...\n")


def tools(folder: Path) -> str:
    """A PATH with what building needs. There is no terraform on it: what fails here fails before any runs."""
    folder.mkdir()
    for program in ("uv", "git"):
        found = shutil.which(program, path=f"{ROOT / '.tools/uv/bin'}:{os.environ['PATH']}")
        assert found, f"{program} is not on PATH"
        (folder / program).symlink_to(found)
    return str(folder)


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return self.answer["error"]


@dataclass
class Shop:
    folder: Path
    name: str
    account: Account
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    secrets: set[str] = field(default_factory=set)

    def enter(self, caller: Caller) -> None:
        """From now on this is who calls. By a file: the variables would be the box's root, which is in this process."""
        self.secrets |= {caller.secret}
        self.log_in(f"aws_access_key_id = {caller.key}", f"aws_secret_access_key = {caller.secret}")
        self.monkeypatch.setenv("AWS_ENDPOINT_URL", caller.endpoint)

    def log_in(self, *lines: str) -> None:
        file = self.folder.parent / "credentials"
        file.write_text("\n".join(("[default]", *lines)))
        self.monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))

    def ferry(self, *arguments: str) -> Ended:
        """One command line, in this process."""
        self.capsys.readouterr()
        code = cli.run([*arguments, "--source", str(self.folder), "--json"])
        return self.checked(Ended(code, *self.capsys.readouterr()))

    def publish(self, *arguments: str) -> Ended:
        return self.ferry("publish", "--env", "preprod", "--offline", *arguments)

    def started(self) -> subprocess.Popen[str]:
        """A publish as a program of its own, which can be stopped, or held short."""
        return subprocess.Popen(
            [str(FERRY), "publish", "--env=preprod", "--offline", "--json", f"--source={self.folder}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ended(self, process: subprocess.Popen[str]) -> Ended:
        out, err = process.communicate()
        return self.checked(Ended(process.returncode, out, err))

    def checked(self, ended: Ended) -> Ended:
        """However it ended: no secret, no traceback; and a failure says what happened, where, and what to do."""
        said = ended.out + ended.err
        assert [secret for secret in self.secrets if secret in said] == []
        assert "Traceback" not in said
        if ended.code > 0:
            error = ended.error
            assert error["exit_code"] == ended.code
            assert ended.code == 130 or all(error[part] for part in ("what", "where", "next")), error
            assert f"exit code {ended.code} ({error['class']})" in ended.err
        return ended

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / name.replace("__", "/")).write_text(text)

    @property
    def kept(self) -> set[str]:
        """What is in .ferry, by what kind of thing it is."""
        return {path.name.partition("-")[0] for path in (self.folder / ".ferry").rglob("*") if path.is_file()}

    @property
    def tags(self) -> set[str]:
        """Of every image in the repository; empty where there is none."""
        ecr = self.account.root.client("ecr")
        try:
            said = ecr.describe_images(repositoryName=f"preprod-{self.name}-app")["imageDetails"]
        except ecr.exceptions.RepositoryNotFoundException:
            return set()
        return {tag for image in said for tag in image.get("imageTags", ())}

    @property
    def objects(self) -> set[str]:
        s3 = self.account.root.client("s3")
        try:
            return {it["Key"] for it in s3.list_objects_v2(Bucket=f"{self.name}-packages").get("Contents", ())}
        except s3.exceptions.NoSuchBucket:
            return set()


def named() -> str:
    return f"shop-{os.getpid()}-{next(_NUMBERS)}"
