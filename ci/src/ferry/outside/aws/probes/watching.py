"""Logs, alarms, dashboards, budgets, and what watches for unusual costs."""

from __future__ import annotations

from functools import partial
from typing import Any

from ferry.outside.aws.probes import tags
from ferry.outside.aws.probes.questions import Found, Question, State, alone, tagged

GONE = ("UnknownMonitorException", "UnknownSubscriptionException")


def log_group(asked: Question) -> Found | None:
    name = asked["name"]
    # Groups come in the order of their names: the one that is the prefix itself is first.
    found = asked.ask("logs", "describe_log_groups", logGroupNamePrefix=name)["logGroups"]
    arn = next((group["arn"].removesuffix(":*") for group in found if group["logGroupName"] == name), None)
    if arn is None:
        return None
    return Found(id=name, arn=arn, tags=asked.ask("logs", "list_tags_for_resource", resourceArn=arn).get("tags") or {})


def alarm(asked: Question) -> Found | None:
    name = asked["alarm_name"]
    found = asked.ask("cloudwatch", "describe_alarms", AlarmNames=[name], AlarmTypes=["MetricAlarm"])["MetricAlarms"]
    if not found:
        return None
    arn = found[0]["AlarmArn"]
    tags = asked.ask("cloudwatch", "list_tags_for_resource", ResourceARN=arn)["Tags"]
    return Found(id=name, arn=arn, tags=tagged(tags))


def dashboard(asked: Question) -> Found | None:
    name = asked["dashboard_name"]
    missing = ("ResourceNotFound", "DashboardNotFoundError")
    return Found(id=name) if asked.ask("cloudwatch", "get_dashboard", missing, DashboardName=name) else None


def budget(asked: Question) -> Found | None:
    account, name = asked.here.account, asked["name"]
    if asked.ask("budgets", "describe_budget", ("NotFoundException",), AccountId=account, BudgetName=name) is None:
        return None
    arn = f"arn:{asked.here.partition}:budgets::{account}:budget/{name}"
    said = asked.ask("budgets", "list_tags_for_resource", ResourceARN=arn)
    return Found(id=f"{account}:{name}", tags=tagged(said.get("ResourceTags")))


def cost_watch(asked: Question, kind: str, Kind: str) -> Found | None:  # noqa: N803 - AWS writes it both ways
    """Its ARN says nothing of its name, and the name need not be its alone: the tags say which may be ours."""
    arns = tags.carrying(asked.in_costs_home(), f"ce:anomaly{kind}")
    # One by one: tags outlive what they were on for a while, and one that is gone spoils a list.
    answers = [asked.ask("ce", f"get_anomaly_{kind}s", GONE, **_only(f"{Kind}ArnList", arn)) for arn in sorted(arns)]
    found = [one for answer in answers if answer for one in answer[f"Anomaly{Kind}s"]]
    named = [one[f"{Kind}Arn"] for one in found if one[f"{Kind}Name"] == asked["name"]]
    if len(named) > 1:
        return Found(
            id=named[0],
            state=State.STUCK,
            verdict="ambiguous",
            note=f"several have this name and these tags: {', '.join(named)}",
            next="delete all but one of them",
        )
    return Found(id=named[0], tags=arns[named[0]]) if named else None


def _only(list: str, arn: str) -> dict[str, Any]:
    return {list: [arn]}


READERS = {
    "aws_budgets_budget": alone("name", budget),
    "aws_ce_anomaly_monitor": alone("name", partial(cost_watch, kind="monitor", Kind="Monitor")),
    "aws_ce_anomaly_subscription": alone("name", partial(cost_watch, kind="subscription", Kind="Subscription")),
    "aws_cloudwatch_dashboard": alone("dashboard_name", dashboard),
    "aws_cloudwatch_log_group": alone("name", log_group),
    "aws_cloudwatch_metric_alarm": alone("alarm_name", alarm),
}
