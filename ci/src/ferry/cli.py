"""`ferry …`: the verbs with this machine's own hands, without an engine.

Results go to stdout, progress and messages to stderr. Every failure leaves through `run`, which alone knows
about exit codes. What is slow to import (boto3, the emulator) is imported by the command that needs it.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferry.errors import BoxError, ConfigError, FerryError, InternalError, ProofFailed, TerraformFailed, UsageError
from ferry.report import Report, failure, terminal

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(slots=True)
class Session:
    """One call of `ferry`: what it reports to, and whether its result is for a program."""

    report: Report
    json: bool = False
    debug: bool = field(default_factory=lambda: bool(os.environ.get("FERRY_DEBUG")))

    def answer(self, text: str, **result: Any) -> None:
        """The result: text for a person, or one JSON object."""
        sys.stdout.write((json.dumps(result, indent=2) if self.json else text) + "\n")


def _codes(*errors: type[FerryError]) -> str:
    """What a command's help says of how it ends; usage and our own mistakes can end any of them."""
    known: list[type[FerryError]] = sorted([*errors, UsageError, InternalError], key=lambda error: error.exit_code)
    return "Exit codes: 0 done, " + ", ".join(f"{error.exit_code} {error.__name__}" for error in known)


app = typer.Typer(
    name="ferry",
    help="Carry one release from a commit to production: build once, adopt, plan, guard, apply, prove.",
    epilog="Each command's --help says its exit codes; docs/reference/exit-codes.md explains all of them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
config = typer.Typer(help="The file that says what is built and where it goes.", no_args_is_help=True)
app.add_typer(config, name="config")

File = Annotated[Path, typer.Argument(metavar="FILE", help="The configuration to read.", show_default=True)]
Json = Annotated[bool, typer.Option("--json", help="Print the result, or the error, as JSON.")]


@config.command(epilog=_codes(ConfigError))
def check(context: typer.Context, file: File = Path("ferry.toml"), *, json: Json = False) -> None:
    """Read the configuration and list every mistake in it.

    With --json: {"file", "project", "artifacts": [name], "environments": [name]}.
    """
    from ferry import config as reading  # noqa: PLC0415

    session = _session(context, json=json)
    found = reading.load(file)
    artifacts, environments = list(found.artifacts), list(found.environments)
    session.answer(
        f"{file} is valid: {found.project}, {len(artifacts)} artifact(s), environments {', '.join(environments)}",
        file=str(file),
        project=found.project,
        artifacts=artifacts,
        environments=environments,
    )


@config.command(epilog=_codes())
def schema() -> None:
    """Print the JSON Schema of the configuration, which editors complete from."""
    from ferry import config as reading  # noqa: PLC0415

    sys.stdout.write(reading.schema_text())


@app.command(epilog=_codes(ConfigError, BoxError, TerraformFailed, ProofFailed))
def rehearse(
    context: typer.Context,
    *,
    environment: Annotated[str, typer.Option("--env", help="The environment to play.")] = "preprod",
    source: Annotated[Path, typer.Option(help="The folder that holds ferry.toml.")] = Path(),
    json: Json = False,
) -> None:
    """Run the whole pipeline against an AWS in a box: no account, no container engine.

    With --json: the record of the run (docs/reference/record.md).
    """
    import anyio  # noqa: PLC0415

    from ferry import config as reading  # noqa: PLC0415
    from ferry.rehearsal import story  # noqa: PLC0415
    from ferry.report import record  # noqa: PLC0415

    session = _session(context, json=json)
    found = reading.load(source / "ferry.toml")
    anyio.run(story.rehearse, found, environment, source.absolute(), session.report)
    sys.stdout.write(record.render(session.report.events) if json else "rehearsed: every step is done\n")


@app.command(epilog=_codes(BoxError))
def box(
    *,
    account: Annotated[str, typer.Option(help="The 12 digits of the account.")] = "111122223333",
    port: Annotated[int, typer.Option(help="A free one unless named.")] = 0,
    user: Annotated[
        list[str] | None,
        typer.Option(metavar="[ACCOUNT/]NAME[=POLICY.json]", help="Make a user with this policy; again for more."),
    ] = None,
    faults: Annotated[
        list[str] | None, typer.Option(metavar="throttle:ecr:PutImage:3", help="Let calls fail; again for more.")
    ] = None,
    close_root: Annotated[bool, typer.Option("--close-root", help="Let nobody in but the users.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print a line per call.")] = False,
    audit: Annotated[bool, typer.Option("--audit", help="Print each decision of IAM.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON, for a program.")] = False,
) -> None:
    """Start AWS in a box and keep it until Ctrl-C; aws, boto3 and terraform work against it from another terminal.

    With --json: {"endpoint", "account", "region", "users": [{"account", "user", "key", "secret"}]}.
    """
    import functools  # noqa: PLC0415

    import anyio  # noqa: PLC0415
    import awsbox.cli  # noqa: PLC0415

    wish = awsbox.cli.Wish(
        account=account,
        port=port,
        people=user or (),
        faults=faults or (),
        closed=close_root,
        verbose=verbose,
        audit=audit,
        json=json,
    )
    try:
        anyio.run(awsbox.cli.stay, wish, functools.partial(print, flush=True))
    except awsbox.BoxFailed as error:
        raise BoxError(str(error), where="ferry box", next="ferry box --help") from None


def _session(context: typer.Context, *, json: bool) -> Session:
    session: Session = context.obj
    session.json = json
    return session


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line. The one place where an error becomes an exit code."""
    report = Report([terminal.reader(sys.stderr, os.environ)], debug=bool(os.environ.get("FERRY_DEBUG")))
    session = Session(report)
    try:
        with report:
            try:
                return int(app(args=list(arguments), standalone_mode=False, obj=session) or 0)
            except typer.TyperException as error:
                said = f"ferry {' '.join(arguments)}"
                raise UsageError(str(error), where=said, next="ferry --help") from None
    except BaseException as error:  # noqa: BLE001 - also an interrupt, and whatever is wrong in Ferry itself
        return _failed(session, error)


def _failed(session: Session, error: BaseException) -> int:
    facts = session.report.failed(error)
    if session.json:
        sys.stdout.write(json.dumps(failure.to_json(facts), indent=2) + "\n")
    return facts.exit_code


def main() -> None:
    sys.exit(run(sys.argv[1:]))
