"""SNS, SQS and EventBridge."""

from __future__ import annotations

import json

from ferry.outside.aws.probes.questions import Found, Question, alone, part, tagged

NO_TOPIC = ("NotFound", "NotFoundException")
NO_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
NO_RULE = ("ResourceNotFoundException",)


def topic(asked: Question) -> Found | None:
    arn = asked.arn("sns", asked["name"])
    if asked.ask("sns", "get_topic_attributes", NO_TOPIC, TopicArn=arn) is None:
        return None
    return Found(id=arn, arn=arn, tags=tagged(asked.ask("sns", "list_tags_for_resource", ResourceArn=arn)["Tags"]))


def topic_policy(asked: Question) -> Found | None:
    """The one that a topic is born with is nobody's."""
    said = asked.ask("sns", "get_topic_attributes", NO_TOPIC, TopicArn=asked["arn"])
    text = said["Attributes"].get("Policy", "") if said else ""
    own = bool(text) and json.loads(text).get("Id") != "__default_policy_ID"
    return Found(id=asked["arn"]) if own else None


def subscription(asked: Question) -> Found | None:
    """One that nobody has confirmed has no ARN yet, and to ask again only sends the mail again."""
    where = asked["topic_arn"]
    found = asked.ask_all("sns", "list_subscriptions_by_topic", "Subscriptions", NO_TOPIC, TopicArn=where)
    wanted = (asked["protocol"], asked["endpoint"])
    arns = (one["SubscriptionArn"] for one in found if (one["Protocol"], one["Endpoint"]) == wanted)
    return next((Found(id=arn) for arn in arns if arn.startswith("arn:")), None)


def queue(asked: Question) -> Found | None:
    said = asked.ask("sqs", "get_queue_url", NO_QUEUE, QueueName=asked["name"])
    if said is None:
        return None
    url = said["QueueUrl"]
    tags = asked.ask("sqs", "list_queue_tags", QueueUrl=url).get("Tags") or {}
    return Found(id=url, arn=asked.arn("sqs", asked["name"]), tags=tags)


def queue_policy(asked: Question) -> Found | None:
    url = asked["queue_url"]
    said = asked.ask("sqs", "get_queue_attributes", NO_QUEUE, QueueUrl=url, AttributeNames=["Policy"])
    return Found(id=url) if said and said.get("Attributes", {}).get("Policy") else None


def rule(asked: Question) -> Found | None:
    said = asked.ask("events", "describe_rule", NO_RULE, Name=asked["name"], **_bus(asked))
    if said is None:
        return None
    tags = asked.ask("events", "list_tags_for_resource", ResourceARN=said["Arn"])["Tags"]
    return Found(id=_on_bus(asked, asked["name"]), arn=said["Arn"], tags=tagged(tags))


def target(asked: Question) -> Found | None:
    """Its id may be for AWS to make up: then what it calls tells it."""
    name = asked["rule"]
    found = asked.ask_all("events", "list_targets_by_rule", "Targets", NO_RULE, Rule=name, **_bus(asked))
    wanted = asked.get("target_id")
    ids = [one["Id"] for one in found if (one["Id"] == wanted if wanted else one["Arn"] == asked["arn"])]
    return Found(id=_on_bus(asked, f"{name}/{ids[0]}")) if ids else None


def _bus(asked: Question) -> dict[str, str]:
    return {"EventBusName": asked.get("event_bus_name")} if asked.get("event_bus_name") else {}


def _on_bus(asked: Question, name: str) -> str:
    bus = asked.get("event_bus_name")
    return f"{bus}/{name}" if bus not in {"", "default"} else name


READERS = {
    "aws_cloudwatch_event_rule": alone("name", rule),
    "aws_cloudwatch_event_target": part("aws_cloudwatch_event_rule", "rule arn", target, given="arn"),
    "aws_sns_topic": alone("name", topic),
    "aws_sns_topic_policy": alone("arn", topic_policy, given="arn"),
    "aws_sns_topic_subscription": alone("topic_arn protocol endpoint", subscription, given="topic_arn endpoint"),
    "aws_sqs_queue": alone("name", queue),
    "aws_sqs_queue_policy": alone("queue_url", queue_policy, given="queue_url"),
}
