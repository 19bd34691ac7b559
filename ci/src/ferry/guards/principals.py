"""Policies that let in everybody, or let somebody do everything.

What a plan does not touch is judged too, and said only where it blocks: on the first plan most policies are not known.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from ferry.guards.policies import anybody, many, narrowed, policies, statements
from ferry.guards.values import WHOLE_PLAN, dotted, listed, resulting, text, unknown
from ferry.model import Finding, Severity
from ferry.shape import show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ferry.guards.context import Context
    from ferry.guards.values import Path
    from ferry.tfplan import Change, Plan

ENDPOINT = re.compile(r"aws_vpc_endpoint(_policy)?")
"""Its policy says what may pass through the endpoint, and lets nobody in anywhere."""
HAVE_A_DEFAULT = frozenset(
    {"aws_kms_key", "aws_s3_bucket", "aws_secretsmanager_secret", "aws_sns_topic", "aws_sqs_queue"}
)
"""Where no policy is set, a plan says that it will be known later, as of one that is set."""
PUBLIC_BY_NATURE = re.compile(r"aws_api_gateway_rest_api(_policy)?")
POLICY = re.compile(r"(.+_)?policy|access_policies|policy_document")
PUBLIC_ACLS = frozenset({"public-read", "public-read-write", "authenticated-read"})
ADMINISTRATOR = re.compile(r"arn:[a-z-]+:iam::aws:policy/(AdministratorAccess|IAMFullAccess)")
NARROW = "name the principals, or narrow it: aws:SourceArn, aws:SourceAccount, aws:PrincipalOrgID"

_said = partial(Finding, guard="principals")
_blocked = partial(_said, severity=Severity.BLOCK)
_warned = partial(_said, severity=Severity.WARN)


def findings(plan: Plan, context: Context) -> tuple[Finding, ...]:  # noqa: ARG001 - every guard has the same shape
    """Of what the plan touches; and what stands open already, which nobody could judge while it was not known."""
    touched = {change.address for change in plan.touched()}
    there = resulting(plan)
    said = [(change, found) for change in there for found in _judged(change, plan)]
    kept = [found for change, found in said if change.address in touched or found.severity is Severity.BLOCK]
    return (*kept, *_not_known([change for change in there if change.address in touched]))


def _judged(change: Change, plan: Plan) -> Iterator[Finding]:
    special = SPECIAL.get(change.type)
    if special:
        yield from special(change, plan)
    if not ENDPOINT.fullmatch(change.type):
        for path, policy in policies(change.after):
            for number, statement in enumerate(statements(policy)):
                name = statement.get("Sid") or f"statement {number + 1}"
                yield from _statement(change, path, f"{dotted(path)}, {name}", statement)
    for arn in (text(change, "policy_arn"), *many(change.after.get("managed_policy_arns"))):
        if ADMINISTRATOR.fullmatch(str(arn)):
            yield _all_powerful(change, f"{arn} is attached")


def _statement(change: Change, path: Path, where: str, statement: Mapping[str, object]) -> Iterator[Finding]:
    if "Principal" not in statement and "NotPrincipal" not in statement:
        yield from _rights(change, where, statement)
    elif anybody(statement) and not narrowed(statement):
        everybody = "everybody but those it names" if "NotPrincipal" in statement else "everybody, in every AWS account"
        severity = Severity.WARN if PUBLIC_BY_NATURE.fullmatch(change.type) else Severity.BLOCK
        assumed = path[-1:] == ("assume_role_policy",)
        does = listed(str(action) for action in many(statement.get("Action") or statement.get("NotAction")))
        yield _said(
            severity=severity,
            verdict="open-to-all",
            address=change.address,
            what=f"{where}: lets in {everybody}: {does or 'no action is named'}",
            why="anybody can become this role"
            if assumed
            else "no condition says who calls or from where"
            " (aws:SecureTransport only says how; IfExists and ForAllValues let in who has no such key)",
            next=NARROW,
        )


def _rights(change: Change, where: str, statement: Mapping[str, object]) -> Iterator[Finding]:
    """What an identity's own policy lets it do."""
    if statement.get("Effect") != "Allow" or "*" not in many(statement.get("Resource")):
        return
    actions = [str(action) for action in many(statement.get("Action"))]
    if any(set(action) <= {"*", ":"} for action in actions):
        if statement.get("Condition"):
            what = f"{where}: everything on everything, under a condition"
            why = "whether the condition narrows it is for people to judge"
            yield _warned(verdict="all-actions", address=change.address, what=what, why=why, next=_NAME_THEM)
        else:
            yield _all_powerful(change, f"{where}: Action * on Resource *")
    elif "NotAction" in statement:
        what = f"{where}: on everything, all but {listed(map(str, many(statement['NotAction'])))}"
        why = "every service and action that AWS adds is allowed the day it comes"
        yield _warned(verdict="all-but", address=change.address, what=what, why=why, next=_NAME_THEM)


_NAME_THEM = "name the actions and the resources that it needs"


