"""Announcements on SNS, as many at once as it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sentiment.articles import Announcement
from sentiment.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from types_boto3_sns import SNSClient

    from sentiment.articles import Article

MOST = 10
LARGEST = 256 * 1024
"""Bytes, of all messages of a batch together."""

type Message = tuple[str, str]
"""The article's id, and what is said of it."""


def batches(articles: Iterable[Article]) -> Iterator[list[Message]]:
    batch: list[Message] = []
    room = LARGEST
    for article in articles:
        text = Announcement.of(article).to_json()
        size = len(text.encode())
        if batch and (len(batch) == MOST or size > room):
            yield batch
            batch, room = [], LARGEST
        batch.append((article.id, text))
        room -= size
    if batch:
        yield batch


class Announcer:
    def __init__(self, client: SNSClient, topic: str) -> None:
        self._client = client
        self._topic = topic

    def announce(self, batch: Sequence[Message]) -> dict[str, str]:
        """Which articles SNS did not take, by id, and why; Unavailable: perhaps none was taken."""
        try:
            answer = self._client.publish_batch(
                TopicArn=self._topic,
                PublishBatchRequestEntries=[{"Id": id, "Message": text} for id, text in batch],
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"sns:PublishBatch failed: {error}") from error
        refused = {one["Id"]: f"{one['Code']} {one.get('Message', '')}".strip() for one in answer.get("Failed", [])}
        taken = {one["Id"] for one in answer.get("Successful", [])}
        return {id: refused.get(id, "SNS did not say") for id, _ in batch if id not in taken}
