"""The real terraform, with its real provider, against a box."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferry.outside.aws.access import without_aws
from ferry.outside.terraform import mirror, words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.awsbox.people import Caller

SECONDS = 600
HELD = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}


def absent() -> str:
    """Why terraform cannot run here; nothing where it can."""
    if shutil.which("terraform") is None:
        return "terraform is not on PATH"
    return "" if mirror.find() else "no provider mirror, and the tests download nothing"


@dataclass(frozen=True)
class Root:
    """A copy of a folder of .tf files, and who applies it."""

    folder: Path
    caller: Caller
    variables: Mapping[str, Any]

    @classmethod
    def of(cls, source: Path, folder: Path, caller: Caller, **variables: Any) -> Root:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        found = mirror.find()
        assert found is not None
        folder.joinpath("cli.tfrc").write_text(mirror.cli_config(found, mirror.providers(found)))
        return cls(folder, caller, variables)

    def init(self, **backend: str) -> None:
        self.run("init", "-no-color", *(f"-backend-config={name}={value}" for name, value in backend.items()))

    def apply(self, **variables: Any) -> str:
        return self.run("apply", "-no-color", "-auto-approve", **variables)

    def destroy(self) -> str:
        return self.run("destroy", "-no-color", "-auto-approve")

    def changes(self, **variables: Any) -> dict[str, list[str]]:
        """What a plan would do, by address."""
        self.run("plan", "-no-color", "-out=now.tfplan", **variables)
        plan = json.loads(self.run(*words.show("now.tfplan")))
        found = {change["address"]: change["change"]["actions"] for change in plan["resource_changes"]}
        return {address: actions for address, actions in found.items() if actions not in (["no-op"], ["read"])}

    def run(self, *arguments: str, **variables: Any) -> str:
        done = self.start(*arguments, **variables)
        out, err = done.communicate(timeout=SECONDS)
        if done.returncode != 0:
            raise Failed(err)
        return out

    def start(self, *arguments: str, **variables: Any) -> subprocess.Popen[str]:
        said = {f"TF_VAR_{name}": str(value) for name, value in {**self.variables, **variables}.items()}
        access = {
            "AWS_ACCESS_KEY_ID": self.caller.key,
            "AWS_SECRET_ACCESS_KEY": self.caller.secret,
            "AWS_ENDPOINT_URL": self.caller.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        } | ({"AWS_SESSION_TOKEN": self.caller.token} if self.caller.token else {})
        return subprocess.Popen(
            ["terraform", *arguments],
            cwd=self.folder,
            env=without_aws(os.environ) | HELD | access | said | {"TF_CLI_CONFIG_FILE": str(self.folder / "cli.tfrc")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


class Failed(Exception):
    """What terraform said when it failed."""
