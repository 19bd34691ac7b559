"""SNS, SQS and EventBridge: topics, queues, rules, and the roles that they pass on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from awsbox.authority import state
from awsbox.authority.needs import USE, passed, through

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awsbox.authority.request import Also, Check, Request


def subscription_topic(request: Request) -> Sequence[str]:
    arn = str(request.get("SubscriptionArn") or "*")
    return (arn.rpartition(":")[0] if arn.count(":") > 5 else arn,)


def attribute(request: Request, *names: str) -> list[str]:
    """Attributes of a topic, in both shapes in which calls give them."""
    said = {item.get("key"): item.get("value") for item in request.listed("Attributes") if isinstance(item, dict)}
    said |= {request.get("AttributeName"): request.get("AttributeValue")}
    return [str(said[name]) for name in names if said.get(name)]


DELIVERERS = ("Application", "Firehose", "HTTP", "Lambda", "SQS")
FEEDBACK = [f"{by}{how}FeedbackRoleArn" for by in DELIVERERS for how in ("Success", "Failure")]


def feedback_roles(request: Request) -> Sequence[Check]:
    return [passed(role, "sns.amazonaws.com") for role in attribute(request, *FEEDBACK)]


def sns_keys(request: Request) -> dict[str, Any]:
    return {"sns:Protocol": request.get("Protocol"), "sns:Endpoint": request.get("Endpoint")}


def published(request: Request) -> Sequence[Check]:
    topic = str(request.get("TopicArn", "TargetArn"))
    return through(request, "sns", state.topic_key(topic), USE, aws_sns_topicArn=topic)


def queue_arns(request: Request) -> Sequence[str]:
    name = str(request.get("QueueUrl") or "").rstrip("/").rpartition("/")[2] or request.get("QueueName") or "*"
    return (request.arn(str(name)),)


def queued(actions: tuple[str, ...]) -> Also:
    def also(request: Request) -> Sequence[Check]:
        (arn,) = queue_arns(request)
        return through(request, "sqs", state.queue_key(arn), actions, aws_sqs_arn=arn)

    return also


def rule_arn(request: Request) -> Sequence[str]:
    """Rules of the default bus do not name it."""
    bus = str(request.get("EventBusName") or "default").rpartition("/")[2]
    name = request.get("Rule", "Name") or "*"
    return (request.arn(f"rule/{name}" if bus == "default" else f"rule/{bus}/{name}"),)


def entry_buses(request: Request) -> Sequence[str]:
    names = {str(entry.get("EventBusName") or "default") for entry in request.listed("Entries")} or {"default"}
    return sorted(name if name.startswith("arn:") else request.arn(f"event-bus/{name}") for name in names)


def target_roles(request: Request) -> Sequence[Check]:
    roles = [
        target["RoleArn"] for target in request.listed("Targets") if isinstance(target, dict) and target.get("RoleArn")
    ]
    return [passed(role, "events.amazonaws.com") for role in roles]


def events_keys(request: Request) -> dict[str, Any]:
    targets = [str(target.get("Arn")) for target in request.listed("Targets") if isinstance(target, dict)]
    return {"events:TargetArn": targets or None, "events:creatorAccount": request.account, "events:ManagedBy": None}
