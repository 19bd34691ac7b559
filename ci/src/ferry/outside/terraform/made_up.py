"""A world that terraform can plan in without any account: everything that providers would say is made up. Pure.

`terraform test` plans with providers that are stand-ins. What they make up at random would differ from plan to plan, so
every text that they would make up is given to them, by the provider's own schema: the same for each environment, but
for what is the environment's own. What data sources are asked for would not be in the plan; a copy of each is put
beside it, in a resource that does nothing.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ferry import tfplan
from ferry.errors import TerraformFailed
from ferry.outside.terraform import blocks
from ferry.tfplan import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ferry.outside.terraform.blocks import Block, Module
    from ferry.tfplan import Change

FOLDER = "ferry-parity"
TESTS = ("*.tftest.hcl", "*.tftest.json")
"""The root's own, which terraform reads whatever it is told to run: they may need modules that nobody plans with."""
LOCAL_FILE = "ferry_override.tf.json"
COPIES_FILE = "ferry_copies.tf.json"
COPY = "ferry_copy__"
BUILT_IN = "terraform.io/builtin/"
REMOTE_STATE = "terraform_remote_state"
COPIED = re.compile(rf"(?P<module>.*)terraform_data\.{COPY}(?P<type>\w+?)__(?P<name>[\w-]+)")
SCHEMAS = ("providers", "schema", "-json", "-no-color")
HASH = 8

ARNS = {
    "aws_acm_certificate": "acm:{region}:{account}:certificate/{id}",
    "aws_api_gateway_rest_api": "apigateway:{region}::/restapis/{name}",
    "aws_apigatewayv2_api": "apigateway:{region}::/apis/{name}",
    "aws_cloudwatch_event_bus": "events:{region}:{account}:event-bus/{name}",
    "aws_cloudwatch_event_rule": "events:{region}:{account}:rule/{name}",
    "aws_cloudwatch_log_group": "logs:{region}:{account}:log-group:{name}",
    "aws_cloudwatch_metric_alarm": "cloudwatch:{region}:{account}:alarm:{name}",
    "aws_iam_group": "iam::{account}:group/{name}",
    "aws_iam_instance_profile": "iam::{account}:instance-profile/{name}",
    "aws_iam_openid_connect_provider": "iam::{account}:oidc-provider/{name}",
    "aws_iam_policy": "iam::{account}:policy/{name}",
    "aws_iam_role": "iam::{account}:role/{name}",
    "aws_iam_user": "iam::{account}:user/{name}",
    "aws_kms_alias": "kms:{region}:{account}:alias/{name}",
    "aws_kms_key": "kms:{region}:{account}:key/{id}",
    "aws_lambda_alias": "lambda:{region}:{account}:function:{name}:live",
    "aws_lambda_function": "lambda:{region}:{account}:function:{name}",
    "aws_lambda_layer_version": "lambda:{region}:{account}:layer:{name}:1",
    "aws_s3_bucket": "s3:::{name}",
    "aws_secretsmanager_secret": "secretsmanager:{region}:{account}:secret:{name}",
    "aws_sfn_state_machine": "states:{region}:{account}:stateMachine:{name}",
    "aws_sns_topic": "sns:{region}:{account}:{name}",
    "aws_sns_topic_policy": "sns:{region}:{account}:{name}",
    "aws_sqs_queue": "sqs:{region}:{account}:{name}",
}
"""Of the types whose ARNs others look at closely. Those of other types are the service, the type's rest and a name."""
NAMED_BY_ARN = frozenset(
    {
        "aws_acm_certificate",
        "aws_iam_policy",
        "aws_lb",
        "aws_lb_listener",
        "aws_lb_target_group",
        "aws_secretsmanager_secret",
        "aws_sfn_state_machine",
        "aws_sns_topic",
        "aws_sns_topic_policy",
    }
)
"""Types whose id is their ARN."""
SHAPES = (
    (re.compile(r"account_id|owner_id|registry_id"), "{account}"),
    (re.compile(r"(.*_)?partition"), "aws"),
    (re.compile(r"(.*_)?dns_suffix"), "amazonaws.com"),
    (re.compile(r"(.*_)?region"), "{region}"),
    (re.compile(r"(.*_)?(url|endpoint|uri)"), "https://{name}.example.com"),
    (re.compile(r"(.*_)?(date|at|time)|not_(before|after)"), "2020-01-01T00:00:00Z"),
    (re.compile(r".*json|(.*_)?policy|.*policy_document|secret_string"), "{{}}"),
    (re.compile(r".*cidr.*"), "10.0.0.0/16"),
    (re.compile(r"(.*_)?ip(_address)?"), "10.0.0.1"),
    (re.compile(r"version"), "1"),
)
"""What an attribute by such a name has to look like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Where an environment is, and who plans."""

    account: str
    region: str
    caller: str


