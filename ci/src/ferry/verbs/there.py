"""What `ferry doctor` looks at in an environment: who calls, the state, the turn, rights, the release. Only reads."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio

from ferry.errors import AwsError, CredentialsError, FerryError
from ferry.model import Phase, Run, from_json
from ferry.outside.aws import failures, probes, standing
from ferry.outside.terraform import lock
from ferry.report.words import count
from ferry.tfplan import Action, Change, Plan
from ferry.verbs import places, turns
from ferry.verbs.checks import Check, Health, failed, ok, trouble, unasked
from ferry.verbs.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from ferry.config import Config
    from ferry.model import Environment
    from ferry.outside.aws import Access
    from ferry.outside.aws.bucket import Bucket
    from ferry.verbs.hands import Depot

ORDER = ("credentials", "account", "deployer", "state bucket", "versions", "state", "lock", "turn", "rights", "release")
AT_ONCE = 10
SET_UP = "let an admin run infrastructure/bootstrap: docs/how-to/set-up-an-account.md"
RIGHTS = "let an admin add it to the deployer's policies, and compare them with docs/how-to/set-up-an-account.md"
SIMULATED: Mapping[str, tuple[str, ...]] = {
    "aws_cloudwatch_metric_alarm": ("cloudwatch:PutMetricAlarm",),
    "aws_dynamodb_table": ("dynamodb:DescribeTable", "dynamodb:UpdateTable"),
    "aws_iam_role": ("iam:GetRole", "iam:ListRolePolicies"),
    "aws_lambda_function": (
        "lambda:GetFunction", "lambda:PublishVersion", "lambda:UpdateFunctionCode",
        "lambda:UpdateFunctionConfiguration",
    ),
    "aws_sns_topic": ("sns:GetTopicAttributes", "sns:SetTopicAttributes"),
    "aws_sqs_queue": ("sqs:GetQueueAttributes", "sqs:SetQueueAttributes"),
}  # fmt: skip
"""What a deployment does to what it finds, where the deployer's own policies alone decide."""
PUSHING = (
    "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
    "ecr:DescribeRepositories", "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage",
    "ecr:UploadLayerPart",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """An environment, and the ways to it."""

    config: Config
    environment: Environment
    access: Access
    depot: Depot
    ledger: Bucket


async def examined(contact: Contact) -> list[Check]:
    """Nothing of another account is looked at."""
    environment = contact.environment
    try:
        who = await standing.caller(contact.access)
    except FerryError as error:
        return [failed("credentials", error), *_unasked("account", "AWS does not say who we are")]
    found = [ok("credentials", who)]
    if who.split(":")[4] != environment.account:
        said = f"these credentials are of {who.split(':')[4]}, and {environment.name} is {environment.account}"
        found.append(trouble("account", said, next=f"log in as {environment.deployer}"))
        return [*found, *_unasked("deployer", "this is another account")]
    found += [ok("account", environment.account), _deployer(who, environment)]
    place = await _bucket(contact)
    return [*found, *place, *await _all(contact, who, reached=place[0].health is Health.OK)]


def without_credentials(error: CredentialsError) -> list[Check]:
    return [failed("credentials", error), *_unasked("account", "there are no credentials")]


def nothing(why: str) -> list[Check]:
    return _unasked("credentials", why)


def _unasked(first: str, why: str) -> list[Check]:
    return [unasked(name, why) for name in ORDER[ORDER.index(first) :]]


def _deployer(who: str, environment: Environment) -> Check:
    if standing.same(who, environment.deployer):
        return ok("deployer", "it is the one that ferry.toml names")
    said = (
        f"ferry.toml names {environment.deployer}: its rights are what is deployed with, and the key's policy knows it"
    )
    return trouble("deployer", said, next=f"log in as {environment.deployer}, or name this one in ferry.toml")


async def _bucket(contact: Contact) -> list[Check]:
    account, name = contact.environment.account, contact.environment.state.bucket
    access = replace(contact.access, region=contact.environment.state.region or contact.access.region)
    try:
        await standing.bucket(access, account, name)
    except AwsError as error:
        return [_no_bucket(error, name, account), unasked("versions", f"{name} is not to be had")]
    found = ok("state bucket", f"{name} is there, and is of {account}")
    try:
        kept = await standing.versioned(access, account, name)
    except AwsError as error:
        return [found, unasked("versions", f"{error.what} ({error.where})")]
    if kept:
        return [found, ok("versions", "earlier versions of the state are kept")]
    said = f"{name} is not versioned: a state that is overwritten is gone"
    mend = f"aws s3api put-bucket-versioning --bucket {name} --versioning-configuration Status=Enabled"
    return [found, trouble("versions", said, next=mend)]


def _no_bucket(error: AwsError, name: str, account: str) -> Check:
    code = failures.code(error)
    if code in {"404", "NoSuchBucket"}:
        said = f"there is no bucket {name}"
        return trouble(
            "state bucket", said, next="let an admin run infrastructure/bootstrap: docs/how-to/set-up-an-account.md"
        )
    if code in standing.DENIED:
        said = f"{name} is not of {account}, or s3:ListBucket on it is not allowed"
        return trouble("state bucket", said, next=f"check environments.*.state.bucket in ferry.toml; {RIGHTS}")
    return failed("state bucket", error)


async def _all(contact: Contact, who: str, *, reached: bool) -> list[Check]:
    """Side by side, and told in their order. `reached`: the state's bucket was."""
    inside: dict[str, Callable[[], Awaitable[Check]]] = {
        "state": lambda: _kept(contact),
        "lock": lambda: _locked(contact),
        "turn": lambda: _turn(contact),
    }
    looks: dict[str, Callable[[], Awaitable[Check]]] = {
        **(inside if reached else {}),
        "rights": lambda: _rights(contact, who),
        "release": lambda: _release(contact),
    }
    found = {} if reached else {name: unasked(name, "the state's bucket is not to be had") for name in inside}

    async def one(name: str, look: Callable[[], Awaitable[Check]]) -> None:
        try:
            found[name] = await look()
        except FerryError as error:
            found[name] = _failed(name, error)

    async with anyio.create_task_group() as tasks:
        for name, look in looks.items():
            tasks.start_soon(one, name, look)
    return [found[name] for name in ORDER if name in found]


def _failed(name: str, error: FerryError) -> Check:
    return trouble(name, f"may not {error.where}", next=RIGHTS) if _denied(error) else failed(name, error)


async def _kept(contact: Contact) -> Check:
    state = contact.environment.state
    where = f"s3://{state.bucket}/{state.key}"
    text = await contact.ledger.read(state.key)
    if text is None:
        return ok("state", f"{where} is not there yet: the first deployment makes it")
    try:
        said = json.loads(text)
        held = count(len(said["resources"]), "resource")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        wrong = f"{where} is no state of terraform: {type(error).__name__}: {error}"
        return trouble("state", wrong, next="restore an earlier version of that object")
    return ok("state", f"{where}: serial {said.get('serial')}, {held}")


async def _run(contact: Contact) -> tuple[Run, float] | None:
    seen = await contact.ledger.look(turns.place(contact.environment, "run.json"))
    return (from_json(Run, seen.text, where="run.json"), seen.age) if seen else None


async def _locked(contact: Contact) -> Check:
    seen = await contact.ledger.look(contact.environment.state.key + lock.SUFFIX)
    if seen is None:
        return ok("lock", "nobody holds it")
    holder = lock.read(seen.text)
    try:
        last = await _run(contact)
    except FerryError:
        last = None  # that is told of the turn
    if last and turns.over(*last) and any(turns.left_by(one, holder) for one in turns.suspects(last[0])):
        return ok("lock", f"{holder}: that run is over, and the next deployment releases it")
    root = contact.config.infrastructure.root
    mend = f"wait until that run is over; if it is for certain: terraform -chdir={root} force-unlock -force {holder.id}"
    return trouble("lock", str(holder), next=mend)


async def _turn(contact: Contact) -> Check:
    last = await _run(contact)
    if last is None:
        return ok("turn", "nobody has ever deployed with Ferry here")
    run, age = last
    if not turns.over(run, age):
        return trouble(
            "turn", f"another run has it: {turns.described(run)}", next="wait for it; ferry deploy does so by itself"
        )
    if run.phase is Phase.ENDED:
        return ok("turn", f"nobody's; the last was {turns.described(run)}: {run.outcome}")
    return ok("turn", f"nobody's; {turns.described(run)} is over without saying so, and the next deployment clears up")


async def _release(contact: Contact) -> Check:
    environment = contact.environment
    shelf = Shelf(contact.config, environment, contact.depot)
    last = await shelf.latest()
    if last is None:
        return ok("release", "nothing is published here yet")
    if await shelf.complete(last) is None:
        said = f"{last.id} was published last, and not all of it is there any more"
        return trouble("release", said, next=f"ferry publish --env {environment.name}")
    return ok("release", f"{last.id}: all {count(len(last.artifacts), 'artifact')} are there")


async def _rights(contact: Contact, who: str) -> Check:
    """By simulation, which knows what a deployment would write; where that is denied, by reading what a plan reads."""
    known = await _known(contact)
    wanted = _wanted(contact, known)
    try:
        refused = await standing.refused(contact.access, who, wanted)
    except AwsError as error:
        return await _dry(contact, known, f"{error.where} cannot be asked")
    if refused:
        said = "\n".join(f"may not {action} on {resource}" for action, resource in refused)
        return trouble("rights", said, next=RIGHTS)
    return ok("rights", f"IAM simulates {count(len(wanted), 'action')} of a deployment, and allows them")


def _wanted(contact: Contact, known: Sequence[Change]) -> list[tuple[str, str]]:
    environment, partition = contact.environment, contact.environment.deployer.split(":")[1]
    state = f"arn:{partition}:s3:::{environment.state.bucket}/{environment.state.key}"
    wanted = [("ecr:GetAuthorizationToken", "*"), ("s3:GetObject", state), ("s3:PutObject", state)]
    wanted += [(f"s3:{it}Object", f"{state}{lock.SUFFIX}") for it in ("Get", "Put", "Delete")]
    wanted += [(f"s3:{it}Object", f"{state}.ferry/run.json") for it in ("Get", "Put")]
    registry = f"arn:{partition}:ecr:{environment.region}:{environment.account}:repository"
    wanted += [(action, f"{registry}/{it}") for it in _repositories(contact) for action in PUSHING]
    if environment.packages:
        shelf = f"arn:{partition}:s3:::{environment.packages}"
        wanted += [
            ("s3:ListBucket", shelf),
            *((f"s3:{it}Object", f"{shelf}/{environment.name}/*") for it in ("Get", "Put")),
        ]
    return wanted + [
        (action, str(it.after["arn"])) for it in known for action in SIMULATED.get(it.type, ()) if it.after.get("arn")
    ]


def _repositories(contact: Contact) -> list[str]:
    config, images = contact.config, [name for name, it in contact.config.artifacts.items() if it.kind == "image"]
    return [places.repository(config, contact.environment, name) for name in images]


async def _known(contact: Contact) -> list[Change]:
    """The resources of the state, as a plan would name them: so they can be asked for."""
    try:
        state = await contact.ledger.read(contact.environment.state.key)
        found = json.loads(state or "{}").get("resources", [])
        return [
            Change(
                address=_address(resource, number), type=resource["type"], action=Action.CREATE, after=one["attributes"]
            )
            for resource in found
            if resource["mode"] == "managed"
            for number, one in enumerate(resource["instances"])
        ]
    except (FerryError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []  # what is wrong with it is told of the state


def _address(resource: Mapping[str, Any], number: int) -> str:
    return ".".join(
        [*([resource["module"]] if "module" in resource else []), resource["type"], f"{resource['name']}[{number}]"]
    )


async def _dry(contact: Contact, known: Sequence[Change], why: str) -> Check:
    """One call that reads for each type of resource, and for what a release needs."""
    plan = Plan(changes={change.address: change for change in known})
    first = {change.type: change for change in reversed(known) if probes.named(change)}
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "log in to the registry": lambda: standing.token(contact.access),
        **{f"read {type}": _probing(contact, change, plan) for type, change in first.items()},
    }
    if packages := contact.environment.packages:
        calls[f"list {packages}"] = lambda: contact.depot.bucket.present([contact.environment.name])
    wrong: list[str] = []
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def one(what: str, call: Callable[[], Awaitable[object]]) -> None:
        async with limiter:
            try:
                await call()
            except FerryError as error:
                wrong.append(f"may not {error.where}" if _denied(error) else f"cannot {what}: {error.what}")

    async with anyio.create_task_group() as tasks:
        for what, call in calls.items():
            tasks.start_soon(one, what, call)
    said = f"{count(len(calls) - len(wrong), 'call')} that a plan makes went well, by trying: {why}"
    return trouble("rights", "\n".join([*sorted(wrong), said]), next=RIGHTS) if wrong else ok("rights", said)


def _probing(contact: Contact, change: Change, plan: Plan) -> Callable[[], Awaitable[object]]:
    return lambda: probes.existing(contact.access, change, plan)


def _denied(error: FerryError) -> bool:
    return isinstance(error, AwsError) and failures.code(error) in standing.DENIED
