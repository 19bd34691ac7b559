"""HostTerraform against a program that only writes down how it was called; `slow`: against terraform itself."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ferry import tfplan
from ferry.errors import CredentialsError, FerryError, RecordError, TerraformFailed, ToolError
from ferry.outside.aws import Access, Credentials
from ferry.outside.terraform import PLAN_FILE, failure, saved, words
from ferry.outside.terraform.host import HostTerraform
from ferry.outside.terraform.listener import silent
from ferry.tfplan import Action

pytestmark = pytest.mark.anyio

HERE = Path(__file__).parent
ACCESS = Access(region="eu-central-1", credentials=Credentials(key="AKIA", secret="planted"), endpoint="http://box")
PROGRAM = f"""#!{sys.executable} -S
import json, os, sys, zipfile
here = os.path.dirname(__file__)
if sys.argv[1] == "plan":
    with zipfile.ZipFile("ferry.tfplan", "w") as plan:
        plan.writestr("tfstate-prev", json.dumps(dict(serial=4, lineage="one")))
with open(here + "/history", "a") as history:
    print(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]), file=history)
with open(here + "/script") as script:
    code, out, err = json.load(script).get(sys.argv[1], [0, "", ""])
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""
SCRIPT: dict[str, tuple[int, str, str]] = {
    "version": (0, '{"terraform_version": "1.11.4"}', ""),
    "show": (0, '{"format_version": "1.2"}', ""),
    "output": (0, '{"url": {"value": "x"}}', ""),
}


