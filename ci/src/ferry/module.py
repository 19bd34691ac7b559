"""The Dagger module: one function a verb, and no logic. Everything below is wiring.

Every function says how it may be cached: Dagger keeps results for 7 days unless told otherwise, and a deploy that is
answered from a cache has not happened. `NEVER` is for what changes or observes the world; `PURE` for what depends on
nothing but its arguments.
"""

import functools
import json
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, dataclass_transform

import dagger
from dagger import DefaultPath, Doc, Ignore, check, dag, field, function, generate
from dagger.mod._exceptions import FunctionError

from ferry import config as reading
from ferry import model, shape
from ferry.errors import BuildFailed, CredentialsError, EngineFailed, FerryError, UsageError
from ferry.outside.aws import Access, Credentials, probes
from ferry.outside.aws.packages import S3Packages
from ferry.outside.builder import assemble
from ferry.outside.builder.dagger import DaggerBuilder, with_uv
from ferry.outside.canary import function as deployed
from ferry.outside.canary import program
from ferry.outside.registry import ecr
from ferry.outside.terraform import dagger as containers
from ferry.outside.terraform.dagger import DaggerTerraform
from ferry.report import Mask, Report, failure, html, terminal
from ferry.report.events import Found
from ferry.verbs.build import Built, build
from ferry.verbs.deploy import apply, deploy
from ferry.verbs.hands import Hands
from ferry.verbs.plan import plan
from ferry.verbs.prove import prove
from ferry.verbs.publish import publish, references

HOW = "cmd:aws configure export-credentials"
NO_COMMIT = "0" * 40
OUTPUT_CHARACTERS = 4000
"""How much of a failed program's output an error repeats: its end, where the verdict is."""

NEVER = "never"
PURE = "168h"
SESSION = "session"

NOT_SOURCE = [
    "**/.git",
    "**/.venv",
    "**/.tools",
    "**/.terraform",
    "**/*.tfstate*",
    "**/*.tfplan",
    "**/.env",
    "**/.ferry",
    "**/__pycache__",
    "**/.*_cache",
    "**/.hypothesis",
    "**/node_modules",
    "ci/sdk",
]
"""What is never part of the source: secrets, state, and what is made again."""


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
def object_type[T](cls: type[T]) -> type[T]:
    """Dagger's own decorator; type checkers do not see through it that the class becomes a dataclass."""
    made: type[T] = dagger.object_type(cls)
    return made


