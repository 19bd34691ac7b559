"""Plans of a few resources, for tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ferry.guards.context import Context, Neighbour
from ferry.tfplan import Action, Change, Plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ferry.model import Finding

OWN, OTHER = "111111111111", "999999999999"
PREPROD = Context(
    environment="preprod",
    account=OWN,
    region="eu-west-1",
    deployer=f"arn:aws:iam::{OWN}:user/ships-preprod",
    neighbours=(Neighbour(name="prod", account=OTHER, deployer=f"arn:aws:iam::{OTHER}:role/ci/sailor"),),
)


def change(type: str, name: str = "it", action: Action = Action.CREATE, /, **rest: Any) -> Change:
    """`change("aws_sqs_queue", after={...})`."""
    return Change(address=f"{type}.{name}", type=type, action=action, **{"after": {}} | rest)


def plan(*changes: Change) -> Plan:
    return Plan(changes={one.address: one for one in changes})


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def said(findings: Iterable[Finding]) -> list[tuple[str, str, str]]:
    return [(str(one.severity), one.verdict, one.address) for one in findings]


def verdicts(findings: Iterable[Finding]) -> list[str]:
    return [f"{one.severity} {one.verdict}" for one in findings]
