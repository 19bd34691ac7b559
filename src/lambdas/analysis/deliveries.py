"""What SNS hands over, taken apart without trust: whoever may invoke the function may send anything."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    message: str
    """As it was published; empty where there is none."""
    id: str
    """SNS's own for the message, the same each time that it is delivered; empty where there is none."""
    original: str
    """What to keep of it for people."""


def deliveries(event: object) -> list[Delivery]:
    """What is no event of SNS is one delivery without a message."""
    records = event.get("Records") if isinstance(event, dict) else None
    return [_delivery(record) for record in (records if isinstance(records, list) and records else [event])]


def _delivery(record: object) -> Delivery:
    sns = record.get("Sns") if isinstance(record, dict) else None
    message, id = (_text(sns, name) for name in ("Message", "MessageId"))
    return Delivery(message=message, id=id, original=message or json.dumps(record, default=str))


def _text(sns: object, name: str) -> str:
    value = sns.get(name) if isinstance(sns, dict) else None
    return value if isinstance(value, str) else ""
