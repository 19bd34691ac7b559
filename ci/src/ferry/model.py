"""Ferry's words as types: artifact, release, environment, deployment, finding. Frozen, and nothing here does I/O.

Ids come from content: the same release has the same id on every machine. What is written down
(`to_json`, `from_json`) carries its schema version; a version this Ferry does not know is refused, never guessed at.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, ClassVar

from ferry.errors import RecordError
from ferry.shape import FromKey, Misfit, Misshapen, Number, Text, dotted, key_field, plain, read, show

Account = Annotated[str, Text(pattern=r"[0-9]{12}", says="12 digits in quotes, such as '111122223333'")]
Name = Annotated[
    str,
    Text(
        pattern=r"(?=.{1,40}$)[a-z][a-z0-9]*(-[a-z0-9]+)*",
        says="a name: at most 40 of a-z, 0-9 and single '-', beginning with a letter",
    ),
]
Region = Annotated[
    str, Text(pattern=r"[a-z]{2}(-[a-z]{2,10}){1,3}-[0-9]", says="an AWS region in quotes, such as 'eu-central-1'")
]
Deployer = Annotated[
    str,
    Text(
        pattern=r"arn:aws(-cn|-us-gov)?:iam::[0-9]{12}:(user|role)/[A-Za-z0-9_+=,.@/-]{1,256}",
        says="the ARN of an IAM user or role, such as 'arn:aws:iam::111122223333:role/ferry'",
    ),
]
RelativePath = Annotated[
    str,
    Text(
        pattern=r"(?![/~])(?!([^/]*/)*\.\.(/|$))[^\x00-\x1f\x7f\\]+",
        says="a relative path with '/', without '..' or '~', such as 'src/page'",
    ),
]
Commit = Annotated[str, Text(pattern=r"[0-9a-f]{40}([0-9a-f]{24})?", says="a full commit id: 40 (or 64) hex digits")]
Digest = Annotated[str, Text(pattern=r"sha256:[0-9a-f]{64}", says="a digest: 'sha256:' and 64 hex digits")]

Moment = Annotated[
    str,
    Text(
        pattern=r"(\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ)?",
        says="a time in UTC such as 2026-01-31T12:00:00Z, or nothing",
    ),
]


class Severity(StrEnum):
    INFO = "info"
    WARN = "warn"
    BLOCK = "block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a guard says of a plan."""

    guard: str
    severity: Severity
    verdict: str
    address: str
    what: str
    why: str = ""
    next: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """One finding that would stop a run and may pass for now: of one guard, at one address."""

    guard: Annotated[Name, "The guard that stops it, as its finding says."]
    address: Annotated[str, "The resource, in Terraform's words; exactly one."]
    reason: Annotated[
        str, Text(pattern=r"[\s\S]{10,}", says="a reason, of at least 10 characters"), "Why; the report says it."
    ]
    until: Annotated[date, "The last day on which it may pass."]
    environment: Annotated[Name, "Where it may pass; everywhere if not said."] = ""


class Kind(StrEnum):
    IMAGE = "image"
    ZIP = "zip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Something built once: `key` is the hash of its inputs, `digest` the hash of its bytes.

    `inputs` are these inputs, each by name with its own hash: where two keys differ, they say by what. `stand_ins`
    names what was put in place of an input that could not be fetched: such an artifact is for trying out.
    """

    name: Name
    kind: Kind
    key: str
    digest: Digest
    size: Annotated[int, Number(minimum=0)]
    stand_ins: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A commit and everything that was built from it. `dirty`: the tree held changes that no commit has."""

    commit: Commit
    dirty: bool
    artifacts: tuple[Artifact, ...]

    @property
    def id(self) -> str:
        """`r-` and 12 hex digits of the content; the order in which the artifacts were built does not matter."""
        return f"r-{_hash(replace(self, artifacts=tuple(sorted(self.artifacts, key=_hash))))[:12]}"


