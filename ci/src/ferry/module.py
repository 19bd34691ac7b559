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
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, dataclass_transform

import dagger
from dagger import DefaultPath, Doc, Ignore, check, dag, field, function, generate
from dagger.mod._exceptions import FunctionError

from ferry import config as reading
from ferry import lockfile, model, shape, wiring
from ferry.errors import BuildFailed, CredentialsError, EngineFailed, FerryError, UsageError
from ferry.outside.aws import Access, Credentials
from ferry.outside.blobs import Blob, Store
from ferry.outside.builder import assemble
from ferry.outside.builder.dagger import DaggerBuilder, with_uv
from ferry.outside.canary import program
from ferry.outside.git import NO_COMMIT
from ferry.outside.registry.external import Externals
from ferry.outside.terraform import dagger as containers
from ferry.outside.terraform.dagger import DaggerOffline, DaggerTerraform
from ferry.report import Mask, Report, failure, html, terminal
from ferry.report.events import Found
from ferry.verbs import explain as explaining
from ferry.verbs import kept
from ferry.verbs import lock as locking
from ferry.verbs import parity as comparing
from ferry.verbs.bound import Bound, agreeing
from ferry.verbs.build import Built, BuiltImage, Workshop, build
from ferry.verbs.deploy import apply, deploy
from ferry.verbs.drift import drift
from ferry.verbs.generate import generated
from ferry.verbs.hands import Depot, Fetch, Hands, Target
from ferry.verbs.lenders import lenders
from ferry.verbs.plan import plan
from ferry.verbs.prove import try_out
from ferry.verbs.publish import publish, references
from ferry.verbs.shelf import Shelf

HOW = "cmd:aws configure export-credentials"
WORK = Path("work")
"""This call's own folder, in the only one that the engine can read from."""
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


