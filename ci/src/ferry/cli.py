"""`ferry …`: the verbs with this machine's own hands, without an engine.

Results go to stdout, progress and messages to stderr; with `--json` a failure is a result too. Every failure leaves
through `run`, which alone knows about exit codes. What is slow to import is imported by the command that needs it.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import signal
import sys
import traceback
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from typer.core import TyperCommand, TyperGroup

from ferry import errors
from ferry.errors import (
    AwsError,
    Blocked,
    BoxError,
    BuildFailed,
    Busy,
    ConfigError,
    CredentialsError,
    FerryError,
    InternalError,
    Interrupted,
    NotAgreed,
    NotReady,
    OutputLost,
    ProofFailed,
    RecordError,
    RegistryDenied,
    RegistryRefused,
    RegistryUnavailable,
    TerraformFailed,
    ToolError,
    UsageError,
)
from ferry.report import Report, failure, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ferry.report import Reader

CHANGES = 2
"""The exit code of a plan that has changes."""
WIDEST_HELP = 100
_MEANING = re.compile(r"── (?P<name>\w+) +\d+ +(?P<meaning>.+)")
MEANINGS = {line["name"]: line["meaning"] for line in _MEANING.finditer(errors.__doc__ or "")}
"""What each failure means in a few words: the tree in `ferry.errors` says it."""


@dataclass(slots=True)
class Session:
    """One call of `ferry`: whether its result is for a program, and what it reports to.

    `out` is what goes to stdout: at the end and in one place, where writing can fail.
    """

    json: bool
    debug: bool
    out: io.StringIO = field(default_factory=io.StringIO)
    report: Report | None = None
    told: BaseException | None = None

    @contextmanager
    def reporting(self, *readers: Reader) -> Iterator[Report]:
        """What happens inside is shown on stderr, and told to the readers, however it ends."""
        self.report = Report([terminal.reader(sys.stderr, os.environ), *readers], debug=self.debug)
        try:
            with self.report:
                yield self.report
        except BaseException as error:
            self.told = error
            raise

    def answer(self, text: str, **result: Any) -> None:
        """The result: text for a person, or one JSON object."""
        sys.stdout.write((json.dumps(result, indent=2) if self.json else text) + "\n")


class Command(TyperCommand):
    """A command whose help ends with its exit codes: the epilog holds one to a line, a tab before what it means."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's signature
        with formatter.section("Exit codes"):
            formatter.write_dl([tuple(line.split("\t")) for line in (self.epilog or "").splitlines()])


class Group(TyperGroup):
    """A command with commands below it, whose help ends as theirs does."""

    format_epilog = Command.format_epilog


def _ends(*own: type[FerryError], also: Mapping[int, str] = MappingProxyType({})) -> str:
    """How a command can end; the last four are possible everywhere. `also` are ends that are no failure."""
    known: list[type[FerryError]] = [*own, UsageError, InternalError, OutputLost, Interrupted]
    lines = [f"{error.exit_code}\t{error.__name__}: {MEANINGS.get(error.__name__, '')}" for error in known]
    lines += [f"{code}\t{meaning}" for code, meaning in also.items()]
    return "\n".join(["0\tdone", *sorted(lines, key=lambda line: int(line.partition("\t")[0]))])