class Outcome(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One release going to one environment. `previous` is the deployment that it found there.

    `changes` counts what the plan did, by kind; `verdict` is the canary's word; `run` is the run that did all this.
    """

    environment: Name
    release: Release
    plan_hash: str
    findings: tuple[Finding, ...]
    outcome: Outcome
    started: str
    finished: str
    who: str
    why: str = ""
    previous: str = ""
    changes: Mapping[str, int] = field(default_factory=dict)
    verdict: str = ""
    run: str = ""

    @property
    def id(self) -> str:
        """`d-` and 12 hex digits of what is settled when it starts: how it ends does not change which one it is."""
        settled = {"plan_hash": self.plan_hash, "started": self.started, "who": self.who}
        return f"d-{_hash({'environment': self.environment, 'release': self.release.id, **settled})[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """What an environment runs, since when, and by which deployment."""

    environment: Name
    deployment: str
    release: Release
    since: str


class Phase(StrEnum):
    BEGUN = "begun"
    APPLYING = "applying"
    APPLIED = "applied"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A run that is over and may have left the state locked: with this lock, or with one that it took in this time."""

    run: str
    who: str
    lock: str
    since: Moment
    until: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One command that changes an environment, written down before it touches anything, and again while it lives.

    `where` is the process and its machine, as `outside.machine` knows them. `beats` makes each text another one, and
    `beaten` is when it was written, by the run's own clock. `lock` is the id of the lock that its terraform holds.
    """

    token: Annotated[str, Text(pattern=r"[0-9a-f]{12}", says="12 hex digits")]
    environment: Name
    verb: str
    who: str
    where: str
    release: str
    started: Moment
    beaten: Moment
    beats: Annotated[int, Number(minimum=0)] = 0
    plan_hash: str = ""
    phase: Phase = Phase.BEGUN
    applying_since: Moment = ""
    lock: str = ""
    ended: Moment = ""
    outcome: str = ""
    suspects: tuple[Suspect, ...] = ()

    @property
    def id(self) -> str:
        return f"run-{self.token}"


class Approval(StrEnum):
    """Who lets a release into an environment: nobody needs to, the gate decides by the kind of change, or a person."""

    AUTOMATIC = "automatic"
    BY_CHANGE = "by-change"
    PERSON = "person"


class Threshold(StrEnum):
    """From which severity on what a scan found stops a release."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NEVER = "never"


Bucket = Annotated[str, Text(pattern=r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", says="the name of an S3 bucket")]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where Terraform keeps the state of an environment: an S3 backend."""

    DEFAULT_KEY: ClassVar = "terraform.tfstate"

    bucket: Annotated[Bucket, "The bucket; made by infrastructure/bootstrap, versioned."]
    key: Annotated[RelativePath, "The object that holds the state."] = DEFAULT_KEY
    region: Annotated[Region, "The bucket's region, where it is not the environment's."] = ""
    kms_key: Annotated[str, "The key that encrypts the state, where it is not the bucket's own: ARN or alias."] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoke:
    """How well an environment must answer after a deployment, or the deployment counts as failed."""

    health_within_s: Annotated[
        float, Number(minimum=1, maximum=900), "Seconds until the health check answers, a cold start included."
    ] = 60.0
    first_event_within_s: Annotated[
        float, Number(minimum=1, maximum=900), "Seconds until a new stream brings its first event."
    ] = 15.0
    events: Annotated[int, Number(minimum=1, maximum=1000), "Events that each stream must bring."] = 3
    streams: Annotated[int, Number(minimum=1, maximum=100), "Streams opened side by side."] = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One place that releases go to: an account, a region, and the deployer that may change them."""

    name: Annotated[Name, FromKey()]
    account: Annotated[Account, "The AWS account."]
    deployer: Annotated[Deployer, "The IAM user or role that deploys here, and nowhere else."]
    state: Annotated[State, "Where Terraform keeps its state."]
    variables: Annotated[RelativePath, "The tfvars file, relative to infrastructure.root."]
    region: Annotated[Region, "The AWS region, where it is not the project's."] = ""
    packages: Annotated[Bucket, "The bucket that zips are published to; needed where an artifact is one."] = ""
    promote_from: Annotated[Name, "The environment that a release must have passed before it comes here."] = ""
    approval: Annotated[Approval, "Who lets a release in: nobody, the gate by kind of change, or a person."] = (
        Approval.BY_CHANGE
    )
    scan_stops_at: Annotated[
        Threshold,
        "The lowest severity, of what ECR's scan finds in an image, that stops it here; `never`: findings are told, "
        "and stop nothing.",
    ] = Threshold.NEVER
    smoke: Annotated[Smoke, "What must hold after a deployment."] = Smoke()

    @staticmethod
    def rules(given: Mapping[str, object]) -> Iterator[Misfit]:
        match given:
            case {"account": str(account), "deployer": str(deployer)}:
                theirs = re.match(r"arn:[a-z-]+:iam::([0-9]{12}):", deployer)
                if theirs and theirs[1] != account and re.fullmatch("[0-9]{12}", account):
                    allowed = f"a deployer of account {show(account)}, which this environment names"
                    yield Misfit(path=("deployer",), found=f"a deployer of account {theirs[1]!r}", allowed=allowed)
            case _:
                pass


_AGAIN = {
    "release": "build the release again: ferry build",
    "deployment": "restore an earlier version of the record, or deploy again: ferry deploy",
    "pin": "restore an earlier version of that object, or let an admin delete it and deploy again",
    "run": "see that nobody deploys there, then let an admin delete that object",
}


def to_json(value: Any) -> str:
    """The record of a value: the same text for the same value, and always one that `from_json` takes."""
    kind = type(value)
    text = json.dumps({"schema": _schema(kind), **_seal(value), **_content(value)}, indent=2) + "\n"
    if from_json(kind, text, where="about to be written") != value:
        raise _refusal(kind, "about to be written", "what is read back from it is not the same")
    return text


def from_json[T](kind: type[T], text: str, *, where: str = "") -> T:
    """The value that was written; `where` names the place it came from, for the message when it cannot be trusted."""
    record = _parsed(kind, text, where)
    schema = record.pop("schema", None)
    if schema != _schema(kind):
        raise _foreign(kind, where, schema)
    seal: dict[str, Any] = {key: record.pop(key) for key in ("id", "sha256") if key in record}
    try:
        value = _read(kind, record)
    except Misshapen as error:
        raise _refusal(kind, where, _listed(error)) from None
    if seal != _seal(value):
        why = (
            f"it says {_words(seal)}, but its content gives {_words(_seal(value))}: it was changed after it was written"
        )
        raise _refusal(kind, where, why)
    return value


def _content(value: Any) -> dict[str, Any]:
    """A value that is named by the key it stands under writes its name beside the rest."""
    key = key_field(type(value))
    return {**({key: getattr(value, key)} if key else {}), **plain(value)}


def _read[T](kind: type[T], record: dict[str, Any]) -> T:
    key = key_field(kind)
    if not key:
        return read(kind, record)
    name = record.pop(key, None)
    if not isinstance(name, str):
        raise Misshapen((Misfit(path=(key,), found=show(name), allowed="a name"),))
    keyed: Any = Mapping[Name, kind]  # type: ignore[valid-type] # a type that is a value here
    named: Mapping[str, T] = read(keyed, {name: record})
    return named[name]


def _seal(value: Any) -> dict[str, Any]:
    """What shows that a record holds what was written: the id, where the value has one, and the hash of all of it."""
    named: dict[str, Any] = {"id": value.id} if hasattr(value, "id") else {}
    return {**named, "sha256": _hash(value)}


def _words(seal: dict[str, Any]) -> str:
    return ", ".join(f"{key} {show(value)}" for key, value in seal.items()) or "no id and no sha256"


def _parsed(kind: type[Any], text: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise _refusal(kind, where, f"it is not complete JSON: {error}") from None
    except ValueError:
        raise _refusal(kind, where, "it is not complete JSON: a number too long to read") from None
    except RecursionError:
        raise _refusal(kind, where, "it is not complete JSON: nested too deep to read") from None
    if not isinstance(record, dict):
        raise _refusal(kind, where, f"it holds {show(record)}, not a record")
    return record


def _foreign(kind: type[Any], where: str, schema: object) -> RecordError:
    """Another kind of record, or one that a newer Ferry wrote."""
    wanted = _schema(kind)
    if isinstance(schema, str) and re.fullmatch(rf"{wanted.removesuffix('1')}(?!0|1$)[0-9]+", schema):
        why = f"it is written as {show(schema)}, and this Ferry reads {wanted!r}"
        return _refusal(kind, where, why, "use the Ferry that wrote it, or a newer one")
    return _refusal(kind, where, f"its schema is {show(schema)}, where {wanted!r} belongs")


def _refusal(kind: type[Any], where: str, why: str, next: str = "") -> RecordError:
    word = kind.__name__.lower()
    again = next or _AGAIN.get(word, "restore an earlier version of it, or make it again")
    return RecordError(f"this {word} record cannot be trusted", where=where, why=why, next=again)


def _listed(error: Misshapen) -> str:
    return "; ".join(f"{dotted(m.path) or 'the record'}: found {m.found}; allowed: {m.allowed}" for m in error.misfits)


def _schema(kind: type[Any]) -> str:
    return f"ferry.{kind.__name__.lower()}/1"


def _hash(value: Any) -> str:
    content = value if isinstance(value, dict) else _content(value)
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
