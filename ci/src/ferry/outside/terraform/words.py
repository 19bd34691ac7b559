"""What is said to terraform, and what its answers mean. Pure: the same for every pair of hands."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ferry.errors import TerraformFailed, ToolError
from ferry.outside.terraform.failure import AGAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

INPUTS_FILE = "ferry.auto.tfvars.json"
IMPORTS_FILE = "ferry_imports.tf.json"
OVERRIDE_FILE = "ferry_override.tf.json"
ENVIRONMENT = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
HASTE = {"GOGC": "400"}
"""Go collects garbage less often. A fourth of what terraform and its provider compute goes there: memory for time."""
EARLY = {"TF_LOG_CORE": "ERROR"}
"""With it terraform says on stderr why a resource failed when it does, not when all the others are done."""
STEERING = re.compile(r"TF_(WORKSPACE|DATA_DIR|CLI_ARGS.*)")
"""Variables with which a shell would change which state is used, or what terraform is told."""


LOCK_FILE = ".terraform.lock.hcl"
ERRORED_FILE = "errored.tfstate"
NOBODYS_LOCK = "whose-is-it"
"""No lock has this id: terraform refuses to release it, and says who holds the one that there is."""
NO_LOCK = "NoSuchKey"
OLDEST = (1, 11)
"""The first version that locks a state in S3 with nothing but S3."""
VERSION = ("version", "-json")
NO_CHANGES, CHANGES = 0, 2
"""How a plan ends that was made."""
OUTPUTS = ("output", "-json", "-no-color")
ERROR = re.compile(r"^Error: (?P<what>.+)$", re.MULTILINE)


def version(text: str) -> str:
    """Of what `terraform version -json` prints; one that is too old is refused."""
    found = re.search(r'"terraform_version":\s*"((\d+)\.(\d+)[^"]*)"', text)
    if found is None or (int(found[2]), int(found[3])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise ToolError(
            f"terraform {oldest} or newer is needed",
            where="terraform version",
            why=f"found {found[1]}" if found else "it does not say its version as terraform does",
            next=f"install terraform {oldest} or newer, and put it first on PATH",
        )
    return found[1]


_EVENTS = ("-json", "-input=false", "-no-color")


def init(backend: Mapping[str, str], *, locked: bool) -> tuple[str, ...]:
    """A lock file that is there is law; a root without one gets what its constraints allow."""
    lock = ["-lockfile=readonly"] if locked else []
    settings = [f"-backend-config={key}={value}" for key, value in backend.items()]
    return ("init", *_EVENTS, *lock, *settings)


def parallel(number: int | None) -> dict[str, str]:
    """How many resources at a time, as terraform is told by its environment; it has its own number where none is."""
    return {f"TF_CLI_ARGS_{verb}": f"-parallelism={number}" for verb in ("plan", "apply")} if number else {}


def plan(file: str, variables: str) -> tuple[str, ...]:
    """It says by its exit code whether it changes anything."""
    return (*_plan(file, variables), "-detailed-exitcode")


def drift(file: str, variables: str) -> tuple[str, ...]:
    return (*_plan(file, variables), "-refresh-only")


def _plan(file: str, variables: str) -> tuple[str, ...]:
    """Without a lock, which a plan that is killed would leave behind: the apply sees whether the state moved."""
    return ("plan", *_EVENTS, "-lock=false", f"-out={file}", *([f"-var-file={variables}"] if variables else []))


def apply(file: str) -> tuple[str, ...]:
    return ("apply", *_EVENTS, "-auto-approve", file)


def show(file: str) -> tuple[str, ...]:
    return ("show", "-json", "-no-color", file)


def force_unlock(id: str) -> tuple[str, ...]:
    return ("force-unlock", "-no-color", "-force", id)


def push(file: str) -> tuple[str, ...]:
    return ("state", "push", file)


def backend(*, bucket: str, key: str, region: str, stand_in: bool, kms_key: str = "") -> dict[str, str]:
    """The settings of the S3 backend; those of a stand-in for AWS are added where one is used."""
    settings = {"bucket": bucket, "key": key, "region": region, "use_lockfile": "true", "encrypt": "true"}
    if kms_key:
        settings["kms_key_id"] = kms_key
    if stand_in:
        settings |= {"use_path_style": "true", "skip_metadata_api_check": "true", "skip_region_validation": "true"}
    return settings


def override() -> str:
    """The provider settings that a stand-in for AWS needs; never in the user's own files."""
    return json.dumps({"provider": {"aws": {"s3_use_path_style": True, "skip_metadata_api_check": "true"}}})


def inputs(
    environment: str, deployer: str, images: Mapping[str, str], packages: Mapping[str, Mapping[str, str]]
) -> str:
    """What every root is told. Terraform warns of a variable that it does not declare, and goes on."""
    said = {"environment": environment, "deployers": [deployer], "images": images, "packages": packages}
    return json.dumps(said, indent=2, sort_keys=True)


def imports(found: Mapping[str, str]) -> str:
    """Import blocks: resource address to the id of what exists."""
    return json.dumps({"import": [{"to": address, "id": id} for address, id in sorted(found.items())]}, indent=2)


def outputs(text: str) -> dict[str, Any]:
    """Name to value, of what `terraform output -json` prints."""
    try:
        return {name: said["value"] for name, said in json.loads(text).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # An output may be a secret: say what is wrong with it, never what it is.
        raise TerraformFailed(
            "terraform output is not JSON",
            where="terraform output",
            why=f"{type(error).__name__}: {error}",
            next="look for warnings that terraform prints among its outputs: terraform output -json",
        ) from error


def failed(verb: str, code: int, err: str) -> TerraformFailed:
    """What terraform printed, cut down to its errors."""
    body = _body(err)
    first = ERROR.search(body)
    return TerraformFailed(
        f"terraform {verb} failed: {first['what'] if first else f'exit code {code}'}",
        where=f"terraform {verb}",
        why=body[first.start() if first else 0 :][:4000],
        next=AGAIN,
    )


def _body(err: str) -> str:
    lines = [line.lstrip("│╷╵ ").rstrip() for line in err.splitlines()]
    return "\n".join(line for line in lines if line)