def local() -> str:
    """A state of this folder's own, whatever backend the root names: it stays empty."""
    return json.dumps({"terraform": {"backend": {"local": {}}}})


def copies(declared: Sequence[Block]) -> str:
    """A module's data sources, said once more where a plan shows them."""
    data = [it for it in declared if it.mode == "data"]
    said = {f"{COPY}{it.type}__{it.name}": {"input": f"${{{it.address}}}"} for it in data}
    return json.dumps({"resource": {"terraform_data": said}} if said else {})


def init(*, locked: bool) -> tuple[str, ...]:
    """Tests in folders are the root's own: ours are in another."""
    lock = ["-lockfile=readonly"] if locked else []
    return ("init", "-json", "-input=false", "-no-color", *lock, f"-test-directory={FOLDER}")


def test(environment: str, variables: Sequence[str]) -> tuple[str, ...]:
    files = [f"-var-file={name}" for name in variables if name]
    chosen = f"-filter={file(environment)}"
    return ("test", "-json", "-verbose", "-no-color", f"-test-directory={FOLDER}", chosen, *files)


def file(environment: str) -> str:
    return f"{FOLDER}/{environment}.tftest.json"


def test_text(modules: Sequence[Module], schemas: Mapping[str, Any], world: World) -> str:
    """The test that plans in this world."""
    made = _MadeUp(schemas, world)
    declared = [(module, it) for module in modules for it in blocks.objects(module)]
    types = {(it.mode, it.type) for _, it in declared}
    root = next(module for module in modules if not module.key)
    mock = {
        "override_during": "plan",
        "mock_resource": {type: {"defaults": made.values("resource", type, type)} for type in _of("resource", types)},
        "mock_data": {type: {"defaults": made.values("data", type, type)} for type in _of("data", types)},
    }
    said = {
        "mock_provider": {
            name: [mock, *({**mock, "alias": alias} for alias in aliases)]
            for name, aliases in _mocked(root, schemas).items()
        },
        # Each its own name, so that it shows which of two is meant. Instances of modules have those of their type.
        "override_resource": [
            {
                "target": module.address + it.address,
                "override_during": "plan",
                "values": made.values("resource", it.type, module.address + it.address),
            }
            for module, it in declared
            if it.mode == "resource" and made.knows("resource", it.type)
        ],
        # Of another root's state, that is what is read of it.
        "override_data": [
            {"target": module.address + it.address, "values": {"outputs": made.outputs(module, it)}}
            for module, it in declared
            if it.type == REMOTE_STATE and it.mode == "data"
        ],
        "run": {"plan": {"command": "plan"}},
    }
    return json.dumps(said)


def _of(mode: str, types: set[tuple[str, str]]) -> list[str]:
    return sorted(type for kind, type in types if kind == mode)