app = typer.Typer(
    help="Carry one release of a system on AWS Lambda and Terraform from a commit to production.",
    epilog="Each command's --help says its exit codes; docs/reference/exit-codes.md explains all of them.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,  # plain text reads well at any width, in any log, and is there at once
    context_settings={"help_option_names": ["-h", "--help"]},
)
config = typer.Typer(
    help="Look at the file that says what is built and where it goes.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
app.add_typer(config, name="config")

File = Annotated[Path, typer.Argument(metavar="FILE", help="The configuration to read.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result, or the error, as JSON on stdout.")]


@app.callback()
def _ferry(
    context: typer.Context, *, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    if version:
        from importlib.metadata import version as installed  # noqa: PLC0415

        sys.stdout.write(f"ferry {installed('ferry')}\n")
        raise typer.Exit
    _needs_a_command(context)


@config.callback()
def _needs_a_command(context: typer.Context) -> None:
    """Without one there is only help to give: not what a script that lost its command asked for."""
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")
        raise typer.Exit(UsageError.exit_code)


@app.command(
    cls=Command,
    epilog=_ends(
        AwsError,
        Blocked,
        BoxError,
        BuildFailed,
        ConfigError,
        ProofFailed,
        RecordError,
        RegistryDenied,
        RegistryRefused,
        RegistryUnavailable,
        TerraformFailed,
        ToolError,
    ),
)
def rehearse(
    context: typer.Context,
    *,
    environment: Annotated[str, typer.Option("--env", metavar="NAME", help="The environment to play.")] = "preprod",
    source: Annotated[Path, typer.Option(metavar="FOLDER", help="The folder that holds ferry.toml.")] = Path(),
    json: Json = False,
) -> None:
    """Run the whole pipeline here: no AWS account, no engine.

    AWS is an emulator in this process; build, registry client, Terraform and all that Ferry decides are real.
    The run is written down in FOLDER/.ferry, however it ends: rehearsal.html to read, rehearsal.json for programs.

    With --json: the record of the run, as docs/reference/record.md describes it.
    """
    import anyio  # noqa: PLC0415

    from ferry import config as reading  # noqa: PLC0415
    from ferry.rehearsal import story  # noqa: PLC0415
    from ferry.report import record  # noqa: PLC0415

    session = _session(context, json=json)
    found = reading.load(source / "ferry.toml")
    found.environment(environment)
    page, data = source / ".ferry/rehearsal.html", source / ".ferry/rehearsal.json"
    try:
        with session.reporting(*_written(page, data, title=f"Rehearsal of {environment}")) as report:
            anyio.run(story.rehearse, found, environment, source.absolute(), report)
        if not json:
            sys.stdout.write(f"rehearsed {environment}: every step is done\n")
    finally:
        if not json and page.is_file():
            sys.stdout.write(f"{page}\n")
    if json:
        sys.stdout.write(record.render(report.events))


@app.command(cls=Command, epilog=_ends(Blocked, ConfigError, RecordError))
def guard(
    context: typer.Context,
    plan: Annotated[Path, typer.Argument(metavar="PLAN.json", help="What `terraform show -json PLANFILE` printed.")],
    *,
    environment: Annotated[str, typer.Option("--env", metavar="NAME", help="The environment that it is for.")] = "",
    deployer: Annotated[str, typer.Option("--as", metavar="ARN", help="Who applies it: user or role.")] = "",
    identity_policy: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A policy that is attached to who applies it; again for more."),
    ] = None,
    source: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The folder that holds ferry.toml, if there is one.")
    ] = Path(),
    json: Json = False,
) -> None:
    """Look at anyone's plan for what nobody should let it do: lockouts, lost data, the wrong state, open doors.

    With a ferry.toml that knows the environment, what it says counts, and its [[allow]] lets pass. Exit code 3:
    something must not be applied.

    With --json: {"findings": [{"guard", "severity", "verdict", "address", "what", "why", "next"}]}.
    """
    from datetime import UTC, datetime  # noqa: PLC0415

    from ferry.report.events import Found  # noqa: PLC0415
    from ferry.report.terminal import lines  # noqa: PLC0415
    from ferry.shape import plain  # noqa: PLC0415
    from ferry.verbs import guard as guarding  # noqa: PLC0415

    session = _session(context, json=json)
    said, known = guarding.told(source / "ferry.toml", environment, deployer, tuple(identity_policy or ()))
    found = guarding.guard(guarding.text(plan), said, known, today=datetime.now(UTC).date())
    blocking = guarding.blocking(found)
    text = [line for finding in found for line in lines(Found(finding=finding))]
    text.append(f"{len(blocking)} of {len(found)} findings stop it" if blocking else "nothing stops it")
    session.answer("\n".join(text), findings=[plain(finding) for finding in found])
    if blocking:
        raise typer.Exit(Blocked.exit_code)


