from __future__ import annotations

import base64
import json
import os
import shutil
import sys
import zipfile
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ferry import cli, model
from ferry.errors import NotReady
from ferry.model import Phase, Release, Run
from ferry.outside.aws import standing
from ferry.outside.terraform import providers
from ferry.outside.terraform.providers import Locked
from ferry.verbs import checks, here, turns
from ferry.verbs.checks import Check, Health, ok, trouble, unasked
from tests.awsbox.people import allow
from tests.verbs.fakes import COMMIT

if TYPE_CHECKING:
    from tests.awsbox.people import Account, Caller, Statement

ROOT = Path(__file__).parents[2]
_NUMBERS = count(1)
TOML = """
project = "small"
region = "us-east-1"

[artifacts.job]
kind = "zip"
package = "{env}/{name}.zip"
lock = "job.lock"
source = ["job"]
handler = "job.main.handle"

[infrastructure]
root = "terraform"

[environments.preprod]
account = "ACCOUNT"
deployer = "DEPLOYER"
state = { bucket = "NAME-state", key = "terraform.tfstate" }
variables = "preprod.tfvars"
packages = "NAME-packages"

[environments.prod]
account = "999999999999"
deployer = "arn:aws:iam::999999999999:user/deployer"
state = { bucket = "other-state", key = "terraform.tfstate" }
variables = "prod.tfvars"
packages = "other-packages"
"""
LOCKED = """
provider "registry.terraform.io/acme/thing" {
  version     = "1.2.3"
  constraints = "1.2.3"
  hashes = [
    "HASH",
  ]
}
"""
THERE = ["credentials", "account", "deployer", "state bucket", "versions", "state", "lock", "turn", "rights", "release"]


# How it reads.

EXAMPLE = (
    ok("python", "3.13.5"),
    trouble("state bucket", "there is no bucket " + "x" * 50, next="let an admin make it, or name another one"),
    unasked("versions", "the bucket is not to be had"),
)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal_but_for_what_is_there_to_be_copied(width: int) -> None:
    said = checks.text(EXAMPLE, width)
    assert [line for line in said.splitlines() if len(line) > width and "xxx" not in line] == []
    assert "x" * 50 in said
    assert "\x1b" not in said
    assert said.splitlines()[-1] == "1 trouble"


def test_names_and_what_is_said_stand_in_columns() -> None:
    lines = checks.text(EXAMPLE, 120).splitlines()
    assert lines[0] == "✓ python         3.13.5"
    assert lines[1].startswith("✗ state bucket   there is no bucket")
    assert lines[2].startswith("                 next: let an admin")
    assert lines[3].startswith("–")  # noqa: RUF001 - a dash is what is meant


def test_a_narrow_terminal_has_the_name_in_a_line_of_its_own() -> None:
    assert checks.text(EXAMPLE, 40).splitlines()[:2] == ["✓ python", "    3.13.5"]


# Who calls.


def test_a_session_is_its_role() -> None:
    assert standing.role("arn:aws:sts::111122223333:assumed-role/ferry/job-7") == "arn:aws:iam::111122223333:role/ferry"
    assert standing.role("arn:aws:iam::111122223333:user/a") == "arn:aws:iam::111122223333:user/a"


@pytest.mark.parametrize(
    ("caller", "named", "same"),
    [
        ("arn:aws:iam::1:role/ferry", "arn:aws:iam::1:role/ferry", True),
        ("arn:aws:iam::1:role/ferry", "arn:aws:iam::1:role/ci/ferry", True),
        ("arn:aws:iam::1:user/ferry", "arn:aws:iam::1:role/ferry", False),
        ("arn:aws:iam::2:role/ferry", "arn:aws:iam::1:role/ferry", False),
        ("arn:aws:iam::1:root", "arn:aws:iam::1:role/ferry", False),
    ],
)
def test_the_caller_is_compared_with_who_is_named(caller: str, named: str, *, same: bool) -> None:
    assert standing.same(caller, named) is same