def _all_powerful(change: Change, what: str) -> Finding:
    why = "whoever has this can take the account over, and every guard with it"
    return _blocked(verdict="all-powerful", address=change.address, what=what, why=why, next=_NAME_THEM)


def _url(change: Change, plan: Plan) -> Iterator[Finding]:
    if text(change, "authorization_type") != "NONE":
        return
    permissions = [one.address for one in resulting(plan, "aws_lambda_permission") if _same_door(one, change)]
    belonging = f"; it belongs together with {listed(permissions)}" if permissions else ""
    yield _warned(
        verdict="public-url",
        address=change.address,
        what=f"everybody may call {text(change, 'function_name') or 'this function'} by its URL{belonging}",
        why="authorization_type NONE: AWS asks nobody who they are, and every call is paid for",
        next="see that the function itself asks for a key, or set authorization_type to AWS_IAM",
    )


def _permission(change: Change, plan: Plan) -> Iterator[Finding]:
    """`*` without a source; the one of a public URL is the URL's own finding."""
    sources = [
        change.after.get(key) for key in ("source_arn", "source_account", "principal_org_id", "event_source_token")
    ]
    known_later = any(unknown(change, (key,)) for key in ("source_arn", "source_account", "principal_org_id"))
    if change.after.get("principal") != "*" or any(sources) or known_later:
        return
    name = text(change, "function_name") or "the function"
    urls = [one for one in resulting(plan, "aws_lambda_function_url") if _same_door(change, one)]
    public = any(text(url, "authorization_type") == "NONE" for url in urls)
    if change.after.get("invoked_via_function_url") is True or change.after.get("function_url_auth_type"):
        if not public:
            what, why = f"everybody may call {name} by a URL", "and this plan has no public URL that it belongs to"
            yield _warned(verdict="public-url", address=change.address, what=what, why=why, next=NARROW)
    elif public and text(change, "action") == "lambda:InvokeFunction":
        yield _warned(
            verdict="public-invoke",
            address=change.address,
            what=f"everybody with an AWS account may call {name} by Lambda's API, and not by its URL alone",
            why="a public URL needs it since October 2025; without lambda:InvokedViaFunctionUrl it opens more",
            next="set invoked_via_function_url, where the provider knows it (6.x)",
        )
    else:
        what, why = f"everybody may {text(change, 'action') or 'use'} {name}", "principal * and no source"
        yield _blocked(verdict="open-to-all", address=change.address, what=what, why=why, next=NARROW)


def _same_door(permission: Change, url: Change) -> bool:
    """The same function by the same alias; names that only the apply knows are nobody's."""
    name, alias = text(permission, "function_name"), text(permission, "qualifier")
    same = name == text(url, "function_name") and alias == text(url, "qualifier")
    return bool(name) and same and permission.after.get("principal") == "*"


def _acl(change: Change, plan: Plan) -> Iterator[Finding]:  # noqa: ARG001 - as the others beside it
    if (acl := text(change, "acl")) in PUBLIC_ACLS:
        what, why = (
            f"its ACL is {show(acl)}",
            "everybody on the internet can read it" + (", and write" if "write" in acl else ""),
        )
        yield _blocked(
            verdict="open-to-all", address=change.address, what=what, why=why, next="use no ACL: a policy says who"
        )


def _layer(change: Change, plan: Plan) -> Iterator[Finding]:  # noqa: ARG001 - as the others beside it
    if change.after.get("principal") == "*" and not change.after.get("organization_id"):
        what, why = "everybody may use this layer", "principal * and no organization"
        yield _blocked(verdict="open-to-all", address=change.address, what=what, why=why, next=NARROW)


SPECIAL: Mapping[str, Callable[[Change, Plan], Iterator[Finding]]] = {
    "aws_lambda_function_url": _url,
    "aws_lambda_layer_version_permission": _layer,
    "aws_lambda_permission": _permission,
    "aws_s3_bucket": _acl,
    "aws_s3_bucket_acl": _acl,
}


def _not_known(touched: list[Change]) -> Iterator[Finding]:
    """A policy that names something new is a text that nobody knows before the apply."""
    hidden = [
        change for change in touched if any(POLICY.fullmatch(key) and unknown(change, (key,)) for key in change.unknown)
    ]
    own = [change.address for change in hidden if change.type in HAVE_A_DEFAULT]
    if said := [change.address for change in hidden if change.type not in HAVE_A_DEFAULT]:
        yield _warned(
            verdict="not-known",
            address=WHOLE_PLAN if len(said) > 1 else said[0],
            what=f"only the apply will know what these policies say: {listed(said)}",
            why="they name what does not exist yet, so nobody can judge them",
            next="plan once more after the apply: then they are judged",
        )
    if own:
        yield _said(
            severity=Severity.INFO,
            verdict="not-known",
            address=WHOLE_PLAN if len(own) > 1 else own[0],
            what=f"only the apply will know the policy of {listed(own)}",
            why="where none is set it is AWS's own, which lets in nobody from outside; the next plan is sure of it",
        )