Source = Annotated[Path, typer.Option(metavar="FOLDER", help="The folder that holds ferry.toml.")]
Mirror = Annotated[
    str, typer.Option(metavar="URL", help="A registry that holds the external images, where theirs cannot be reached.")
]
Offline = Annotated[
    bool, typer.Option("--offline", help="Build without external images: for trying out, and never for an account.")
]
_BUILDS = (
    AwsError, BuildFailed, ConfigError, CredentialsError, RecordError,
    RegistryDenied, RegistryRefused, RegistryUnavailable, ToolError,
)  # fmt: skip


@app.command(cls=Command, epilog=_ends(*_BUILDS))
def build(
    context: typer.Context,
    *,
    environment: Annotated[
        str, typer.Option("--env", metavar="NAME", help="Look first at what is published there. Needs AWS.")
    ] = "",
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what changed since the last release, and build nothing.")
    ] = False,
    source: Source = Path(),
    mirror: Mirror = "",
    offline: Offline = False,
    json: Json = False,
) -> None:
    """Build every artifact, and print the release that they make.

    The release is kept in FOLDER/.ferry/release.json.

    With --json: the release. With --explain --json: {artifact: [what changed, …]}.
    """
    import anyio  # noqa: PLC0415

    from ferry import host, model  # noqa: PLC0415
    from ferry.verbs import explain as explaining  # noqa: PLC0415

    session = _session(context, json=json)
    site, known = _site(source, environment, mirror, offline=offline)
    with session.reporting() as report:
        if explain:
            changes = anyio.run(host.explain_changes, site, known, report)
            session.answer(explaining.text(changes), **{name: list(said) for name, said in changes.items()})
        else:
            release = anyio.run(host.build_release, site, known, report)
            sys.stdout.write(model.to_json(release) if json else f"{release.id}\n")


@app.command(cls=Command, epilog=_ends(*_BUILDS, Blocked, BoxError, ProofFailed))
def publish(
    context: typer.Context,
    *,
    environment: Annotated[str, typer.Option("--env", metavar="NAME", help="The environment to publish to.")],
    source: Source = Path(),
    mirror: Mirror = "",
    offline: Offline = False,
    json: Json = False,
) -> None:
    """Build what is not published yet, try it out, and publish it.

    Images go to the environment's registry and zips to its bucket, where its Lambda functions find them.

    With --json: {"release": id, "images": {artifact: reference}, "packages": {artifact: {"key", "hash", "digest"}}}.
    """
    import anyio  # noqa: PLC0415

    from ferry import host  # noqa: PLC0415

    session = _session(context, json=json)
    site, known = _site(source, environment, mirror, offline=offline)
    with session.reporting() as report:
        release, places = anyio.run(host.publish_release, site, known, report)
    images, packages = dict(places.images), {name: dict(said) for name, said in places.packages.items()}
    lines = [release.id, *images.values(), *(said["key"] for said in packages.values())]
    session.answer("\n".join(lines), release=release.id, images=images, packages=packages)


_DEPLOYS = (*_BUILDS, Blocked, BoxError, ProofFailed, TerraformFailed)
Environment = Annotated[str, typer.Option("--env", metavar="NAME", help="The environment of ferry.toml.")]


@app.command(cls=Command, epilog=_ends(*_DEPLOYS, also={CHANGES: "there are changes"}))
def plan(
    context: typer.Context,
    *,
    environment: Environment,
    source: Source = Path(),
    mirror: Mirror = "",
    offline: Offline = False,
    json: Json = False,
) -> None:
    """Say what a deployment would do, after everything that exists already was found. Changes nothing.

    Exit code 0: nothing to do; 2: there are changes; 3: a guard has something against them.

    With --json: {"changes": [{"address", "action", "imports"}], "findings": [{"guard", "severity", …}], "fingerprint"}.
    """
    import anyio  # noqa: PLC0415

    from ferry import host  # noqa: PLC0415
    from ferry.report.events import Found  # noqa: PLC0415
    from ferry.shape import plain  # noqa: PLC0415

    session = _session(context, json=json)
    site, known = _site(source, environment, mirror, offline=offline)
    with session.reporting(*_written(source / ".ferry/plan.html", source / ".ferry/plan.json", title="Plan")) as report:
        planned, bound = anyio.run(host.plan_release, site, known, report)
    touched = planned.touched()
    session.answer(
        f"{len(touched)} resources would change: plan {bound.fingerprint}" if touched else "nothing to do",
        fingerprint=bound.fingerprint,
        changes=[{"address": it.address, "action": it.action.value, "imports": it.imports} for it in touched],
        findings=[plain(event.finding) for event in report.events if isinstance(event, Found)],
    )
    if touched:
        raise typer.Exit(CHANGES)