def verb[**P, R](
    *, cache: str, mark: Callable[[Any], Any] | None = None
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """A Dagger function whose failures a user reads as Ferry's own text, with no traceback.

    `mark` is Dagger's `check` or `generate`, for the functions that are one.
    """

    def decorate(call: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        @functools.wraps(call)
        async def told(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return await call(*args, **kwargs)
            except (FerryError, BaseExceptionGroup) as error:
                raise _told(error) from None
            except dagger.QueryError as error:
                raise _told(_of_engine(error)) from None

        return function(cache=cache)(mark(told) if mark else told)  # type: ignore[call-overload,no-any-return] # the stubs omit `cache`

    return decorate


_mask = Mask()
"""One call is one process: what is registered here is masked in everything that the call says."""


def _told(error: BaseException) -> FunctionError:
    return FunctionError(failure.text(_mask.masked(failure.facts(error))))


def _of_engine(error: dagger.QueryError) -> EngineFailed:
    """What a program printed, or what the engine itself said."""
    if isinstance(error, dagger.ExecError):
        said = "\n".join(text.strip()[-OUTPUT_CHARACTERS:] for text in (error.stdout, error.stderr) if text.strip())
        where = " ".join(error.command)
        return EngineFailed(f"a step ended with {error.exit_code}", where=where, why=said, next="mend what it names")
    return EngineFailed("the engine could not do a step", why=str(error), next="run it again with -vv for every step")


@object_type
class Finding:
    """What a guard says of a plan."""

    guard: Annotated[str, Doc("The guard that says it.")] = field()
    severity: Annotated[str, Doc("info, warn, or block.")] = field()
    verdict: Annotated[str, Doc("The guard's verdict in a word.")] = field()
    address: Annotated[str, Doc("The resource in Terraform's words.")] = field()
    what: Annotated[str, Doc("What was found.")] = field()
    why: Annotated[str, Doc("Why it matters.")] = field()
    next: Annotated[str, Doc("What to do about it.")] = field()


@object_type
class Ferry:
    """One release of a system, from a commit to production."""

    source: Annotated[
        dagger.Directory,
        DefaultPath("/"),
        Ignore(NOT_SOURCE),
        Doc("The repository: ferry.toml and everything that it names."),
    ]
    aws: Annotated[
        dagger.Secret | None,
        Doc(
            "AWS credentials as a credential process prints them: --aws='cmd:aws configure export-credentials'. "
            "Needed by whatever talks to AWS."
        ),
    ] = None
    aws_endpoint: Annotated[
        dagger.Service | None,
        Doc(
            "Stands in for AWS: an emulator or a gateway, such as tcp://127.0.0.1:4566. Rehearsals and closed networks."
        ),
    ] = None
    image_mirror: Annotated[
        dagger.Service | None,
        Doc("A registry that holds the external base images, for networks in which theirs cannot be reached."),
    ] = None
    providers: Annotated[
        dagger.Directory | None,
        Doc(
            "A Terraform provider mirror, as `terraform providers mirror` makes; what it lacks comes from the registry."
        ),
    ] = None
    python_image: Annotated[str, Doc("The image that dependencies are installed and checks are run with.")] = (
        "python:3.13-slim"
    )
    terraform_image: Annotated[str, Doc("The image that holds terraform.")] = "hashicorp/terraform:1.11.4"
    history: Annotated[
        dagger.GitRepository | None,
        DefaultPath("."),
        Doc("The git repository that the source is of: it says which commit is built, and whether anything differs."),
    ]

    @verb(cache=PURE)
    async def config(self) -> str:
        """Check ferry.toml and print what it says, with every default filled in, as JSON."""
        return json.dumps(shape.plain(await self.settings()), indent=2)

    @verb(cache=SESSION)
    async def build(self) -> "Release":
        """Build every artifact: the same inputs give the same digests on every machine."""
        config = await self.settings()
        mirror = await _address(self.image_mirror)
        builder = DaggerBuilder(self.source, python=self.python_image, mirror=mirror)
        commit, dirty = await self._commit()
        built = await build(config, builder, _report(), commit=commit, dirty=dirty)
        return Release(ferry=self, manifest=model.to_json(built.release), files=_files(built))

    @verb(cache=NEVER)
    async def plan(self, env: Annotated[str, Doc("The environment of ferry.toml to plan for.")]) -> "Plan":
        """Plan a deployment: what exists already is adopted, guards look at what is left. Changes nothing."""
        config = await self.settings()
        target = config.environment(env)
        release = await self.build()
        report = _report()
        async with self.hands(config, target) as (hands, terraform):
            await plan(target, references(config, target, release.content()), hands, report)
        return Plan(
            ferry=self,
            release=release,
            env=env,
            findings=[_finding(event.finding) for event in report.events if isinstance(event, Found)],
            page=html.render(report.events, title=f"Plan for {env}"),
            workspace=terraform.container,
        )

    @verb(cache=NEVER)
    async def deploy(self, env: Annotated[str, Doc("The environment of ferry.toml to deploy to.")]) -> str:
        """Build, try the images out, publish, plan, guard, and apply exactly that plan."""
        config = await self.settings()
        target = config.environment(env)
        release = await self.build()
        built = await release.read()
        for artifact in built.release.artifacts:
            tried = artifact.kind is model.Kind.IMAGE and config.canary is not None
            if tried and config.recipe(artifact.name).base not in artifact.stand_ins:
                await release.prove(artifact.name)
        async with self.hands(config, target) as (hands, _):
            await deploy(config, target, built, hands, _report())
        return f"{env} runs {built.release.id}"

    @verb(cache=PURE, mark=check)
    async def lint(self) -> str:
        """Check style and formatting of the Python code."""
        return (
            await self._tools()
            .with_exec(["uv", "run", "ruff", "check"])
            .with_exec(["uv", "run", "ruff", "format", "--check"])
            .stdout()
        )

    @verb(cache=PURE, mark=check)
    async def types(self) -> str:
        """Check the types of the Python code, strictly."""
        return await self._tools().with_exec(["uv", "run", "mypy"]).stdout()

    @verb(cache=PURE, mark=check)
    async def unit(self) -> str:
        """Run the fast tests."""
        return await self._tools().with_exec(["uv", "run", "pytest", "-q", "-m", "not slow and not engine"]).stdout()

    @verb(cache=PURE, mark=check)
    async def infrastructure(self) -> str:
        """Check format and validity of the Terraform code."""
        config = await self.settings()
        root = self.source.directory(config.infrastructure.root)
        terraform = await containers.bare(self.terraform_image, root, providers=self.providers)
        return await (
            terraform.with_exec(["terraform", "fmt", "-check", "-recursive", "-diff"])
            .with_exec(["terraform", "init", "-backend=false", "-input=false", "-no-color", "-lockfile=readonly"])
            .with_exec(["terraform", "validate", "-no-color"])
            .stdout()
        )

    @verb(cache=PURE, mark=generate)
    async def schema(self) -> dagger.Changeset:
        """Write the JSON Schema of ferry.toml anew."""
        return self.source.with_new_file("docs/reference/ferry.schema.json", reading.schema_text()).changes(self.source)

    async def _commit(self) -> tuple[str, bool]:
        """What is built, in git's words. Source without a history is work that nobody has committed."""
        if self.history is None:
            return NO_COMMIT, True
        try:
            return await self.history.head().commit(), not await self.history.uncommitted().is_empty()
        except dagger.QueryError:
            return NO_COMMIT, True

    def _tools(self) -> dagger.Container:
        """The workbench of this repository, installed from its lock."""
        return (
            with_uv(self.python_image)
            .with_env_variable("UV_LINK_MODE", "copy")
            .with_env_variable("UV_FROZEN", "1")
            .with_directory("/work", self.source)
            .with_workdir("/work")
            .with_exec(["uv", "sync", "--all-extras"])
        )

    async def settings(self) -> reading.Config:
        try:
            text = await self.source.file("ferry.toml").contents()
        except dagger.QueryError as error:
            raise UsageError("the source holds no ferry.toml", where="--source", why=str(error)) from None
        return reading.parse(text)

    @asynccontextmanager
    async def hands(
        self, config: reading.Config, target: model.Environment, workspace: dagger.Container | None = None
    ) -> AsyncIterator[tuple[Hands, DaggerTerraform]]:
        """Dagger's hands; `workspace` is the Terraform folder of a plan that was made before."""
        access = await self._access(target)
        if workspace is None:
            root = self.source.directory(config.infrastructure.root)
            bare = await containers.bare(self.terraform_image, root, providers=self.providers)
            workspace = containers.knowing(bare, self._credentials(), region=target.region)
            if self.aws_endpoint:
                port = int(access.endpoint.rpartition(":")[2])
                workspace = containers.reaching(workspace, self.aws_endpoint, port)
        terraform = DaggerTerraform(workspace)
        async with await ecr.open_registry(access, target.account) as registry:
            hands = Hands(
                registry=registry,
                packages=S3Packages(access, target.account),
                ensure_repository=functools.partial(ecr.ensure_repository, access),
                terraform=terraform,
                probe=functools.partial(probes.existing, access),
                ask=functools.partial(deployed.judge, access),
                stand_in=self.aws_endpoint is not None,
            )
            yield hands, terraform

    async def _access(self, target: model.Environment) -> Access:
        credentials = Credentials.read(await self._credentials().plaintext())
        for secret in credentials.secrets():
            _mask.register(secret)
        return Access(region=target.region, credentials=credentials, endpoint=await _address(self.aws_endpoint))

    def _credentials(self) -> dagger.Secret:
        if self.aws is None:
            raise CredentialsError("there are no AWS credentials", where="--aws", next=f"add --aws='{HOW}'")
        return self.aws


@object_type
class Release:
    """A commit and what was built from it, ready to be looked at, run, or published."""

    manifest: Annotated[str, Doc("The release as JSON: commit, artifacts, their keys and digests.")] = field()
    ferry: Ferry
    files: dagger.Directory

    @verb(cache=PURE)
    async def image(self, name: Annotated[str, Doc("The artifact's name in ferry.toml.")]) -> dagger.Container:
        """Give one image, as it is published, as a container to run, open or export."""
        self._artifact(name, model.Kind.IMAGE)
        return dag.container().import_(self.files.file(_file(name, model.Kind.IMAGE)))

    @verb(cache=PURE)
    async def package(self, name: Annotated[str, Doc("The artifact's name in ferry.toml.")]) -> dagger.File:
        """Give one zip, as it is published."""
        self._artifact(name, model.Kind.ZIP)
        return self.files.file(_file(name, model.Kind.ZIP))

    @verb(cache=NEVER)
    async def prove(self, name: Annotated[str, Doc("The artifact's name in ferry.toml.")]) -> str:
        """Run one image as a service, and let the release's own canary judge it."""
        config = await self.ferry.settings()
        if config.canary is None:
            raise UsageError("there is no canary", where="ferry.toml", next="write a [canary] table into it")
        artifact, recipe = self._artifact(name, model.Kind.IMAGE), config.recipe(name)
        if recipe.base in artifact.stand_ins:
            raise BuildFailed(
                "the image cannot run: something stands in for its base",
                where=name,
                why=f"{recipe.base} could not be reached when it was built",
                next="build where it can be, or name a registry that has it with --image-mirror",
            )
        image = await self.image(name)
        # Equal services are one service: this one is this call's own.
        service = image.with_env_variable("FERRY_CALL", uuid.uuid4().hex).with_exposed_port(recipe.port).as_service()
        package = (await self.read()).packages[config.canary.artifact]
        try:
            with program.unpacked(package, config.canary.command) as canary:
                judge = functools.partial(canary.judge, await _address(service))
                await prove(judge, _report(), what=name)
        finally:
            await service.stop()
        return f"the canary finds {name} healthy"

    @verb(cache=NEVER)
    async def publish(
        self, env: Annotated[str, Doc("The environment of ferry.toml whose registry it goes to.")]
    ) -> list[str]:
        """Push every image to the environment's registry, and answer the references by digest."""
        config = await self.ferry.settings()
        target = config.environment(env)
        built = await self.read()
        async with self.ferry.hands(config, target) as (hands, _):
            await publish(config, target, built, hands, _report())
        return list(references(config, target, built.release).images.values())

    def _artifact(self, name: str, kind: model.Kind) -> model.Artifact:
        artifacts = {artifact.name: artifact for artifact in self.content().artifacts if artifact.kind is kind}
        if name not in artifacts:
            raise UsageError(
                f"the release has no {kind} {name!r}", where="--name", next=f"one of: {', '.join(artifacts) or 'none'}"
            )
        return artifacts[name]

    async def read(self) -> Built:
        """The artifacts themselves, as they are published."""
        folder = Path(tempfile.mkdtemp(prefix="artifacts-"))
        await self.files.export(str(folder))
        release = self.content()
        kinds = {artifact.name: artifact.kind for artifact in release.artifacts}
        data = {name: (folder / _file(name, kind)).read_bytes() for name, kind in kinds.items()}
        return Built(
            release=release,
            images={name: assemble.read_layout(data[name]) for name in kinds if kinds[name] is model.Kind.IMAGE},
            packages={name: data[name] for name in kinds if kinds[name] is model.Kind.ZIP},
        )

    def content(self) -> model.Release:
        return model.from_json(model.Release, self.manifest)


@object_type
class Plan:
    """What a deployment would do: look at it, and apply exactly it."""

    env: Annotated[str, Doc("The environment that it is for.")] = field()
    findings: Annotated[list[Finding], Doc("What the guards say of it.")] = field()
    release: Annotated[Release, Doc("The release that it deploys.")] = field()
    ferry: Ferry
    page: str
    workspace: dagger.Container

    @verb(cache=PURE)
    async def report(self) -> dagger.File:
        """Give the plan as one HTML page that needs no network."""
        return dag.directory().with_new_file("plan.html", self.page).file("plan.html")

    @verb(cache=NEVER)
    async def apply(self) -> str:
        """Apply exactly this plan. Its release must be published, which `build publish` and `deploy` do."""
        config = await self.ferry.settings()
        target, release = config.environment(self.env), self.release.content()
        async with self.ferry.hands(config, target, self.workspace) as (hands, _):
            await apply(config, target, release, hands, _report())
        return f"{self.env} runs {release.id}"


def _report() -> Report:
    return Report([terminal.Plain(sys.stderr)], mask=_mask)


def _finding(said: model.Finding) -> Finding:
    return Finding(**{name: str(getattr(said, name)) for name in Finding.__annotations__})


async def _address(service: dagger.Service | None) -> str:
    """Where a service answers from inside this call; empty for none."""
    if service is None:
        return ""
    await service.start()
    return await service.endpoint(scheme="http")


def _file(name: str, kind: model.Kind) -> str:
    return f"{name}.{'tar' if kind is model.Kind.IMAGE else 'zip'}"


def _files(built: Built) -> dagger.Directory:
    folder = Path("artifacts")
    folder.mkdir(exist_ok=True)
    for name, image in built.images.items():
        (folder / _file(name, model.Kind.IMAGE)).write_bytes(assemble.layout(image))
    for name, package in built.packages.items():
        (folder / _file(name, model.Kind.ZIP)).write_bytes(package)
    return dag.current_module().workdir(str(folder))
