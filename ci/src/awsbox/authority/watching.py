"""CloudWatch, Logs, Budgets and Cost Explorer: alarms, log groups in both their forms, budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from awsbox.authority.request import Check, tag_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from awsbox.authority.request import Request, Where


def described_alarms(request: Request) -> Sequence[str]:
    """Composite alarms are shown to those only who may see every alarm."""
    if "CompositeAlarm" in request.listed("AlarmTypes"):
        return ("*",)
    return [request.arn(f"alarm:{name}") for name in request.listed("AlarmNames")] or [request.arn("alarm:*")]


def cloudwatch_keys(request: Request) -> dict[str, Any]:
    actions = [str(arn) for arn in request.listed("AlarmActions")]
    return {"cloudwatch:namespace": request.get("Namespace"), "cloudwatch:AlarmActions": actions or None}


def group_arn(request: Request) -> Sequence[str]:
    """Logs asks for `…:log-group:NAME:log-stream:`, which `…NAME:*` covers and the bare `…NAME` does not."""
    return [_group(request, name) + ":log-stream:" for name in _groups(request)]


def stream_arn(request: Request) -> Sequence[str]:
    return [f"{_group(request, name)}:log-stream:{request.get('logStreamName') or ''}" for name in _groups(request)]


def tagged_group(request: Request) -> Iterator[Check]:
    """Tags of a group are asked for on its bare ARN; the action's older name, and its other form, do as well."""
    tags = tag_keys(request)
    for arn in group_arn(request) if tags else ():
        older = Check("logs:TagLogGroup", arn, tags)
        yield Check(
            "logs:TagResource", arn.removesuffix(":log-stream:"), tags, Check("logs:TagResource", arn, tags, older)
        )


def no_group(request: Request) -> Sequence[str]:
    """Listing groups is asked for without a name, prefix or not."""
    return (request.arn("log-group::log-stream:"),)


def _groups(request: Request) -> list[str]:
    return (
        [str(request.get("logGroupName", "logGroupIdentifier") or "")]
        if request.get("logGroupName", "logGroupIdentifier")
        else [str(name) for name in request.listed("logGroupNames") + request.listed("logGroupIdentifiers")] or [""]
    )


def _group(request: Request, name: str) -> str:
    return name.removesuffix(":*") if name.startswith("arn:") else request.arn(f"log-group:{name}")


def budget_arn(request: Request) -> Sequence[str]:
    name = request.get("BudgetName") or (request.get("Budget", "NewBudget") or {}).get("BudgetName") or "*"
    return (request.arn(f"budget/{name}", region=""),)


def listed(name: str, every: str) -> Where:
    """The ARNs in a list, or all when there is none."""
    return lambda request: list(map(str, request.listed(name))) or (request.arn(every, region=""),)
