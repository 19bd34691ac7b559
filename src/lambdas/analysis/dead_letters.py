"""The queue for messages that will never be right: kept there, with the reason, until somebody has looked at them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sentiment.errors import Unavailable

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import MessageAttributeValueTypeDef

    from analysis.deliveries import Delivery

BODY_BYTES = 250_000
"""SNS carries 256 KiB and so may a queue, attributes counted: without room for them the longest could not be kept."""
REASON_LENGTH = 500
UNSENDABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What SQS takes in no message, though JSON does."""


class DeadLetters:
    def __init__(self, client: SQSClient, url: str, function: str) -> None:
        """`function`: who sends, for whoever reads: the queue is everybody's."""
        self._client = client
        self._url = url
        self._function = function

    def send(self, delivery: Delivery, reason: str) -> None:
        attributes = {"reason": reason[:REASON_LENGTH], "message_id": delivery.id, "function": self._function}
        try:
            self._client.send_message(
                QueueUrl=self._url,
                MessageBody=_sendable(delivery.original).encode()[:BODY_BYTES].decode(errors="ignore"),
                MessageAttributes={name: _attribute(value) for name, value in attributes.items()},
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"sqs:SendMessage to {self._url} failed: {error}") from error


def _sendable(text: str) -> str:
    return UNSENDABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _attribute(value: str) -> MessageAttributeValueTypeDef:
    """SQS takes no empty one."""
    return {"DataType": "String", "StringValue": _sendable(value) or "unknown"}