@app.command(cls=Command, epilog=_ends(*_DEPLOYS, Busy, NotAgreed))
def deploy(
    context: typer.Context,
    *,
    environment: Environment,
    agree: Annotated[
        str, typer.Option(metavar="PLAN", help="The plan that you agree to, as `ferry plan` names it.")
    ] = "",
    source: Source = Path(),
    mirror: Mirror = "",
    offline: Offline = False,
    json: Json = False,
) -> None:
    """Build what is not published yet, publish, plan, guard, apply exactly that plan, and ask the result.

    Where the environment's `approval` asks for a person, nothing is applied but the plan that --agree names.

    With --json: {"environment", "release": id, "deployment": id, or null where nothing was to do}.
    """
    import anyio  # noqa: PLC0415

    from ferry import host  # noqa: PLC0415

    session = _session(context, json=json)
    site, known = _site(source, environment, mirror, offline=offline)
    page, data = source / ".ferry/deploy.html", source / ".ferry/deploy.json"
    with session.reporting(*_written(page, data, title=f"Deployment to {environment}")) as report:
        release, deployed = anyio.run(host.deploy_release, site, known, agree, report)
    session.answer(
        f"{environment} runs {release.id}" + (f", deployed as {deployed.id}" if deployed else ", as before"),
        environment=environment,
        release=release.id,
        deployment=deployed.id if deployed else None,
    )


@app.command(cls=Command, epilog=_ends(NotReady))
def doctor(
    context: typer.Context,
    *,
    environment: Annotated[
        str, typer.Option("--env", metavar="NAME", help="Look at this environment too. Needs AWS.")
    ] = "",
    source: Source = Path(),
    json: Json = False,
) -> None:
    """Say whether all that a deployment needs is there, and how to mend what is not. Changes nothing.

    Looks at ferry.toml, the programs, providers and locks; with --env also at who you are, the state, and your rights.

    With --json: {"checks": [{"name", "health", "said", "next"}], "troubles": number}.
    """
    import anyio  # noqa: PLC0415

    from ferry import host  # noqa: PLC0415
    from ferry.verbs import checks  # noqa: PLC0415

    session = _session(context, json=json)
    found = anyio.run(host.examine, source.absolute(), environment)
    session.answer(checks.text(found, min(shutil.get_terminal_size().columns, checks.WIDEST)), **checks.plain(found))
    if checks.troubles(found):
        raise typer.Exit(NotReady.exit_code)


@app.command(
    cls=Command,
    epilog=_ends(
        AwsError, ConfigError, CredentialsError, RecordError, TerraformFailed, ToolError,
        also={CHANGES: "something was changed in AWS"},
    ),
)  # fmt: skip
def drift(context: typer.Context, *, environment: Environment, source: Source = Path(), json: Json = False) -> None:
    """Say what somebody changed in AWS behind Terraform's back, and what `ferry deploy` would do about it.

    Locks nothing and changes nothing. Exit code 0: all is as it was deployed, or nothing ever was; 2: something is not.

    With --json: {"environment", "looked", "drift": [{"address", "deleted", "differences", "deploy"}], "applying"}.
    """
    import anyio  # noqa: PLC0415

    from ferry import host  # noqa: PLC0415

    session = _session(context, json=json)
    site, known = _site(source, environment, "", offline=False)
    with session.reporting() as report:
        answer = anyio.run(host.drift_environment, site, known, report)
    session.answer(answer.text, **answer.plain())
    if answer.rows:
        raise typer.Exit(CHANGES)


