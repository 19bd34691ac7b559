"""`ferry.toml`: what a team writes down about its system, as frozen values; every mistake in it, each with its line.

    load(path)        the file's configuration
    parse(text)       the same from text
    config_schema()   the JSON Schema of the file, for editors; committed as docs/reference/ferry.schema.json

Whoever has a `Config` has a sound one: paths stay inside the repository, every environment's deployer is of its own
account and nobody else's, promotion has a beginning, and no two artifacts or states share a place.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from ferry import shape
from ferry.errors import ConfigError, Mistake, UsageError
from ferry.model import Allowance, Environment, Kind, Name, Region, RelativePath, State
from ferry.shape import Count, FromKey, Misfit, Misshapen, Number, Text, dotted, nearest, show
from ferry.toml_lines import key_lines

_WORD = r"(?:[a-z0-9]|\{(?:env|project|name)\})+"
_PARTS = rf"{_WORD}(?:[._-]{_WORD})*"
Repository = Annotated[
    str,
    Text(
        pattern=rf"(?=.*\{{env\}})(?=.{{2,200}}$){_PARTS}(?:/{_PARTS})*",
        says="a lower-case ECR repository name with {env} in it (also {project}, {name}), such as '{env}-{name}'",
    ),
]
Package = Annotated[
    str,
    Text(
        pattern=r"(?=.*\{env\})(?!/)(?:[A-Za-z0-9!_.*'()/-]|\{(?:env|project|name)\}){1,400}",
        says="an S3 key with {env} in it (also {project}, {name}), such as '{env}/{name}.zip'",
    ),
]
ExternalImage = Annotated[
    str,
    Text(
        pattern=r"[a-z0-9][a-z0-9.-]{0,200}(?::[0-9]{1,5}(?=/))?(?:/[a-z0-9._-]{1,200}){0,8}"
        r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}(?:@sha256:[0-9a-f]{64})?",
        says="an image with its tag, such as 'python:3.13-slim'",
    ),
]
AbsolutePath = Annotated[str, Text(pattern=r"/[A-Za-z0-9_./-]{0,200}", says="an absolute path, such as '/var/task'")]
Variable = Annotated[
    str, Text(pattern=r"[A-Za-z_][A-Za-z0-9_]{0,100}", says="a variable's name: letters, digits and '_'")
]
TerraformType = Annotated[
    str, Text(pattern=r"[a-z][a-z0-9]{0,20}(_[a-z0-9]{1,40}){1,9}", says="a Terraform type, such as 'aws_kms_key'")
]
Topic = Annotated[
    str,
    Text(
        pattern=r"(?:[A-Za-z0-9_-]|\{env\}|\{project\}){1,200}", says="the name of an SNS topic, such as '{env}-alarms'"
    ),
]
SecretName = Annotated[
    str,
    Text(
        pattern=r"[A-Za-z0-9/_+=.@-]{1,256}",
        says="the name of a secret in Secrets Manager, never its value",
        secret=True,
    ),
]

STATEFUL = (
    "aws_cloudwatch_log_group",
    "aws_db_instance",
    "aws_dynamodb_table",
    "aws_ecr_repository",
    "aws_efs_file_system",
    "aws_kms_key",
    "aws_rds_cluster",
    "aws_s3_bucket",
    "aws_secretsmanager_secret",
    "aws_sqs_queue",
)


def _same_named(given: Mapping[str, object]) -> Iterator[Misfit]:
    """Directories that would be copied over each other."""
    first: dict[str, str] = {}
    match given:
        case {"source": list(directories)}:
            for index, directory in enumerate(directories):
                owner = first.setdefault(PurePosixPath(directory).name, directory) if isinstance(directory, str) else ""
                if owner and owner != directory:
                    allowed = f"a directory with another name than {show(owner)}"
                    yield Misfit(path=("source", index), found=show(directory), allowed=allowed)
        case _:
            pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How Ferry builds an image without a Dockerfile: dependencies and application as layers on a base."""

    base: Annotated[ExternalImage, "The image to build on."]
    lock: Annotated[RelativePath, "The requirements lock file, with hashes."]
    source: Annotated[
        tuple[RelativePath, ...],
        Count(minimum=1),
        "The application's directories; each is copied into `workdir` under its own name.",
    ]
    command: Annotated[tuple[str, ...], Count(minimum=1), "What the container runs."]
    adapter: Annotated[ExternalImage | None, "The image that carries the AWS Lambda Web Adapter."] = None
    workdir: Annotated[AbsolutePath, "Where the application is, and where the command runs."] = "/var/task"
    environment: Annotated[Mapping[Variable, str], "Environment variables of the image."] = field(default_factory=dict)
    port: Annotated[int, Number(minimum=1, maximum=65535), "The port that the application listens on."] = 8080

    rules = staticmethod(_same_named)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageArtifact:
    """A Lambda container image, built from a Dockerfile or from a recipe."""

    exactly_one_of = ("dockerfile", "recipe")

    name: Annotated[Name, FromKey()]
    kind: Annotated[Literal[Kind.IMAGE], "A container image."]
    repository: Annotated[Repository, "The ECR repository; {env}, {project} and {name} are filled in."]
    cache: Annotated[
        Repository | None,
        "The ECR repository that keeps the recipe's dependencies, so that no other machine installs them again; never "
        "one that an image is published to. Without one, each machine installs them once.",
    ] = None
    inputs: Annotated[
        tuple[RelativePath, ...], "Paths and globs, relative to ferry.toml, whose change means a new build."
    ] = ()
    dockerfile: Annotated[RelativePath | None, "The Dockerfile; its build sees `inputs` and nothing else."] = None
    recipe: Annotated[Recipe | None, "The build without a Dockerfile; its lock and source are inputs already."] = None

    @staticmethod
    def rules(given: Mapping[str, object]) -> Iterator[Misfit]:
        match given:
            case {"dockerfile": str(), "inputs": () | []}:
                allowed = "the paths that the Dockerfile copies: they decide when to build again"
                yield Misfit(path=("inputs",), found="nothing", allowed=allowed)
            case _:
                pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipArtifact:
    """A Lambda package: dependencies and application in one zip file."""

    name: Annotated[Name, FromKey()]
    kind: Annotated[Literal[Kind.ZIP], "A zip file."]
    package: Annotated[Package, "The S3 key of the zip; {env}, {project} and {name} are filled in."]
    lock: Annotated[RelativePath, "The requirements lock file, with hashes."]
    source: Annotated[
        tuple[RelativePath, ...],
        Count(minimum=1),
        "The application's directories; each is at the top of the zip under its own name.",
    ]
    handler: Annotated[
        str,
        Text(
            pattern=r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+", says="module.function, such as 'app.handler'"
        ),
        "What Lambda calls.",
    ]
    inputs: Annotated[tuple[RelativePath, ...], "What else, beside lock and source, means a new build."] = ()

    rules = staticmethod(_same_named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Infrastructure:
    """The Terraform that Ferry plans and applies."""

    root: Annotated[RelativePath, "The directory of the root module."]
    stateful: Annotated[
        tuple[TerraformType, ...], "Resource types that hold data: a plan that destroys one is blocked."
    ] = STATEFUL
    parallelism: Annotated[
        int | None, Number(minimum=1, maximum=64), "How many resources at a time; 10 if not said."
    ] = None


_DEPLOYMENTS, _IMAGES = 10, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What is kept, so that there is something to go back to."""

    deployments: Annotated[int, Number(minimum=1, maximum=1000), "Deployments that can be rolled back to."] = (
        _DEPLOYMENTS
    )
    images: Annotated[int, Number(minimum=1, maximum=1000), "Images kept in a repository."] = _IMAGES

    @staticmethod
    def rules(given: Mapping[str, object]) -> Iterator[Misfit]:
        match given:
            case {"deployments": int(deployments), "images": int(images)} if images < deployments:
                allowed = f"at least {show(deployments)}: one for each of retention.deployments"
                yield Misfit(path=("images",), found=show(images), allowed=allowed)
            case _:
                pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """The probe: an artifact that is deployed like the others, and that Ferry runs to judge a deployment."""

    artifact: Annotated[Name, "The zip artifact that holds it."]
    command: Annotated[
        tuple[str, ...],
        Count(minimum=1),
        "What is run in the unpacked zip; URLs and options follow. It answers with a JSON verdict.",
    ]
    expects: Annotated[
        Mapping[Variable, Name],
        "What a deployed canary is told to expect: a name that it knows, and the artifact whose digest that is.",
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """In what the environments may differ, beside their names and accounts."""

    allow: Annotated[
        tuple[str, ...], "Patterns of `address:attribute`, such as 'aws_cloudwatch_event_rule.*:schedule_expression'."
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifications:
    """Who hears of a deployment that failed, waits, recovered or was rolled back."""

    github: Annotated[bool, "Comment on the pull request and write the step summary."] = True
    topic: Annotated[Topic | None, "An SNS topic; {env} and {project} are filled in."] = None
    webhook_secret: Annotated[SecretName | None, "The secret that holds a webhook's address."] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a rehearsal needs to know of the system, beside what a deployment does."""

    bootstrap: Annotated[
        RelativePath | None,
        "The Terraform root that an admin runs once in an account: it makes the state's bucket and the deployer. "
        "Without one, the box's root user deploys.",
    ] = None
    bootstrap_variables: Annotated[RelativePath, "Its tfvars file; {env} is filled in."] = "{env}.tfvars"
    variables: Annotated[
        Mapping[Variable, str], "Terraform variables for the box; {news} is the address of its news service."
    ] = field(default_factory=dict)
    secrets: Annotated[
        Mapping[str, str],
        "Secrets that people would put into the account, by name; {env} and {news_key} are filled in.",
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that Ferry knows of a system: the artifacts, the infrastructure, the environments."""

    project: Annotated[Name, "What the system is called."]
    region: Annotated[Region, "The AWS region, for every environment that does not name its own."]
    infrastructure: Annotated[Infrastructure, "The Terraform that Ferry plans and applies."]
    environments: Annotated[Mapping[Name, Environment], Count(minimum=1), "Where releases go."]
    artifacts: Annotated[Mapping[Name, ImageArtifact | ZipArtifact], "What is built."] = field(default_factory=dict)
    canary: Annotated[Canary | None, "What judges a deployment; without one, nothing does."] = None
    rehearsal: Annotated[Rehearsal, "What `ferry rehearse` puts into its AWS in a box."] = Rehearsal()
    retention: Annotated[Retention, "What is kept to go back to."] = Retention()
    notifications: Annotated[Notifications, "Who hears of it."] = Notifications()
    parity: Annotated[Parity, "In what the environments may differ."] = Parity()
    allow: Annotated[tuple[Allowance, ...], "What guards would stop, and may pass for now."] = ()

    @staticmethod
    def rules(given: Mapping[str, object]) -> Iterator[Misfit]:
        environments, artifacts = _tables(given.get("environments")), _tables(given.get("artifacts"))
        yield from _promotions(environments)
        yield from _shared("environments", {name: _deployer(table) for name, table in environments.items()})
        yield from _shared("environments", {name: _state(table) for name, table in environments.items()})
        yield from _shared("artifacts", {name: _place(name, table) for name, table in artifacts.items()})
        yield from _caches(artifacts)
        yield from _shelves(environments, artifacts)
        yield from _probe(given.get("canary"), artifacts)

    def environment(self, name: str) -> Environment:
        """The environment that a user named."""
        if name not in self.environments:
            hint = nearest(name, list(self.environments))
            raise UsageError(
                f"there is no environment {name!r}" + (f"; did you mean {hint!r}?" if hint else ""),
                where="ferry.toml",
                next=f"name one of: {', '.join(self.environments)}",
            )
        return self.environments[name]


def load(path: Path) -> Config:
    file = str(path)
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _unreadable(file, f"a file that cannot be read: {reason}") from None
    try:
        # editors on Windows begin a file with a byte order mark
        return parse(content.decode("utf-8-sig"), file=file)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(file, f"the byte 0x{content[error.start]:02x}, which is not UTF-8", line) from None


def parse(text: str, file: str = "ferry.toml") -> Config:
    try:
        data, lines = tomllib.loads(text), key_lines(text)
    except (ValueError, RecursionError) as error:
        raise _not_toml(file, text, error) from None
    try:
        return _resolved(shape.read(Config, data))
    except Misshapen as error:
        mistakes = [_mistake(file, lines, misfit) for misfit in error.misfits]
        raise ConfigError(file, tuple(sorted(mistakes, key=lambda mistake: mistake.line))) from None


def config_schema() -> dict[str, Any]:
    return {**shape.schema(Config), "title": "ferry.toml"}


def schema_text() -> str:
    """The schema as docs/reference/ferry.schema.json holds it."""
    return json.dumps(config_schema(), indent=2, ensure_ascii=False) + "\n"


def fill(pattern: str, *, env: str, project: str, name: str) -> str:
    """A repository, package or topic with {env}, {project} and {name} filled in."""
    return pattern.replace("{env}", env).replace("{project}", project).replace("{name}", name)


def _resolved(config: Config) -> Config:
    """What an environment leaves out, it takes from the project."""
    environments = {name: _settled(environment, config.region) for name, environment in config.environments.items()}
    return replace(config, environments=environments)


def _settled(environment: Environment, default: Region) -> Environment:
    region = environment.region or default
    state = replace(environment.state, region=environment.state.region or region)
    return replace(environment, region=region, state=state)


def _mistake(file: str, lines: Mapping[shape.Path, int], misfit: Misfit) -> Mistake:
    return Mistake(
        file=file,
        line=_line(lines, misfit.path),
        key=dotted(misfit.path),
        found=misfit.found,
        allowed=misfit.allowed,
        nearest=misfit.nearest,
    )


def _line(lines: Mapping[shape.Path, int], path: shape.Path) -> int:
    """A key that is missing has no line: its table's is where to write it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _unreadable(file: str, found: str, line: int = 1, key: str = "") -> ConfigError:
    allowed = "a TOML 1.0 file in UTF-8"
    return ConfigError(file, (Mistake(file=file, line=line, key=key, found=found, allowed=allowed),))


def _not_toml(file: str, text: str, error: Exception) -> ConfigError:
    """The message of tomllib says where; what Python itself refuses has to be looked for."""
    if isinstance(error, RecursionError):
        return _unreadable(file, "lists or tables nested too deep to read", _line_of(r"(?:[\[{][^\[\]{}]*){50}", text))
    place = re.search(r" \((?:at line ([0-9]+), column ([0-9]+)|at end of document)\)$", str(error))
    if place is None:
        return _unreadable(file, "a number too long to read", _line_of(r"[0-9_]{4300}", text))
    line = int(place[1] or text.count("\n") + 1)
    where = f"column {place[2]}" if place[2] else "the end of the file"
    key = re.match(r"\s*([A-Za-z0-9_.-]{1,80})\s*=", text.split("\n")[line - 1])
    found = f"text that is not TOML: {str(error)[: place.start()]} ({where})"
    return _unreadable(file, found, line, key[1] if key else "")


def _line_of(pattern: str, text: str) -> int:
    match = re.search(pattern, text)
    return text.count("\n", 0, match.start() if match else 0) + 1


def _tables(value: object) -> dict[str, Mapping[str, object]]:
    """The tables in a table, whatever else was written there."""
    items = value.items() if isinstance(value, Mapping) else ()
    return {key: table for key, table in items if isinstance(key, str) and isinstance(table, Mapping)}


def _text(table: Mapping[str, object], key: str, default: str = "") -> str:
    value = table.get(key, default)
    return value if isinstance(value, str) else ""


def _promotions(environments: Mapping[str, Mapping[str, object]]) -> Iterator[Misfit]:
    sources = {name: source for name, table in environments.items() if (source := _text(table, "promote_from"))}
    for name, source in sources.items():
        path = ("environments", name, "promote_from")
        if source not in environments:
            others = [other for other in environments if other != name]
            allowed = f"an environment of this file: {', '.join(others) or 'there is no other'}"
            yield Misfit(path=path, found=show(source), allowed=allowed, nearest=nearest(source, others))
        elif name in _ancestors(name, sources):
            yield Misfit(
                path=path, found=f"{show(source)}, which leads back here", allowed="a chain that has a beginning"
            )


def _ancestors(name: str, sources: Mapping[str, str]) -> list[str]:
    chain: list[str] = []
    while name in sources and sources[name] not in chain:
        name = sources[name]
        chain.append(name)
    return chain


def _shared(table: str, places: Mapping[str, tuple[str, str]]) -> Iterator[Misfit]:
    """Two that share a place would overwrite each other."""
    first: dict[tuple[str, str], str] = {}
    for name, (key, place) in places.items():
        owner = first.setdefault((key, place), name) if place else name
        if owner != name:
            yield Misfit(path=(table, name, key), found=f"the same as {table}.{owner}", allowed=f"a {key} of its own")


def _deployer(table: Mapping[str, object]) -> tuple[str, str]:
    return "deployer", _text(table, "deployer")


def _state(table: Mapping[str, object]) -> tuple[str, str]:
    state = _tables(table).get("state", {})
    bucket = _text(state, "bucket")
    return "state", f"{bucket}/{_text(state, 'key', State.DEFAULT_KEY)}" if bucket else ""


def _probe(canary: object, artifacts: Mapping[str, Mapping[str, object]]) -> Iterator[Misfit]:
    table = _tables({"canary": canary}).get("canary", {})
    zips = [other for other, artifact in artifacts.items() if _text(artifact, "kind") == Kind.ZIP]
    if (name := _text(table, "artifact")) and name not in zips:
        allowed = f"a zip artifact of this file: {', '.join(zips) or 'there is none'}"
        yield Misfit(path=("canary", "artifact"), found=show(name), allowed=allowed, nearest=nearest(name, zips))
    expects = _tables(table).get("expects", {})
    for key in expects:
        if (name := _text(expects, key)) and name not in artifacts:
            allowed = f"an artifact of this file: {', '.join(artifacts)}"
            near = nearest(name, list(artifacts))
            yield Misfit(path=("canary", "expects", key), found=show(name), allowed=allowed, nearest=near)


def _shelves(
    environments: Mapping[str, Mapping[str, object]], artifacts: Mapping[str, Mapping[str, object]]
) -> Iterator[Misfit]:
    """Zips have to be published somewhere."""
    first = next((name for name, table in artifacts.items() if _text(table, "kind") == Kind.ZIP), None)
    for name, table in environments.items():
        if first and "packages" not in table:
            allowed = f"the bucket that zips are published to: artifacts.{first} is one"
            yield Misfit(path=("environments", name, "packages"), found="nothing", allowed=allowed)


def _caches(artifacts: Mapping[str, Mapping[str, object]]) -> Iterator[Misfit]:
    """What a cache holds expires by its age: among it, an image that runs would. Several may share one."""
    owners = {_text(table, "repository").replace("{name}", name): name for name, table in artifacts.items()}
    for name, table in artifacts.items():
        cache = _text(table, "cache").replace("{name}", name)
        if cache and cache in owners:
            found = f"the same as artifacts.{owners[cache]}.repository"
            yield Misfit(path=("artifacts", name, "cache"), found=found, allowed="a repository that holds no image")


def _place(name: str, table: Mapping[str, object]) -> tuple[str, str]:
    key = "package" if "package" in table else "repository"
    return key, _text(table, key).replace("{name}", name)
