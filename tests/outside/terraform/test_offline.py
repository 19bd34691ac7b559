"""A root without an account, prepared in a container: what the engine is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from dagger import dag

from ferry.errors import TerraformFailed
from ferry.outside.terraform.dagger import WORK, DaggerOffline, folder
from tests.outside.terraform.test_dagger import answering, on_the_engine, ran

if TYPE_CHECKING:
    from tests.fake_engine import Chain, ConnectedEngine

RECORD = json.dumps({"Modules": [{"Key": "", "Dir": "."}, {"Key": "fn", "Dir": "../../modules/fn"}]})


def offline() -> DaggerOffline:
    return DaggerOffline(dag.container().from_("terraform"), folder("live/app"))


def contents(file: Chain) -> str:
    path = file.last.args.get("path") or file.args("file")[-1]["path"]
    return RECORD if path.endswith("modules.json") else f"# {path}"


@on_the_engine
async def test_it_is_begun_without_a_backend_of_anyones_and_without_the_roots_own_tests(
    engine: ConnectedEngine,
) -> None:
    answering(engine, left=(".terraform.lock.hcl",))
    await offline().init()
    assert [step for step in ran(engine) if step[0] == "init"] == [
        ["init", "-json", "-input=false", "-no-color", "-lockfile=readonly", "-test-directory=ferry-parity"]
    ]


@on_the_engine
async def test_modules_beside_the_root_are_read_where_they_are(engine: ConnectedEngine) -> None:
    answering(engine, left=("modules.json",))
    engine.answers |= {
        "File.contents": contents,
        "Directory.glob": lambda asked: ["main.tf"] if asked.last.args["pattern"] == "*.tf" else [],
    }
    root, fn = await offline().modules()
    assert (root.key, root.folder, list(root.files)) == ("", ".", ["main.tf"])
    assert (fn.key, fn.folder, list(fn.files)) == ("fn", "../../modules/fn", ["main.tf"])
    folders = [args["path"] for chain in engine.calls for args in chain.args("directory")]
    assert f"{WORK}/modules/fn" in folders


@on_the_engine
async def test_files_of_modules_are_written_beside_them(engine: ConnectedEngine) -> None:
    answering(engine, test={"stdout": "said"})
    prepared = offline()
    await prepared.write("../../modules/fn/copies.tf.json", "{}")
    assert await prepared.planned("prod", ("in.json", "prod.tfvars")) == "said"
    chain = engine.calls[-1]
    assert [args["path"] for args in chain.args("withNewFile")] == [
        f"{folder('live/app')}/../../modules/fn/copies.tf.json"
    ]
    assert chain.args("withExec")[-1]["args"][-3:] == [
        "-filter=ferry-parity/prod.tftest.json",
        "-var-file=in.json",
        "-var-file=prod.tfvars",
    ]


@on_the_engine
async def test_what_terraform_says_against_a_test_is_told(engine: ConnectedEngine) -> None:
    said = {"severity": "error", "summary": "No such variable", "range": {"filename": "a.tf", "start": {"line": 3}}}
    event = json.dumps({"type": "diagnostic", "diagnostic": said})
    answering(engine, test={"exitCode": 1, "stdout": event})
    with pytest.raises(TerraformFailed, match="No such variable") as failed:
        await offline().planned("prod", ())
    assert failed.value.where == "a.tf:3"