@app.command(
    cls=Command,
    epilog=_ends(ConfigError, TerraformFailed, ToolError, also={CHANGES: "there are differences that nobody allowed"}),
)
def parity(context: typer.Context, *, source: Source = Path(), json: Json = False) -> None:
    """Say in what environments differ from those that their releases come from. Needs no account.

    Each environment with promote_from is compared with that one, as Terraform plans both with the same release and a
    made-up account. What ferry.toml lists in [parity] allow may differ. Exit code 2: something else does too.

    With --json: {"compared": [[name, name]], "findings": [{"guard", "severity", …}]}.
    """
    import anyio  # noqa: PLC0415

    from ferry import host  # noqa: PLC0415
    from ferry.verbs import parity as comparing  # noqa: PLC0415

    session = _session(context, json=json)
    site, _ = _site(source, "", "", offline=False)
    with session.reporting() as report:
        found = anyio.run(host.compare_environments, site, report)
    session.answer(comparing.told(site.config, found), **comparing.to_json(site.config, found))
    if comparing.differing(found):
        raise typer.Exit(CHANGES)


@app.command(cls=Command, epilog=_ends(BuildFailed, ConfigError, RegistryDenied, RegistryRefused, RegistryUnavailable))
def lock(
    context: typer.Context,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only see whether ferry.lock fits ferry.toml. Asks no registry.")
    ] = False,
    source: Source = Path(),
    mirror: Mirror = "",
    json: Json = False,
) -> None:
    """Pin the external images that ferry.toml names.

    FOLDER/ferry.lock then says what each name stands for now: commit it.

    With --json: {"python": version, "images": {name: digest}}.
    """
    import anyio  # noqa: PLC0415

    from ferry import host, lockfile  # noqa: PLC0415

    session = _session(context, json=json)
    site, _ = _site(source, "", mirror, offline=False)
    if check:
        pins = host.check_lock(site)
        said = f"{lockfile.FILE} fits ferry.toml"
    else:
        with session.reporting() as report:
            pins = anyio.run(host.write_lock, site, report)
        said = f"{source / lockfile.FILE}"
    session.answer(said, python=pins.python, images=dict(pins.images))


@app.command(cls=Command, epilog=_ends(BuildFailed, ConfigError))
def generate(
    context: typer.Context,
    *,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail where a file is not up to date.")] = False,
    source: Source = Path(),
    json: Json = False,
) -> None:
    """Write the files that follow from ferry.toml.

    These are the Dockerfiles of the images that have a recipe, for those who build without Ferry: commit them.

    With --json: {"files": [path, …]}.
    """
    from ferry import host  # noqa: PLC0415

    session = _session(context, json=json)
    site, _ = _site(source, "", "", offline=False)
    files = host.check_generated(site) if check else host.write_generated(site)
    said = [f"{file} is up to date" for file in files] if check else files
    session.answer("\n".join(said) or "there is nothing to generate", files=files)


def _site(source: Path, environment: str, mirror: str, *, offline: bool) -> tuple[Any, Any]:
    from ferry import config as reading  # noqa: PLC0415
    from ferry import host  # noqa: PLC0415

    found = reading.load(source / "ferry.toml")
    site = host.Site(config=found, source=source.absolute(), mirror=mirror, offline=offline)
    return site, found.environment(environment) if environment else None


gates = typer.Typer(
    cls=Group,
    epilog=_ends(Blocked, ConfigError, NotAgreed),
    invoke_without_command=True,
    rich_markup_mode=None,
)
app.add_typer(gates, name="gate")