class Machine:
    """A folder that is on PATH, with a terraform in it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.root, self.work = place / "root", place / "work"
        self.root.mkdir()
        (place / "bin").mkdir()
        program = place / "bin/terraform"
        program.write_text(PROGRAM)
        program.chmod(0o755)
        self.script()

    def script(self, **steps: tuple[int, str, str]) -> None:
        (self.place / "bin/script").write_text(json.dumps(SCRIPT | steps))

    def terraform(self) -> HostTerraform:
        return HostTerraform(self.root, self.work, ACCESS, rescued=self.place / "kept/preprod")

    @property
    def history(self) -> list[Any]:
        return [json.loads(line) for line in (self.place / "bin/history").read_text().splitlines()]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return Machine(tmp_path)


async def test_each_step_is_one_call_in_the_working_folder(machine: Machine) -> None:
    terraform = machine.terraform()
    await terraform.init({"bucket": "state"})
    assert (await terraform.plan("a.tfvars")).empty
    await terraform.apply(await terraform.saved(), silent)
    assert await terraform.outputs() == {"url": "x"}
    steps = [args[0] for args, _, _ in machine.history]
    assert steps == ["version", "init", "plan", "show", "apply", "output"]
    assert {cwd for _, cwd, _ in machine.history} == {str(machine.work)}


async def test_the_users_own_folder_is_left_alone(machine: Machine) -> None:
    (machine.root / "main.tf").write_text("# theirs")
    await machine.terraform().write("main.tf", "# ours")
    assert (machine.root / "main.tf").read_text() == "# theirs"
    assert (machine.work / "main.tf").read_text() == "# ours"


def test_what_earlier_runs_left_is_not_taken_along(machine: Machine) -> None:
    kept = ["main.tf", "ferry_boats.tf", "modules/ferry_boats/main.tf", ".terraform.lock.hcl", "environments/a.tfvars"]
    left = [".terraform/x", "terraform.tfstate", "terraform.tfstate.backup", "ferry.tfplan", words.IMPORTS_FILE]
    for name in [*kept, *left, words.INPUTS_FILE, words.OVERRIDE_FILE]:
        (machine.root / name).parent.mkdir(parents=True, exist_ok=True)
        (machine.root / name).touch()
    machine.terraform()
    assert {str(path.relative_to(machine.work)) for path in machine.work.rglob("*") if path.is_file()} == set(kept)


async def test_only_what_is_handed_in_decides_who_terraform_is(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "TF_WORKSPACE", "TF_DATA_DIR", "TF_CLI_ARGS_init"):
        monkeypatch.setenv(name, "theirs")
    monkeypatch.setenv("TF_VAR_kept", "1")
    await machine.terraform().init({})
    said = machine.history[0][2]
    assert "theirs" not in said.values()
    assert said.items() >= {**ACCESS.environment(), "TF_VAR_kept": "1", "TF_INPUT": "0"}.items()


@pytest.mark.slow  # a terraform of its own, played by Python, for each step
async def test_as_many_resources_at_a_time_as_ferry_toml_says(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CLI_ARGS_plan", "-parallelism=1")
    work = machine.work.with_name("other")
    said = HostTerraform(machine.root, work, ACCESS, parallelism=3).environment
    assert (said["TF_CLI_ARGS_plan"], said["TF_CLI_ARGS_apply"]) == ("-parallelism=3", "-parallelism=3")
    assert "TF_CLI_ARGS_plan" not in machine.terraform().environment


@pytest.mark.slow  # a terraform of its own, played by Python, for each step
@pytest.mark.parametrize("locked", [True, False])
async def test_the_lock_file_is_law_where_there_is_one(machine: Machine, *, locked: bool) -> None:
    if locked:
        (machine.root / words.LOCK_FILE).touch()
    await machine.terraform().init({})
    assert ("-lockfile=readonly" in machine.history[-1][0]) is locked


async def test_a_terraform_that_is_too_old_is_refused_before_anything_else(machine: Machine) -> None:
    machine.script(version=(0, '{"terraform_version": "1.10.5"}', ""))
    with pytest.raises(ToolError, match=r"1\.11 or newer is needed"):
        await machine.terraform().init({})
    assert len(machine.history) == 1


def stream(name: str) -> str:
    return (HERE / "streams" / name).read_text()


async def test_progress_is_told_as_it_happens_and_how_long_each_resource_took(machine: Machine) -> None:
    terraform = machine.terraform()
    await terraform.plan("")
    machine.script(apply=(0, stream("kms.jsonl").partition('"type": "diagnostic"')[0], ""))
    said: list[str] = []
    took = await terraform.apply(await terraform.saved(), said.append)
    assert said[:2] == ["aws_sns_topic.ok: creating", "aws_kms_key.k: creating"]
    assert "aws_kms_key.k: creating, 20 s" in said
    assert took == {"aws_sns_topic.ok": 0, "aws_iam_role.r": 0}


async def test_the_error_that_came_first_is_the_one_that_is_raised(machine: Machine) -> None:
    terraform = machine.terraform()
    await terraform.plan("")
    machine.script(apply=(1, stream("kms.jsonl"), stream("kms.log")))
    with pytest.raises(TerraformFailed, match=r"the image of aws_lambda_function\.f") as caught:
        await terraform.apply(await terraform.saved(), silent)
    assert [one.kind for one in failure.of(caught.value)] == [failure.Kind.IMAGE, failure.Kind.PRINCIPAL]
    assert caught.value.where == "aws_lambda_function.f"
    assert "also: the policy of aws_kms_key.k" in caught.value.why


async def test_a_plan_that_another_terraform_saved_is_not_applied(machine: Machine) -> None:
    terraform = machine.terraform()
    await terraform.plan("")
    saved = replace(await terraform.saved(), terraform="1.12.0")
    with pytest.raises(TerraformFailed, match="terraform's version changed") as caught:
        await terraform.apply(saved, silent)
    assert failure.is_stale(caught.value)


@pytest.mark.parametrize("changes", ["ferry.tfplan", words.LOCK_FILE])
async def test_a_plan_that_is_not_the_one_looked_at_is_not_applied(machine: Machine, changes: str) -> None:
    terraform = machine.terraform()
    await terraform.plan("")
    saved = await terraform.saved()
    with (machine.work / changes).open("ab") as file:
        file.write(b"more")
    with pytest.raises(TerraformFailed, match="not the plan that was looked at") as caught:
        await terraform.apply(saved, silent)
    assert failure.is_stale(caught.value)
    assert "apply" not in [args[0] for args, _, _ in machine.history]


async def test_a_plan_of_another_state_is_stale(machine: Machine) -> None:
    terraform = machine.terraform()
    await terraform.plan("")
    machine.script(apply=(1, stream("stale.jsonl"), ""))
    with pytest.raises(TerraformFailed, match="changed by somebody else") as caught:
        await terraform.apply(await terraform.saved(), silent)
    assert failure.is_stale(caught.value)


async def test_without_a_plan_there_is_nothing_to_apply(machine: Machine) -> None:
    with pytest.raises(RecordError, match="no plan that terraform saved"):
        await machine.terraform().saved()


@pytest.mark.slow  # a terraform of its own, played by Python, for each step
async def test_a_run_begins_without_the_imports_and_the_plan_of_an_earlier_one(machine: Machine) -> None:
    terraform = machine.terraform()
    await terraform.init({})
    await terraform.write(words.IMPORTS_FILE, words.imports({"a.b": "id"}))
    await terraform.plan("")
    await terraform.init({})
    left = {path.name for path in machine.work.iterdir()}
    assert not left & {words.IMPORTS_FILE, "ferry.tfplan"}


async def test_a_lock_is_released_by_its_id(machine: Machine) -> None:
    await machine.terraform().release("one")
    assert machine.history[-1][0] == ["force-unlock", "-no-color", "-force", "one"]


async def test_credentials_that_ended_are_no_fault_of_terraforms(machine: Machine) -> None:
    machine.script(init=(1, stream("badkey.jsonl"), ""))
    with pytest.raises(CredentialsError, match="does not know these credentials"):
        await machine.terraform().init({})


class Errored(Machine):
    """An apply that could not write its state, and left it in a file."""

    async def apply(self, *pushes: int, events: str = "") -> list[str]:
        terraform = self.terraform()
        await terraform.init({"bucket": "state", "key": "a b"})
        await terraform.plan("")
        (self.work / "errored.tfstate").write_text("planted")
        self.script(apply=(1, events or stream("push.jsonl"), ""), state=(pushes[0], "", "Error: serial"))
        said: list[str] = []
        await terraform.apply(await terraform.saved(), said.append)
        return said

    @property
    def kept(self) -> list[Path]:
        return sorted((self.place / "kept").glob("*"))


@pytest.fixture
def errored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Errored:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return Errored(tmp_path)


@pytest.mark.slow  # a terraform of its own, played by Python, for each step
async def test_an_apply_whose_state_is_written_after_all_is_done(errored: Errored) -> None:
    assert (await errored.apply(0))[-1] == "the state is written"
    assert errored.kept == []
    assert not (errored.work / "errored.tfstate").exists()


async def test_a_state_that_cannot_be_written_is_kept_with_the_command(errored: Errored) -> None:
    with pytest.raises(TerraformFailed, match="it is kept in") as caught:
        await errored.apply(1)
    (kept,) = errored.kept
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("planted", 0o600)
    assert kept.name.startswith("preprod-")
    assert caught.value.next.endswith(f"state push {kept}")
    assert f"-chdir={errored.root} init -reconfigure" in caught.value.next
    assert "'-backend-config=key=a b'" in caught.value.next
    assert failure.of(caught.value)[0].kind is failure.Kind.STATE_LOST


@pytest.mark.slow  # a terraform of its own, played by Python, for each step
async def test_the_other_errors_of_such_an_apply_are_told(errored: Errored) -> None:
    with pytest.raises(TerraformFailed, match="may not sqs:CreateQueue"):
        await errored.apply(0, events=stream("denied.jsonl") + stream("push.jsonl"))
    assert errored.kept == []


@pytest.mark.parametrize(
    ("steps", "kind", "says"),
    [
        ({"plan": (1, "", "\nError: Unsupported argument\n")}, TerraformFailed, "plan failed: Unsupported argument"),
        ({"plan": (-9, "", "")}, TerraformFailed, "plan failed: exit code"),
        ({"show": (0, "Error: not a plan", "")}, RecordError, "not the JSON of a terraform plan"),
        ({"show": (0, "{}", "")}, RecordError, "not the JSON of a terraform plan"),
    ],
)
async def test_a_step_that_fails_is_named(
    machine: Machine, steps: dict[str, tuple[int, str, str]], kind: type[FerryError], says: str
) -> None:
    machine.script(**steps)
    with pytest.raises(kind, match=says):
        await machine.terraform().plan("")


def test_a_root_that_does_not_exist_is_named(machine: Machine) -> None:
    machine.root.rmdir()
    with pytest.raises(ToolError, match="root does not exist") as caught:
        machine.terraform()
    assert caught.value.where == str(machine.root)


def test_a_machine_without_terraform_is_told_what_to_do(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolError, match="terraform is not on PATH") as caught:
        machine.terraform()
    assert "1.11" in caught.value.next
    assert not machine.work.exists()


async def test_a_wrong_mirror_is_named_before_terraform_runs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERRY_PROVIDER_MIRROR", str(machine.root))
    with pytest.raises(ToolError, match="FERRY_PROVIDER_MIRROR"):
        machine.terraform()


LOCAL = """
variable "environment" { type = string }
variable "images" { type = map(string) }
resource "terraform_data" "a" { input = var.environment }
output "made" { value = terraform_data.a.output }
"""


@pytest.mark.slow
async def test_terraform_itself_understands_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/main.tf").write_text(LOCAL)
    terraform = HostTerraform(tmp_path / "root", tmp_path / "work", ACCESS)
    await terraform.write(words.INPUTS_FILE, words.inputs("preprod", "arn", {}, {}))
    await terraform.init({})
    await terraform.write(words.IMPORTS_FILE, words.imports({"terraform_data.a": "an-id"}))
    plan = await terraform.plan("")
    assert [(change.action, change.imports) for change in plan.touched()] == [(Action.UPDATE, "an-id")]
    said: list[str] = []
    took = await terraform.apply(await terraform.saved(), said.append)
    assert said[:2] == ["terraform_data.a: adopting an-id", "terraform_data.a: changing"]
    assert took.keys() == {"terraform_data.a"}
    assert await terraform.outputs() == {"made": "preprod"}
    assert (await terraform.plan("")).empty


@pytest.mark.slow
async def test_a_root_that_terraform_does_not_accept_is_shown_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/main.tf").write_text("resource broken {\n")
    terraform = HostTerraform(tmp_path / "root", tmp_path / "work", ACCESS)
    with pytest.raises(TerraformFailed, match="terraform init failed") as caught:
        await terraform.init({})
    assert caught.value.where == "main.tf:1"


STANDING = """
resource "terraform_data" "keys" { for_each = toset(["a b", "ä\\"$${x}%%{y}\\\\"]) }
resource "terraform_data" "counted" { count = 2 }
module "inner" {
  source   = "./inner"
  for_each = toset(["one"])
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("more", ["", 'resource "terraform_data" "untyped" { input = { type = "a", x = ["b"] } }'])
async def test_what_stands_is_what_terraform_would_show(tmp_path: Path, more: str) -> None:
    (tmp_path / "root/inner").mkdir(parents=True)
    (tmp_path / "root/main.tf").write_text(STANDING + more)
    (tmp_path / "root/inner/main.tf").write_text('resource "terraform_data" "a" {}')
    terraform = HostTerraform(tmp_path / "root", tmp_path / "work", ACCESS)
    await terraform.init({})
    assert len((await terraform.plan("")).touched()) == 5 + bool(more)
    await terraform.apply(await terraform.saved(), silent)
    planned = await terraform.plan("")
    assert planned.empty
    shown = tfplan.read(await terraform._run(*words.show(PLAN_FILE)))
    # References are for what would be created: nothing here is.
    assert replace(planned, references={}) == replace(shown, references={})
    assert (saved.standing(terraform.folder / PLAN_FILE) is None) is bool(more)