Agree = Annotated[str, Doc("The plan that you agree to, by its fingerprint, where the environment asks for a person.")]


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
    async def build(
        self, env: Annotated[str, Doc("Look first at what is published to this environment: needs --aws.")] = ""
    ) -> "Release":
        """Build every artifact: the same inputs give the same digests on every machine."""
        config = await self.settings()
        if not env:
            return await self._built(config, None)
        target = config.environment(env)
        async with self.depot(target) as depot:
            return await self._built(config, Shelf(config, target, depot))

    @verb(cache=NEVER)
    async def explain(
        self, env: Annotated[str, Doc("The environment whose last release this source is compared with.")]
    ) -> str:
        """Say which inputs of which artifact changed since the last release that was published."""
        config = await self.settings()
        target = config.environment(env)
        async with self.depot(target) as depot:
            last = await explaining.published(Shelf(config, target, depot), target)
        workshop = await self._workshop(Store(WORK / "store"), None)
        return explaining.text(await explaining.explain(config, workshop, last, _report()))

    @verb(cache=NEVER)
    async def plan(self, env: Annotated[str, Doc("The environment of ferry.toml to plan for.")]) -> "Plan":
        """Plan a deployment: what exists already is adopted, guards look at what is left. Changes nothing."""
        config = await self.settings()
        target = config.environment(env)
        release = await self.build(env)
        report = _report()
        async with self.hands(config, target) as (hands, terraform):
            content = release.content()
            judged = await plan(config, target, references(config, target, content), hands, report)
        bound = Bound.of(target, content, judged)
        return Plan(
            ferry=self,
            release=release,
            env=env,
            findings=[_finding(event.finding) for event in report.events if isinstance(event, Found)],
            page=html.render(report.events, title=f"Plan for {env}"),
            workspace=terraform.container,
            fingerprint=bound.fingerprint,
            bound=bound.text(),
        )

    @verb(cache=NEVER)
    async def deploy(
        self, env: Annotated[str, Doc("The environment of ferry.toml to deploy to.")], agree: Agree = ""
    ) -> str:
        """Build what is not published yet, try it out, publish, plan, guard, and apply exactly that plan."""
        config = await self.settings()
        target = config.environment(env)
        built = await (await self.build(env)).read()
        async with self.hands(config, target, agree=agree) as (hands, _):
            await deploy(config, target, built, hands, _report())
        return f"{env} runs {built.release.id}"

    @verb(cache=NEVER)
    async def drift(self, env: Annotated[str, Doc("The environment of ferry.toml to look at.")]) -> str:
        """Say as JSON what somebody changed in AWS behind Terraform's back, and what a deployment does about it."""
        config = await self.settings()
        target = config.environment(env)
        async with self.hands(config, target) as (hands, _):
            return json.dumps((await drift(config, target, hands, _report())).plain(), indent=2)

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
        terraform = await self._terraform(await self.settings())
        return await (
            terraform.with_exec(["terraform", "fmt", "-check", "-recursive", "-diff"])
            .with_exec(["terraform", "init", "-backend=false", "-input=false", "-no-color", "-lockfile=readonly"])
            .with_exec(["terraform", "validate", "-no-color"])
            .stdout()
        )

    @verb(cache=PURE, mark=check)
    async def parity(self) -> str:
        """Check that environments differ from those that their releases come from in what ferry.toml allows alone."""
        config = await self.settings()
        offline = DaggerOffline(await self._terraform(config), containers.folder(config.infrastructure.root))
        return comparing.passed(config, await comparing.parity(config, offline, _report()))

    @verb(cache=PURE, mark=generate)
    async def schema(self) -> dagger.Changeset:
        """Write the JSON Schema of ferry.toml anew."""
        return self.source.with_new_file("docs/reference/ferry.schema.json", reading.schema_text()).changes(self.source)

    @verb(cache=PURE, mark=generate)
    async def dockerfiles(self) -> dagger.Changeset:
        """Write the Dockerfile of each recipe anew."""
        files = generated(await self.settings(), await self.lock_content())
        changed = self.source
        for name, text in files.items():
            changed = changed.with_new_file(name, text)
        return changed.changes(self.source)

    @verb(cache=NEVER)
    async def lock(self) -> dagger.Changeset:
        """Pin the external images that ferry.toml names to what they are now, in ferry.lock."""
        config = await self.settings()
        externals = Externals({}, mirror=await _address(self.image_mirror))
        made = await locking.lock(config, externals, _report(), earlier=await self.lock_content())
        return self.source.with_new_file(lockfile.FILE, lockfile.render(made)).changes(self.source)

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

    async def lock_content(self) -> lockfile.Lock:
        if lockfile.FILE not in await self.source.entries():
            return lockfile.Lock()
        return lockfile.parse(await self.source.file(lockfile.FILE).contents())

    async def externals(self) -> Externals:
        return Externals((await self.lock_content()).images, mirror=await _address(self.image_mirror))

    async def _workshop(self, store: Store, shelf: Shelf | None) -> Workshop:
        lock = await self.lock_content()
        pin = lock.images.get(self.python_image)
        return Workshop(
            builder=DaggerBuilder(self.source, python=f"{self.python_image}@{pin}" if pin else self.python_image),
            externals=await self.externals(),
            store=store,
            lock=lock,
            shelf=shelf,
        )

    async def _built(self, config: reading.Config, shelf: Shelf | None) -> "Release":
        store, folder = Store(WORK / "store"), WORK / "release"
        commit, dirty = await self._commit()
        built = await build(config, await self._workshop(store, shelf), _report(), commit=commit, dirty=dirty)
        kept.write(built, store, folder)
        files = dag.current_module().workdir(str(folder))
        return Release(ferry=self, manifest=model.to_json(built.release), files=files)

    @asynccontextmanager
    async def depot(self, target: model.Environment) -> AsyncIterator[Depot]:
        access = await self._access(target)
        async with wiring.depot(access, target, stand_in=self.aws_endpoint is not None) as depot:
            yield depot

    @asynccontextmanager
    async def hands(
        self,
        config: reading.Config,
        target: model.Environment,
        workspace: dagger.Container | None = None,
        *,
        agree: str = "",
    ) -> AsyncIterator[tuple[Hands, DaggerTerraform]]:
        """Dagger's hands; `workspace` is the Terraform folder of a plan that was made before."""
        access = await self._access(target)
        if workspace is None:
            bare = await self._terraform(config)
            workspace = containers.knowing(bare, self._credentials(), region=target.region)
            if self.aws_endpoint:
                port = int(access.endpoint.rpartition(":")[2])
                workspace = containers.reaching(workspace, self.aws_endpoint, port)
        terraform = DaggerTerraform(workspace, containers.folder(config.infrastructure.root))
        stand_in, agrees = self.aws_endpoint is not None, agreeing(agree)
        async with wiring.hands(
            access, target, terraform=terraform, run=_run, agree=agrees, stand_in=stand_in
        ) as hands:
            yield hands, terraform

    async def _terraform(self, config: reading.Config) -> dagger.Container:
        """In the root, with everything around it: modules may lie beside it."""
        said = config.infrastructure
        return await containers.bare(
            self.terraform_image,
            self.source,
            root=said.root,
            providers=self.providers,
            parallelism=said.parallelism,
        )

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
        built = await self.read()
        if name not in built.images:
            raise _elsewhere(name)
        async with lenders(built.images[name], None) as others:
            return await _container(built.images[name], partial(others.path, store=Store(WORK / "store")))

    @verb(cache=PURE)
    async def package(self, name: Annotated[str, Doc("The artifact's name in ferry.toml.")]) -> dagger.File:
        """Give one zip, as it is published."""
        artifact = self._artifact(name, model.Kind.ZIP)
        file = artifact.digest.removeprefix("sha256:")
        if file not in await self.files.entries():
            raise _elsewhere(name)
        return self.files.file(file).with_name(f"{name}.zip")

    @verb(cache=NEVER)
    async def prove(self, name: Annotated[str, Doc("The artifact's name in ferry.toml.")]) -> str:
        """Run one image as a service, and let the release's own canary judge it."""
        config = await self.ferry.settings()
        if config.canary is None:
            raise UsageError("there is no canary", where="ferry.toml", next="write a [canary] table into it")
        artifact = self._artifact(name, model.Kind.IMAGE)
        built = await self.read()
        if name not in built.images or config.canary.artifact not in built.packages:
            raise _elsewhere(name)
        package, image = built.packages[config.canary.artifact].blob.path, built.images[name]
        if package is None:
            raise _elsewhere(name)
        if not image.whole:
            raise BuildFailed(
                "the image cannot run: something stands in for its base",
                where=name,
                why=f"not reached when it was built: {', '.join(artifact.stand_ins)}",
                next="build where it can be, or name a registry that has it with --image-mirror",
            )
        with program.unpacked(package, config.canary.command) as canary:
            async with lenders(image, None) as others:
                fetch = partial(others.path, store=Store(WORK / "store"))
                await try_out(name, image, canary, run=_run, fetch=fetch, report=_report())
        return f"the canary finds {name} healthy"

    @verb(cache=NEVER)
    async def publish(
        self, env: Annotated[str, Doc("The environment of ferry.toml whose registry and bucket it goes to.")]
    ) -> list[str]:
        """Try the images out, publish what is not there yet, and answer the images' references by digest."""
        config = await self.ferry.settings()
        target = config.environment(env)
        built = await self.read()
        async with self.ferry.depot(target) as depot:
            await publish(built, Target(config=config, environment=target, depot=depot, report=_report()), _run)
        return list(references(config, target, built.release).images.values())

    def _artifact(self, name: str, kind: model.Kind) -> model.Artifact:
        artifacts = {artifact.name: artifact for artifact in self.content().artifacts if artifact.kind is kind}
        if name not in artifacts:
            raise UsageError(
                f"the release has no {kind} {name!r}", where="--name", next=f"one of: {', '.join(artifacts) or 'none'}"
            )
        return artifacts[name]

    async def read(self) -> Built:
        """What was built, as it is published."""
        folder = Path(tempfile.mkdtemp(prefix="release-", dir=_work()))
        await self.files.export(str(folder))
        return kept.read(folder, await self.ferry.externals())

    def content(self) -> model.Release:
        return model.from_json(model.Release, self.manifest)