def _mocked(root: Module, schemas: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Every provider that is used and that the root can name, by its name for it, with its aliases."""
    local = {source: name for name, source in blocks.sources(root).items()}
    used = ["/".join(name.split("/")[-2:]) for name in schemas if not name.startswith(BUILT_IN)]
    implied = {source: source.rpartition("/")[2] for source in used if source.startswith("hashicorp/")}
    known = implied | local
    configured = blocks.providers(root)
    return {known[source]: configured.get(known[source], ()) for source in used if source in known}


class _MadeUp:
    """What providers would say, by the schemas of what they know."""

    def __init__(self, schemas: Mapping[str, Any], world: World) -> None:
        self._world = world
        self._schemas: dict[tuple[str, str], Mapping[str, Any]] = {}
        for name, said in schemas.items():
            if name.startswith(BUILT_IN):
                continue
            for mode, key in (("resource", "resource_schemas"), ("data", "data_source_schemas")):
                self._schemas |= {(mode, type): one["block"] for type, one in said.get(key, {}).items()}

    def knows(self, mode: str, type: str) -> bool:
        return (mode, type) in self._schemas

    def values(self, mode: str, type: str, address: str) -> dict[str, Any]:
        if not self.knows(mode, type):
            return {}
        made = self._block(self._schemas[mode, type], mode, type, _name(address))
        return {**made, **self._own(mode, type)}

    def outputs(self, module: Module, state: Block) -> dict[str, str]:
        said = re.compile(rf"\bdata\.{REMOTE_STATE}\.{re.escape(state.name)}(?:\[[^\]]*\])?\.outputs\.([\w-]+)")
        names = sorted({name for text in module.files.values() for name in said.findall(text)})
        return {name: self._text("", name, _name(f"{module.address}{state.address}.{name}")) for name in names}

    def _block(self, block: Mapping[str, Any], mode: str, type: str, name: str) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, said in block.get("attributes", {}).items():
            value = self._value(said, mode, type, key, name) if said.get("computed") else None
            made |= {} if value is None else {key: value}
        for key, said in block.get("block_types", {}).items():
            inside = self._block(said["block"], mode, type, name)
            made |= {key: inside} if inside else {}
        return made

    def _value(self, said: Mapping[str, Any], mode: str, type: str, key: str, name: str) -> Any:
        match said.get("type"):
            case "string":
                return self._text(type, key, name)
            # Whoever looks something up counts on finding one.
            case ["list" | "set", "string"] if mode == "data":
                return [self._text(type, key, name)]
            case _:
                return None

    def _text(self, type: str, key: str, name: str) -> str:
        pattern = next((text for shape, text in SHAPES if shape.fullmatch(key)), "{name}")
        if key.endswith("arn") or (key == "id" and type in NAMED_BY_ARN):
            service, _, rest = type.removeprefix("aws_").partition("_")
            pattern = "arn:aws:" + ARNS.get(type, f"{service}:{{region}}:{{account}}:{rest or service}/{{name}}")
        id = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
        return pattern.format(account=self._world.account, region=self._world.region, name=name, id=id)

    def _own(self, mode: str, type: str) -> dict[str, Any]:
        """What of an environment is known."""
        account, region, caller = self._world.account, self._world.region, self._world.caller
        known: dict[tuple[str, str], dict[str, Any]] = {
            ("data", "aws_availability_zones"): {"names": [f"{region}{zone}" for zone in "abc"]},
            ("data", "aws_caller_identity"): {"account_id": account, "arn": caller, "id": account},
            ("data", "aws_iam_session_context"): {"issuer_arn": caller},
            ("data", "aws_partition"): {"id": "aws"},
            ("data", "aws_region"): {"id": region, "name": region},
        }
        return known.get((mode, type), {})


def _name(address: str) -> str:
    """Short, and fit for a bucket: what it stands for, and what tells it from others."""
    last = re.sub(r"[^a-z0-9]+", "-", address.rpartition(".")[2].removeprefix("aws_").lower()).strip("-")
    return f"{last[:24]}-{uuid.uuid5(uuid.NAMESPACE_URL, address).hex[:HASH]}"


def schemas(text: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(text).get("provider_schemas", {})
    return found


def plan(text: str) -> Plan:
    """The plan that `terraform test -json -verbose` tells of, with the copies of data sources under their own names."""
    for line in text.splitlines():
        if '"type":"test_plan"' in line:
            said = json.loads(line)["test_plan"]
            document = {"format_version": said["plan_format_version"], "resource_changes": said["resource_changes"]}
            changes = tfplan.read(json.dumps(document)).changes.values()
            return Plan(changes={it.address: it for it in _under_their_names(changes)})
    raise TerraformFailed(
        "terraform test shows no plan",
        where="terraform test -json -verbose",
        why=text[-1000:],
        next="this version of terraform may be too new: try 1.11.4, and tell Ferry's maintainers",
    )


def _under_their_names(changes: Iterator[Change] | Any) -> Iterator[Change]:
    for change in changes:
        copy = COPIED.fullmatch(change.address)
        if copy is None:
            yield change
            continue
        address = f"{copy['module']}data.{copy['type']}.{copy['name']}"
        after, unknown = (_table(said.get("input")) for said in (change.after, change.unknown))
        yield replace(change, address=address, type=copy["type"], after=after, unknown=unknown)


def _table(said: Any) -> dict[str, Any]:
    """Of a data source with instances, the tables of all of them."""
    match said:
        case dict():
            return said
        case list():
            return {str(number): one for number, one in enumerate(said)}
        case _:
            return {"instances": said}
