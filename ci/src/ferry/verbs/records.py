"""records: what was deployed, for good, and what an environment runs now.

A deployment's record is written once, when it has ended, and never again. The pin is the one thing that changes: it
names the deployment that succeeded last, and goes on from the one that this deployment found, or not at all.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ferry.errors import RecordError
from ferry.model import Outcome, Pin, from_json, to_json
from ferry.verbs.turns import place

if TYPE_CHECKING:
    from ferry.model import Deployment, Environment
    from ferry.outside.aws.bucket import Bucket, Seen

CURRENT = "current.json"


async def write(ledger: Bucket, environment: Environment, deployment: Deployment) -> None:
    """First the record, then the pin: who is killed in between has a record too many, and never one too few."""
    key, text = _key(environment, deployment), to_json(deployment)
    if not await ledger.write(key, text, once=True) and await ledger.read(key) != text:
        raise RecordError(
            "this deployment was written down before, and otherwise",
            where=f"s3://{ledger.name}/{key}",
            why="a record of a deployment never changes",
            next="deploy again: ferry deploy",
        )
    if deployment.outcome is Outcome.SUCCEEDED:
        await _pin(ledger, environment, deployment)


async def current(ledger: Bucket, environment: Environment) -> Pin | None:
    """What the environment runs; None before the first deployment that succeeded."""
    seen = await ledger.look(place(environment, CURRENT))
    return _read(ledger, environment, seen) if seen else None


async def _pin(ledger: Bucket, environment: Environment, deployment: Deployment) -> None:
    seen = await ledger.look(place(environment, CURRENT))
    there = _read(ledger, environment, seen).deployment if seen else ""
    if there == deployment.id:
        return
    pin = Pin(
        environment=environment.name,
        deployment=deployment.id,
        release=deployment.release,
        since=deployment.finished,
    )
    if there == deployment.previous and await ledger.swap(place(environment, CURRENT), to_json(pin), seen):
        return
    raise RecordError(
        "another deployment ended while this one ran",
        where=_where(ledger, environment),
        why=f"it names {there or 'none'}, and this one began when it named {deployment.previous or 'none'}",
        next="see what runs there, then deploy what you want to run: ferry deploy",
    )


def _read(ledger: Bucket, environment: Environment, seen: Seen) -> Pin:
    where = _where(ledger, environment)
    pin = from_json(Pin, seen.text, where=where)
    if pin.environment != environment.name:
        raise RecordError(
            f"this is what {pin.environment} runs, not {environment.name}",
            where=where,
            why="two environments of ferry.toml share one state",
            next="give each environment a `state` of its own",
        )
    return pin


def _where(ledger: Bucket, environment: Environment) -> str:
    return f"s3://{ledger.name}/{place(environment, CURRENT)}"


def _key(environment: Environment, deployment: Deployment) -> str:
    """Names that sort by time."""
    try:
        started = datetime.fromisoformat(deployment.started).astimezone(UTC)
    except ValueError as error:
        raise RecordError(
            "this deployment record does not say when it started", where=deployment.id, why=str(error)
        ) from None
    return place(environment, f"deployments/{started:%Y%m%dT%H%M%SZ}-{deployment.id}.json")
