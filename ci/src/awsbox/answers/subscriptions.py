"""Mail subscribers of SNS topics: nobody gets mail until somebody has followed the link in the first one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from awsbox.calls import refusal
from awsbox.rules import stores

if TYPE_CHECKING:
    from awsbox.behind import Rules
    from awsbox.calls import Answer, Call, Next

MAIL = frozenset({"email", "email-json"})
PENDING = "pending confirmation"


async def subscribed(call: Call, way: Next) -> Answer:
    """New mail subscriptions wait; the ARN is told to who asks for it (Terraform does)."""
    protocol, endpoint = call.arguments.get("Protocol"), call.arguments.get("Endpoint")
    topic = call.arguments.get("TopicArn", "")
    known = {id(one) for one in _of(topic)}
    answer = await way(call)
    found = next((one for one in _of(topic) if (one["protocol"], one["endpoint"]) == (protocol, endpoint)), None)
    if protocol not in MAIL or found is None or answer.status != 200:
        return answer
    if id(found) not in known:
        found["confirmed"] = False
        found["attributes"] |= {"PendingConfirmation": "true", "ConfirmationWasAuthenticated": "false"}
        _count(topic)
    if found["confirmed"] or call.arguments.get("ReturnSubscriptionArn") == "true":
        return answer
    said = answer.body if isinstance(answer.body, bytes) else b""
    return replace(answer, body=said.replace(found["arn"].encode(), PENDING.encode()))


async def unsubscribed(call: Call, way: Next) -> Answer:
    arn = call.arguments.get("SubscriptionArn", "")
    waiting = next((one for one in _of(arn.rpartition(":")[0]) if one["arn"] == arn and not one["confirmed"]), None)
    if waiting and waiting["protocol"] in MAIL:
        why = (
            "Invalid parameter: SubscriptionArn Reason: Cannot unsubscribe a subscription that is pending confirmation"
        )
        return refusal(call, 400, "InvalidParameter", why)
    return await way(call)


def confirm(topic: str, address: str) -> None:
    """As if the reader had followed the link. KeyError: nobody subscribed with that address."""
    for one in _of(topic):
        if one["protocol"] in MAIL and one["endpoint"] == address:
            one["confirmed"] = True
            one["attributes"] |= {"PendingConfirmation": "false"}
            _count(topic)
            return
    raise KeyError(f"{address} did not subscribe to {topic}")


def _count(topic: str) -> None:
    stores.own("sns", "refresh_subscription_counts")(stores.own("sns", "topic_by_arn_any_scope")(topic))


def _of(topic: str) -> list[dict[str, Any]]:
    found = stores.own("sns", "topic_by_arn_any_scope")(topic) if topic else None
    subscriptions: list[dict[str, Any]] = found["subscriptions"] if found else []
    return subscriptions


RULES: Rules = {("sns", "Subscribe"): subscribed, ("sns", "Unsubscribe"): unsubscribed}