# Providers.


def mirrored(folder: Path, *, packed: bool = False) -> tuple[Path, str]:
    """A mirror with one provider, and its hash as Go makes it."""
    home = folder / "registry.terraform.io/acme/thing"
    (home / "1.2.3").mkdir(parents=True)
    line = f"{sha256(b'a program').hexdigest()}  program\n"
    if packed:
        with zipfile.ZipFile(home / "terraform-provider-thing_1.2.3_linux_amd64.zip", "w") as archive:
            archive.writestr("program", "a program")
    else:
        (home / "1.2.3/linux_amd64").mkdir()
        (home / "1.2.3/linux_amd64/program").write_text("a program")
    return folder, f"h1:{base64.b64encode(sha256(line.encode()).digest()).decode()}"


@pytest.mark.parametrize("packed", [False, True])
def test_a_package_is_recognised_by_its_hash(tmp_path: Path, *, packed: bool) -> None:
    mirror, hash = mirrored(tmp_path, packed=packed)
    (one,) = providers.locked(LOCKED.replace("HASH", hash))
    assert one.name == "acme/thing 1.2.3"
    found = providers.package(mirror, one, "linux_amd64")
    assert found
    assert providers.fits(one, found)
    assert not providers.fits(Locked(address=one.address, version=one.version, hashes=frozenset({"h1:x"})), found)


def test_a_zip_is_recognised_by_the_registrys_hash_too(tmp_path: Path) -> None:
    mirror, _ = mirrored(tmp_path, packed=True)
    one = Locked(address="registry.terraform.io/acme/thing", version="1.2.3", hashes=frozenset())
    found = providers.package(mirror, one, "linux_amd64")
    assert found
    hashed = frozenset({f"zh:{sha256(found.read_bytes()).hexdigest()}"})
    assert providers.fits(Locked(address=one.address, version=one.version, hashes=hashed), found)


@pytest.mark.parametrize(
    ("lock", "platform", "said"),
    [
        (LOCKED, "linux_amd64", ""),
        (LOCKED.replace("1.2.3", "1.2.4"), "linux_amd64", "has no acme/thing 1.2.4 for linux_amd64"),
        (LOCKED, "darwin_arm64", "has no acme/thing 1.2.3 for darwin_arm64"),
        (LOCKED.replace("HASH", "h1:other"), "linux_amd64", "has no hash of the package"),
        (LOCKED.replace('"HASH",', ""), "linux_amd64", "has no hashes of acme/thing 1.2.3"),
        (None, "linux_amd64", "is missing"),
    ],
)
def test_the_lock_file_is_compared_with_the_mirror(tmp_path: Path, lock: str | None, platform: str, said: str) -> None:
    mirror, hash = mirrored(tmp_path / "mirror")
    root = tmp_path / "root"
    root.mkdir()
    if lock is not None:
        (root / ".terraform.lock.hcl").write_text(lock.replace("HASH", hash))
    found = here.provider_lock(root, mirror, platform)
    assert (found.health is Health.OK) == (not said)
    assert said in found.said
    assert found.health is Health.OK or found.next.startswith(f"terraform -chdir={root} providers ")


@pytest.mark.anyio
async def test_no_mirror_and_no_registry_is_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    place, found = await here.provider_source({"HOME": str(tmp_path), "XDG_DATA_DIRS": str(tmp_path)}, tmp_path)
    assert place is None
    assert "registry.terraform.io does not answer" in found.said
    assert "FERRY_PROVIDER_MIRROR" in found.next


# The whole of it.