@gates.callback()
def gate(
    context: typer.Context,
    *,
    deployed: Annotated[
        str | None, typer.Option("--from", metavar="COMMIT", help="What it runs now; empty for nothing yet.")
    ] = None,
    candidate: Annotated[str, typer.Option("--to", metavar="COMMIT", help="What would go in.")] = "",
    environment: Annotated[
        str, typer.Option("--env", metavar="NAME", help="The environment, in ferry.toml and on GitHub.")
    ] = "",
    repository: Annotated[str, typer.Option(metavar="OWNER/NAME", help="On GitHub; on a runner it is known.")] = "",
    pull: Annotated[
        int,
        typer.Option(
            metavar="NUMBER", min=0, show_default=False, help="An open pull request: --to is its merge, made by GitHub."
        ),
    ] = 0,
    agreed: Annotated[
        int,
        typer.Option(
            "--run",
            metavar="ID",
            min=0,
            show_default=False,
            help="The run that a person has let in: see whether they could.",
        ),
    ] = 0,
    source: Source = Path(),
    json: Json = False,
) -> None:
    """Say who has to let a change into an environment.

    Reads all pull requests between two commits from GitHub, and the environment's own rules; the strictest counts, and
    what cannot be read counts as the worst. GITHUB_TOKEN and GITHUB_API_URL are taken from where it runs.

    Exit code 0: it may go in; 4: a person has to agree; 3: it is refused.

    With --json: {"tier", "verdict", "reasons": [{"tier", "about", "fact", "why"}], "facts"}.
    """
    if context.invoked_subcommand is not None:
        return
    if deployed is None and not (candidate or environment):
        _needs_a_command(context)
        return
    import anyio  # noqa: PLC0415

    from ferry import config as reading  # noqa: PLC0415
    from ferry.verbs import gate as gating  # noqa: PLC0415

    session = _session(context, json=json)
    known = reading.load(source / "ferry.toml").environment(environment)
    question = gating.question(known, deployed, candidate, pull=pull, run=agreed)
    asked = gating.place(repository, os.environ)
    _decided(session, anyio.run(gating.judge, asked, question))


@gates.command(cls=Command, epilog=_ends(Blocked, NotAgreed, RecordError))
def explain(
    context: typer.Context,
    facts: Annotated[Path, typer.Argument(metavar="FACTS.json", help="What `ferry gate --json` printed.")],
    *,
    json: Json = False,
) -> None:
    """Decide once more from facts that were kept. Asks nobody.

    Exit codes are those of `ferry gate`.

    With --json: as `ferry gate`.
    """
    from ferry.verbs import gate as gating  # noqa: PLC0415

    session = _session(context, json=json)
    _decided(session, gating.explain(facts))


def _decided(session: Session, judged: Any) -> None:
    session.answer(judged.text, **judged.plain())
    if code := judged.exit_code:
        raise typer.Exit(code)


@config.command(cls=Command, epilog=_ends(ConfigError))
def check(context: typer.Context, file: File = Path("ferry.toml"), *, json: Json = False) -> None:
    """Read the configuration and list every mistake in it.

    With --json: {"file": …, "project": …, "artifacts": [name, …], "environments": [name, …]}.
    """
    from ferry import config as reading  # noqa: PLC0415

    session = _session(context, json=json)
    found = reading.load(file)
    artifacts, environments = list(found.artifacts), list(found.environments)
    session.answer(
        f"{file} is valid: {found.project}\n"
        f"  artifacts: {', '.join(artifacts) or 'none'}\n"
        f"  environments: {', '.join(environments)}",
        file=str(file),
        project=found.project,
        artifacts=artifacts,
        environments=environments,
    )


@config.command(cls=Command, epilog=_ends())
def schema(context: typer.Context, *, json: Json = False) -> None:
    """Print the JSON Schema of the configuration.

    Editors complete from it. It is JSON with and without --json, which here only decides how an error looks.
    """
    from ferry import config as reading  # noqa: PLC0415

    _session(context, json=json)
    sys.stdout.write(reading.schema_text())


@app.command(cls=Command, epilog=_ends(BoxError))
def box(
    context: typer.Context,
    *,
    account: Annotated[str, typer.Option(metavar="DIGITS", help="The account, 12 digits.")] = "111122223333",
    port: Annotated[int, typer.Option(metavar="PORT", help="A free one unless named.")] = 0,
    user: Annotated[
        list[str] | None,
        typer.Option(
            metavar="USER", help="A user to make: NAME=POLICY.json, ACCOUNT/NAME=…, or an administrator: NAME."
        ),
    ] = None,
    faults: Annotated[
        list[str] | None, typer.Option(metavar="FAULT", help="Such as throttle:ecr:PutImage:3; again for more.")
    ] = None,
    close_root: Annotated[bool, typer.Option("--close-root", help="Let nobody in but the users.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print a line per call.")] = False,
    audit: Annotated[bool, typer.Option("--audit", help="Print each decision of IAM.")] = False,
    json: Json = False,
) -> None:
    """Start AWS in a box and keep it until Ctrl-C.

    aws, boto3 and terraform work against it from another terminal: it prints what to copy there.

    With --json: one line, {"endpoint", "account", "region", "users": [{"account", "user", "key", "secret"}]}.
    """
    import anyio  # noqa: PLC0415

    from ferry.rehearsal import box as boxes  # noqa: PLC0415

    _session(context, json=json)
    wish = boxes.Wish(
        account=account,
        port=port,
        people=user or (),
        faults=faults or (),
        closed=close_root,
        verbose=verbose,
        audit=audit,
        json=json,
    )
    anyio.run(boxes.stay, wish)


