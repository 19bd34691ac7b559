"""A resource's own policy, in the forms that the emulator's evaluation understands.

It knows no NotPrincipal, and takes a statement that names no action or no resource for one about all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from awsbox.authority import state
from awsbox.rules import principals

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS = "arn:aws:kms:"


def read(policy: Any, context: Any, service: str = "") -> dict[str, Any]:
    """The policy, said about this caller: `context` is the emulator's, `service` who calls where no user or role does.

    Statements without an action are left to `evaluation`, which knows that they do nothing.
    """
    found = principals.statements(state.document(policy))
    return {"Statement": [_located(_named(one, context, service), context) for one in found]}


def _located(statement: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """A policy is its resource's, and most need not say so. A key's must, or the statement does nothing."""
    if {"Resource", "NotResource"} & set(statement) or context.resource_arn.startswith(KEYS):
        return dict(statement)
    return {**statement, "Resource": "*"}


def _named(statement: Mapping[str, Any], context: Any, service: str) -> dict[str, Any]:
    """NotPrincipal means everybody, or not this caller.

    With Deny it spares nobody who has a permissions boundary: AWS's guide says so of the element.
    """
    if "NotPrincipal" not in statement:
        return dict(statement)
    denied = statement.get("Effect") == "Deny" and _bounded(context)
    spared = _spared(statement["NotPrincipal"], context, service) and not denied
    return {**statement, "Principal": {} if spared else "*"}


def _spared(named: Any, context: Any, service: str) -> bool:
    from ministack.core import iam_evaluator as evaluator  # noqa: PLC0415 - it reads its settings when it is imported

    if service and evaluator._service_principal_matches(named, service):  # noqa: SLF001 - none of these is public
        return True
    # Who is root is named by naming the account; others are not.
    if context.principal_type == "Root" and evaluator._principal_matches(named, context.principal_arn):  # noqa: SLF001
        return True
    return bool(evaluator._names_caller(named, context.principal_arn))  # noqa: SLF001


def _bounded(context: Any) -> bool:
    return bool((entity(context.principal_arn) or {}).get("PermissionsBoundary"))


def entity(arn: str) -> Mapping[str, Any] | None:
    """The user, or the role behind a session, that an ARN of a caller is about."""
    account, kind, name = _parts(arn)
    kept = state.service("iam")
    stores = {"user": kept._users, "assumed-role": kept._roles}  # noqa: SLF001 - no public ones
    found: Mapping[str, Any] | None = stores[kind].get_scoped(account, None, name) if kind in stores else None
    return found


def _parts(arn: str) -> tuple[str, str, str]:
    """Account, kind and name. A user's ARN ends with its name, after its path; a session's says the role's before."""
    fields = arn.split(":", 5)
    kind, _, rest = fields[-1].partition("/")
    name = rest.partition("/")[0] if kind == "assumed-role" else rest.rpartition("/")[2]
    return fields[4] if len(fields) == 6 else "", kind, name