class Desk:
    """A repository, and who looks at it."""

    def __init__(self, folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.name, self._capsys = folder, name, capsys

    def look(self, *arguments: str) -> dict[str, Check]:
        self._capsys.readouterr()
        code = cli.run(["doctor", *arguments, "--source", str(self.folder), "--json"])
        out, err = self._capsys.readouterr()
        said = json.loads(out)
        found = {it["name"]: Check(**{**it, "health": Health(it["health"])}) for it in said["checks"]}
        troubles = [it for it in found.values() if it.health is Health.TROUBLE]
        assert code == (NotReady.exit_code if troubles else 0), err
        assert said["troubles"] == len(troubles)
        assert all(it.next for it in troubles)
        assert "Traceback" not in out + err
        return found


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    """A sound repository on a machine with everything; nobody is logged in."""
    name = f"doctor-{os.getpid()}-{next(_NUMBERS)}"
    folder, tools = tmp_path / "repository", tmp_path / "bin"
    mirror, hash = mirrored(tmp_path / "mirror")
    (folder / "terraform").mkdir(parents=True)
    (folder / "terraform/.terraform.lock.hcl").write_text(LOCKED.replace("HASH", hash))
    deployer = f"arn:aws:iam::111122223333:user/{name}"
    (folder / "ferry.toml").write_text(
        TOML.replace("NAME", name).replace("ACCOUNT", "111122223333").replace("DEPLOYER", deployer)
    )
    tools.mkdir()
    said = '{"terraform_version": "1.11.4", "platform": "linux_amd64"}'
    for program, answer in {"uv": "uv 0.13.8", "terraform": said}.items():
        (tools / program).write_text(f"#!{sys.executable}\nprint({answer!r})\n")
        (tools / program).chmod(0o755)
    for variable in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "UV"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("TF_CLI_CONFIG_FILE", "GITHUB_ACTIONS", "FERRY_DEBUG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setenv("FERRY_PROVIDER_MIRROR", str(mirror))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for variable in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(variable, str(tmp_path / "none"))
    return Desk(folder, name, capsys)


def test_a_machine_with_everything_has_no_trouble(desk: Desk) -> None:
    found = desk.look()
    assert {it.health for it in found.values()} == {Health.OK}
    assert "nobody's" in found["git"].said
    assert found["terraform"].said.startswith("1.11.4 (")
    assert found["uv"].said == "0.13.8"
    assert found["provider lock"].said == "acme/thing 1.2.3"
    assert not found.keys() & set(THERE)


def test_programs_that_are_not_there_stop_no_other_check(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(desk.folder))
    found = desk.look()
    assert {name for name, it in found.items() if it.health is Health.TROUBLE} == {"uv", "terraform"}
    assert "put it on PATH" in found["terraform"].next


def test_an_old_terraform_is_trouble(desk: Desk) -> None:
    tool = shutil.which("terraform")
    assert tool
    Path(tool).write_text(Path(tool).read_text().replace("1.11.4", "1.10.9"))
    found = desk.look()
    assert "terraform 1.11 or newer is needed" in found["terraform"].said


def test_a_cli_configuration_that_is_not_there_is_told_and_harmless(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", "/nowhere/rc")
    found = desk.look()["terraform rc"]
    assert found.health is Health.OK
    assert "/nowhere/rc" in found.said


def test_every_mistake_in_ferry_toml_has_its_line_and_the_rest_is_looked_at(desk: Desk) -> None:
    broken = (desk.folder / "ferry.toml").read_text().replace("region =", "regoin =").replace('"zip"', '"zap"')
    (desk.folder / "ferry.toml").write_text(broken)
    found = desk.look("--env", "preprod")
    assert found["ferry.toml"].said.count("ferry.toml:") >= 2
    assert found["terraform"].health is Health.OK
    assert {found[name].health for name in THERE} == {Health.NOT_CHECKED}


def test_a_lock_that_does_not_fit_is_trouble(desk: Desk) -> None:
    (desk.folder / "ferry.lock").write_text('version = 1\n[images]\n"a/b:1" = "sha256:' + "0" * 64 + '"\n')
    found = desk.look()["ferry.lock"]
    assert found.health is Health.TROUBLE
    assert found.next == "ferry lock"


def test_without_credentials_nobody_is_asked(desk: Desk) -> None:
    found = desk.look("--env", "preprod")
    assert found["credentials"].health is Health.TROUBLE
    assert {found[name].said for name in THERE[1:]} == {"not checked: there are no credentials"}


def test_an_aws_that_cannot_be_reached_is_one_trouble(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    found = desk.look("--env", "preprod")
    assert "AWS could not be reached" in found["credentials"].said
    assert [name for name, it in found.items() if it.health is Health.TROUBLE] == ["credentials"]


def test_an_environment_that_does_not_exist_is_a_usage_error(desk: Desk) -> None:
    assert cli.run(["doctor", "--env", "prepord", "--source", str(desk.folder)]) == 64


# In the box.


@pytest.fixture
def deployer(account: Account, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Log in as a user with just these rights, who is the deployer that ferry.toml names."""

    def log_in(*rights: Statement) -> Caller:
        caller = account.user(*rights)
        toml = (desk.folder / "ferry.toml").read_text()
        named = f"arn:aws:iam::111122223333:user/{desk.name}"
        (desk.folder / "ferry.toml").write_text(toml.replace(named, caller.arn))
        file = desk.folder.parent / "credentials"
        file.write_text(f"[default]\naws_access_key_id = {caller.key}\naws_secret_access_key = {caller.secret}\n")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
        monkeypatch.setenv("AWS_ENDPOINT_URL", caller.endpoint)
        return caller

    return log_in


@pytest.fixture
def s3(account: Account, desk: Desk) -> Any:
    client = account.root.client("s3")
    client.create_bucket(Bucket=f"{desk.name}-state")
    client.put_bucket_versioning(Bucket=f"{desk.name}-state", VersioningConfiguration={"Status": "Enabled"})
    client.create_bucket(Bucket=f"{desk.name}-packages")
    return client


@pytest.mark.slow
def test_an_environment_with_everything_has_no_trouble(desk: Desk, deployer: Any, s3: Any) -> None:
    deployer(allow("*"))
    released = model.to_json(Release(commit=COMMIT, dirty=False, artifacts=()))
    s3.put_object(Bucket=f"{desk.name}-packages", Key="preprod/releases/latest.json", Body=released)
    state = json.dumps({"serial": 7, "resources": []})
    s3.put_object(Bucket=f"{desk.name}-state", Key="terraform.tfstate", Body=state)
    found = desk.look("--env", "preprod")
    assert {name: it.said for name, it in found.items() if it.health is not Health.OK} == {}
    assert "serial 7, 0 resources" in found["state"].said
    assert found["lock"].said == "nobody holds it"
    assert "all 0 artifacts are there" in found["release"].said


@pytest.mark.slow
def test_in_another_account_nothing_is_looked_at(desk: Desk, deployer: Any) -> None:
    deployer(allow("*"))
    found = desk.look("--env", "prod")
    assert found["account"].said == "these credentials are of 111122223333, and prod is 999999999999"
    assert {found[name].said for name in THERE[2:]} == {"not checked: this is another account"}


@pytest.mark.slow
def test_a_state_bucket_that_is_not_there_is_the_trouble(desk: Desk, deployer: Any) -> None:
    deployer(allow("*"))
    found = desk.look("--env", "preprod")
    assert found["state bucket"].said == f"there is no bucket {desk.name}-state"
    assert {found[name].health for name in ("versions", "state", "lock", "turn")} == {Health.NOT_CHECKED}


@pytest.mark.slow
def test_a_bucket_without_versions_and_another_caller_are_told(desk: Desk, deployer: Any, s3: Any) -> None:
    s3.put_bucket_versioning(Bucket=f"{desk.name}-state", VersioningConfiguration={"Status": "Suspended"})
    caller = deployer(allow("*"))
    toml = (desk.folder / "ferry.toml").read_text()
    (desk.folder / "ferry.toml").write_text(toml.replace(caller.arn, f"{caller.arn}-other"))
    found = desk.look("--env", "preprod")
    assert found["versions"].next.startswith("aws s3api put-bucket-versioning")
    assert f"log in as {caller.arn}-other" in found["deployer"].next


@pytest.mark.slow
def test_who_holds_the_lock_and_whose_turn_it_is_are_told(desk: Desk, deployer: Any, s3: Any) -> None:
    deployer(allow("*"))
    lock = {"ID": "lock-7", "Who": "ann@laptop", "Operation": "OperationTypeApply", "Created": "2026-01-01T00:00:00Z"}
    place = {"Bucket": f"{desk.name}-state"}
    s3.put_object(**place, Key="terraform.tfstate.tflock", Body=json.dumps(lock))
    began = "2026-01-01T00:00:00Z"
    run = Run(
        token="0" * 12, environment="preprod", verb="deploy", who="ann@laptop", where="", release="",
        started=began, beaten=began,
    )  # fmt: skip
    key = "terraform.tfstate.ferry/run.json"
    s3.put_object(**place, Key=key, Body=model.to_json(run))
    found = desk.look("--env", "preprod")
    assert found["lock"].said.startswith("ann@laptop holds it since 2026-01-01 00:00:00 UTC, for terraform apply")
    assert found["lock"].next.endswith("force-unlock -force lock-7")
    assert turns.described(run) in found["turn"].said
    assert found["turn"].health is Health.TROUBLE
    ended = Run(
        token="0" * 12, environment="preprod", verb="deploy", who="ann@laptop", where="", release="", started=began,
        beaten=began, phase=Phase.ENDED, applying_since=began, ended="2026-01-01T00:01:00Z", outcome="stopped",
    )  # fmt: skip
    s3.put_object(**place, Key=key, Body=model.to_json(ended))
    found = desk.look("--env", "preprod")
    assert found["lock"].said.endswith("that run is over, and the next deployment releases it")
    assert found["turn"].said.endswith("stopped")


@pytest.mark.slow
def test_missing_rights_are_named_by_action(desk: Desk, deployer: Any, s3: Any) -> None:
    """Nothing is simulated for who may not ask for that: then what a plan reads is read."""
    table = {
        "attributes": {"name": "doctor-table", "arn": "arn:aws:dynamodb:us-east-1:111122223333:table/doctor-table"}
    }
    queue = {"attributes": {"name": "doctor-queue"}}
    resources = [
        {"mode": "managed", "type": "aws_dynamodb_table", "name": "one", "instances": [table]},
        {"mode": "managed", "type": "aws_sqs_queue", "name": "one", "instances": [queue]},
        {"mode": "managed", "type": "terraform_data", "name": "one", "instances": [{"attributes": {}}]},
    ]
    state = json.dumps({"serial": 1, "resources": resources})
    s3.put_object(Bucket=f"{desk.name}-state", Key="terraform.tfstate", Body=state)
    deployer(allow(["s3:*", "ecr:*", "dynamodb:*", "kms:*"]))
    rights = desk.look("--env", "preprod")["rights"]
    assert rights.said.splitlines()[0].startswith("may not sqs:")
    assert "dynamodb" not in rights.said
    assert "iam:SimulatePrincipalPolicy cannot be asked" in rights.said
    assert "set-up-an-account" in rights.next


@pytest.mark.slow
def test_a_damaged_state_is_trouble_and_hides_nothing_else(desk: Desk, deployer: Any, s3: Any) -> None:
    deployer(allow("*"))
    s3.put_object(Bucket=f"{desk.name}-state", Key="terraform.tfstate", Body="{")
    found = desk.look("--env", "preprod")
    assert "is no state of terraform" in found["state"].said
    assert [name for name, it in found.items() if it.health is Health.TROUBLE] == ["state"]