def _keeping(source: Path) -> None:
    """What Ferry keeps there is for this machine alone."""
    with suppress(OSError):  # a folder that cannot be written is told of by those that need it
        (source / ".ferry").mkdir(exist_ok=True)
        (source / ".ferry/.gitignore").write_text("*\n")


def _session(context: typer.Context, *, json: bool) -> Session:
    session: Session = context.obj
    session.json = json
    return session


def _written(page: Path, data: Path, *, title: str) -> Iterator[Reader]:
    """The readers that keep a run; on GitHub the job's summary is one of them."""
    from ferry.report import html, markdown, record  # noqa: PLC0415

    _keeping(page.parent.parent)
    yield html.reader(page, title=title)
    yield record.reader(data)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        yield markdown.reader(Path(summary), title=title)


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line. The one place where an error becomes an exit code."""
    session = Session(json="--json" in arguments, debug=bool(os.environ.get("FERRY_DEBUG")))
    try:
        with redirect_stdout(session.out):
            code = _carried_out(arguments, session)
    except BaseException as error:  # noqa: BLE001 - also an interrupt, and whatever is wrong in Ferry itself
        code = _failed(session, error)
    return _delivered(session, code)


def _carried_out(arguments: Sequence[str], session: Session) -> int:
    width = min(shutil.get_terminal_size().columns, WIDEST_HELP)
    command = typer.main.get_command(app)
    try:
        # Not `app(…)`, which takes interrupts and closed pipes for itself.
        with command.make_context("ferry", list(arguments), obj=session, terminal_width=width) as context:
            command.invoke(context)
    except typer.Exit as ended:
        return ended.exit_code
    except typer.TyperException as error:
        raise _usage(error, arguments) from None
    return 0


def _usage(error: Any, arguments: Sequence[str]) -> UsageError:
    context = getattr(error, "ctx", None)
    help = f"{context.command_path if context else 'ferry'} --help"
    return UsageError(error.format_message(), where=shlex.join(["ferry", *arguments]), next=help)


def _failed(session: Session, error: BaseException) -> int:
    """Tell of an error, where that is still to do, and give its exit code."""
    report = session.report
    if report is None or session.told is not error:
        report = Report([terminal.reader(sys.stderr, os.environ)], debug=session.debug)
    with report:
        facts = report.failed(error)
    if session.debug and not facts.trace:
        with suppress(OSError):
            sys.stderr.write(report.mask.masked("".join(traceback.format_exception(error))))
    if session.json:
        session.out = io.StringIO(json.dumps(failure.to_json(facts), indent=2) + "\n")
    return facts.exit_code


def _delivered(session: Session, code: int) -> int:
    try:
        sys.stdout.write(session.out.getvalue())
        sys.stdout.flush()
    except OSError as error:
        _give_up(sys.stdout)
        if isinstance(error, BrokenPipeError):  # who read it had enough
            return code
        why = str(error.strerror)
        lost = OutputLost("the result could not be written", where="stdout", why=why, next="send it somewhere else")
        return code or _failed(session, lost)
    return code


def _give_up(stream: TextIO) -> None:
    """What a stream still holds would be written, and fail, once more when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def main() -> None:
    for name in ("stdout", "stderr"):  # closed by who started us
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for the rest of our life
    # File names can hold what is no text.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    # Runners stop a job with SIGTERM: end as for Ctrl-C, with what was started stopped too.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    code = run(sys.argv[1:])
    try:
        sys.stderr.flush()
    except OSError:
        _give_up(sys.stderr)
    if code == Interrupted.exit_code:
        os._exit(code)  # a thread that waits for AWS would hold us back for as long as it tries again
    sys.exit(code)