@object_type
class Plan:
    """What a deployment would do: look at it, and apply exactly it."""

    env: Annotated[str, Doc("The environment that it is for.")] = field()
    findings: Annotated[list[Finding], Doc("What the guards say of it.")] = field()
    release: Annotated[Release, Doc("The release that it deploys.")] = field()
    fingerprint: Annotated[str, Doc("What a person says to agree to it.")] = field()
    ferry: Ferry
    page: str
    workspace: dagger.Container
    bound: str

    @verb(cache=PURE)
    async def report(self) -> dagger.File:
        """Give the plan as one HTML page that needs no network."""
        return dag.directory().with_new_file("plan.html", self.page).file("plan.html")

    @verb(cache=NEVER)
    async def apply(self, agree: Agree = "") -> str:
        """Apply exactly this plan. Its release must be published, which `build publish` and `deploy` do."""
        config = await self.ferry.settings()
        target, release = config.environment(self.env), self.release.content()
        async with self.ferry.hands(config, target, self.workspace, agree=agree) as (hands, _):
            place = Target(config=config, environment=target, depot=hands.depot, report=_report())
            await apply(place, release, Bound.read(self.bound), hands)
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


def _work() -> Path:
    WORK.mkdir(exist_ok=True)
    return WORK


def _elsewhere(name: str) -> UsageError:
    return UsageError(
        f"this build did not make {name}: it was found published",
        where="build --env",
        next="build without --env, which looks nowhere and makes everything",
    )


async def _container(built: BuiltImage, fetch: Fetch) -> dagger.Container:
    """The image in the engine, with every layer that it is made of."""
    layers = tuple([Blob(blob.digest, blob.size, await fetch(blob)) for blob in built.image.layers])
    target = _work() / f"{uuid.uuid4().hex}.tar"
    assemble.layout(replace(built.image, layers=layers), target)
    return dag.container().import_(dag.current_module().workdir_file(str(target)))


@asynccontextmanager
async def _run(built: BuiltImage, fetch: Fetch) -> AsyncIterator[str | None]:
    """As a service of this call's own."""
    if not built.whole:
        yield None
        return
    # Equal services are one service, unless something in them differs.
    container = (await _container(built, fetch)).with_env_variable("FERRY_CALL", uuid.uuid4().hex)
    service = container.with_exposed_port(assemble.port(built.image)).as_service()
    try:
        yield await _address(service)
    finally:
        await service.stop()
