"""Scheduled rules of EventBridge, fired when it is wanted and not when it is time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from awsbox.rules import stores

if TYPE_CHECKING:
    from collections.abc import Iterable


class NoRule(Exception):
    """There is no such rule, or it is switched off."""


def fire(name: str) -> int:
    """Send the rule's targets what EventBridge sends on schedule; in whatever account it is. How many they are."""
    places = [place for place in stores.own("eventbridge", "rules").all_items() if _name(place[1]) == name]
    if not places:
        names = sorted({_name(rule) for _, rule in stores.own("eventbridge", "rules").all_items()})
        raise NoRule(f"no rule is called {name}; there are: {', '.join(names) or 'none'}")
    if any(rule.get("State") != "ENABLED" for _, rule in places):
        raise NoRule(f"{name} is disabled")
    return sum(_fire(*place) for place in places)


def _name(rule: dict[str, Any]) -> str:
    return str(rule.get("Name", ""))


def _fire(place: Iterable[str], rule: dict[str, Any]) -> int:
    account, region, key = place
    with stores.core("responses").request_scope(account, region):
        event = {
            "EventId": str(uuid4()),
            "Source": "aws.events",
            "DetailType": "Scheduled Event",
            "Detail": "{}",
            "EventBusName": rule.get("EventBusName", "default"),
            "Time": time.time(),
            "Resources": [rule["Arn"]],
            "Account": account,
            "Region": region,
        }
        view = stores.own("eventbridge", "pattern_event_view")(event)
        targets = stores.own("eventbridge", "targets").get(key) or []
        for target in targets:
            stores.own("eventbridge", "invoke_target")(target, event, rule, view)
    return len(targets)
