"""The command line: a question from arguments, and the verdict as lines or JSON and as an exit code."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from canary.judge import judge
from canary.question import Limits, Load, Question, Unusable, positional
from canary.verdict import EXIT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEY_ENV = "CANARY_API_KEY"
DEFAULT = Load(streams=1)
ABOUT = """\
Judge a deployed system from outside: health, dashboard, and a stream whose events must come one by one.

The first URL is the stream service's, the second, where there is one, the dashboard's; both without a path. A
dashboard alone: --dashboard URL and no other. Nothing is guessed from what a service answers: a broken one would
choose its own checks.
"""
ENDING = """\
What is not expected by an option is not judged, except what every service of this kind must be. Data needs the API
key, outside of dev: it comes from an environment variable, never from the command line.

exit codes: 0 healthy, 1 unhealthy, 2 could not judge (bad usage, no key, a name that does not resolve, no network
from here, no time left), 130 interrupted
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line; argparse would print its usage as well."""
        raise Unusable(message)


def main(argv: Sequence[str]) -> int:
    try:
        asked = _parser().parse_args(argv)
        question = _question(asked, os.environ)
    except Unusable as error:
        sys.stderr.write(f"canary: {error} (--help says more)\n")
        return EXIT["undecided"]
    found = asyncio.run(judge(question))
    text = json.dumps(found.said(), indent=None) if asked.json else "\n".join(found.lines())
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has read enough; the exit code says the rest. What is buffered must not be tried again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT[found.word]


def _parser() -> argparse.ArgumentParser:
    limits = Limits()
    parser = _Parser(
        prog="python -m canary", description=ABOUT, epilog=ENDING, formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("urls", metavar="URL", nargs="*", help="the stream service, then the dashboard")
    parser.add_argument("--dashboard", metavar="URL", default="", help="the dashboard, said by name")
    parser.add_argument("--json", action="store_true", help="the verdict as one line of JSON")
    expect = parser.add_argument_group("expectations")
    expect.add_argument("--environment", metavar="NAME", default="", help="that both services must name")
    expect.add_argument("--digest", default="", help="that the stream service must name: of what was deployed")
    expect.add_argument("--dashboard-digest", metavar="DIGEST", default="", help="the same for the dashboard")
    expect.add_argument("--key-env", metavar="NAME", help=f"variable that holds the API key (default {KEY_ENV})")
    bound = parser.add_argument_group("limits, in seconds")
    for option, default, help in (
        ("--max-first-event", limits.first_event, "until a stream's first event"),
        ("--max-gap", limits.gap, "between two events or heartbeats"),
        ("--listen", limits.listen, "to listen at most; it stops early once it has heard enough"),
        ("--max-answer", limits.answer, "until any other answer is whole"),
        ("--within", limits.within, "for everything; load adds its own"),
    ):
        bound.add_argument(option, metavar="S", type=_number, default=default, help=f"{help} (default {default:g})")
    load = parser.add_argument_group("load")
    load.add_argument("--streams", metavar="N", type=_whole, help="open so many at once (default: no load)")
    load.add_argument(
        "--seconds", metavar="S", type=_number, help=f"and keep them so long (default {DEFAULT.seconds:g})"
    )
    errors = f"share of them that may fail, 0 to 1 (default {DEFAULT.max_errors:g})"
    load.add_argument("--max-errors", metavar="SHARE", type=_number, help=errors)
    return parser


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None


def _question(asked: argparse.Namespace, environment: Mapping[str, str]) -> Question:
    stream, dashboard = positional(asked.urls)
    if dashboard and asked.dashboard:
        raise Unusable("the dashboard is named twice")
    load = _load(asked)
    return Question(
        stream=stream,
        dashboard=dashboard or asked.dashboard,
        key=_key(asked.key_env, environment),
        environment=asked.environment,
        digest=asked.digest,
        dashboard_digest=asked.dashboard_digest,
        limits=Limits(
            first_event=asked.max_first_event,
            gap=asked.max_gap,
            listen=asked.listen,
            answer=asked.max_answer,
            within=asked.within + (load.seconds if load else 0),
        ),
        load=load,
    )


def _load(asked: argparse.Namespace) -> Load | None:
    given = {"seconds": asked.seconds, "max_errors": asked.max_errors}
    given = {name: value for name, value in given.items() if value is not None}
    if asked.streams is None:
        if given:
            raise Unusable("--seconds and --max-errors are about load: say --streams too")
        return None
    return Load(streams=asked.streams, **given)


def _key(named: str | None, environment: Mapping[str, str]) -> str:
    key = environment.get(named or KEY_ENV, "").strip()
    if named and not key:
        raise Unusable(f"the variable {named}, which --key-env names, is empty or not set")
    return key
