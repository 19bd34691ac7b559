"""The one DynamoDB table, and every access that there is to it.

    key                              what                          attributes
    article#<id>   article           an article, then an item      see `_article`; `pending` while nobody analyzed it
    hours#<topic>  2026-11-21T15Z    what was analyzed in an hour  positive, neutral, negative, score (10,000ths)

    index     keys                   whom it serves
    feed      feed, position         newest items, and what came after a position; items alone have a position
    topic     topic, position        the same for one topic
    pending   pending, announced_at  what was announced long ago and is not analyzed: ingestion announces it again

The table settles what is true: an article is put once, and becomes an item once, together with its place in the hour's
counts, however often and in whatever order messages come.
"""

from __future__ import annotations

import random
import time
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from sentiment import clock as time_of
from sentiment.articles import Article, Hour, Item, Label, Sentiment
from sentiment.errors import Rejected, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

FEED = "all"
PENDING = "yes"
UNIT = 10_000
"""Scores are summed as whole numbers of this fraction: sums of floats depend on their order."""
TRIES = 8
"""Many items of one hour are analyzed at once, and count in one place: DynamoDB lets one of two win."""

_write = TypeSerializer().serialize
_read = TypeDeserializer().deserialize


class Table:
    def __init__(
        self,
        client: DynamoDBClient,
        name: str,
        *,
        keep: timedelta,
        clock: time_of.Clock = time_of.now,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """`keep`: how long articles and counts stay."""
        self._client = client
        self._name = name
        self._keep = keep
        self._clock = clock
        self._wait = wait

    def put_new(self, article: Article) -> bool:
        """Keep it as pending; False where it was there already, which changes nothing."""
        stored = _article(article) | {"pending": PENDING, "announced_at": self._stamp(), "announcements": 0}
        try:
            self._client.put_item(
                TableName=self._name,
                Item=_items(stored | {"expires": self._expires()}),
                ConditionExpression="attribute_not_exists(pk)",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        except (ClientError, BotoCoreError) as error:
            raise _unavailable("dynamodb:PutItem", error) from error
        return True

    def announced(self, id: str) -> None:
        """It was told to analysis just now. Analyzed in the meantime: nothing to note."""
        self._note(id, "SET announced_at = :now ADD announcements :one", {":now": self._stamp(), ":one": 1})

    def abandon(self, id: str) -> None:
        """It was announced often enough: nobody will analyze it."""
        self._note(id, "SET abandoned_at = :now REMOVE pending", {":now": self._stamp()})

    def pending(self, before: datetime, limit: int) -> list[tuple[Article, int]]:
        """Announced before that time and not analyzed, oldest first, with how often they were announced."""
        found = self._query(
            "pending", "pending = :pending AND announced_at < :before",
            {":pending": PENDING, ":before": time_of.stamp(before)}, limit=limit,
        )  # fmt: skip
        return [(_as_article(row), int(row["announcements"])) for row in found]

    def record(self, id: str, sentiment: Sentiment) -> bool:
        """The article becomes an item, and counts in its hour; False where it is an item already.

        Rejected: there is no such article.
        """
        for attempt in range(TRIES):
            if attempt:
                self._wait(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 - spreads rivals out
            stored = self._stored(id)
            if stored is None:
                raise Rejected(f"there is no article {id} in {self._name}")
            if "position" in stored:
                return False
            if self._recorded(id, stored["topic"], sentiment):
                return True
        raise Unavailable(f"the item {id} cannot be written: {TRIES} times something else was written at once")

    def newest(self, limit: int, *, topic: str = "", before: str = "") -> list[Item]:
        """Newest first; `before` is the position of the last item of the page before."""
        index = "topic" if topic else "feed"
        key = f"{index} = :key" + (" AND #p < :before" if before else "")
        values = {":key": topic or FEED} | ({":before": before} if before else {})
        return [_as_item(row) for row in self._query(index, key, values, limit=limit, newest_first=True)]

    def after(self, position: str, until: datetime, limit: int) -> list[Item]:
        """What came after a position and before a time, oldest first. From the start: an empty position."""
        last = time_of.stamp(until)
        if last <= position:
            return []
        # What the position names itself is left out, and so is what came in the very millisecond of `until`.
        values = {":key": FEED, ":after": f"{position}!" if position else "0", ":last": last}
        rows = self._query("feed", "feed = :key AND #p BETWEEN :after AND :last", values, limit=limit)
        return [_as_item(row) for row in rows]

    def hours(self, topic: str, hours: Sequence[str]) -> list[Hour]:
        """The counts of each of these hours that has any, oldest first; `hours` are in a row, oldest first."""
        values = {":pk": f"hours#{topic}", ":first": hours[0], ":last": hours[-1]}
        return [_as_hour(row) for row in self._query("", "pk = :pk AND sk BETWEEN :first AND :last", values)]

    def ask(self) -> None:
        """Whether it answers, for health: one cheap read."""
        self._get({"pk": "health", "sk": "health"})

    def _recorded(self, id: str, topic: str, sentiment: Sentiment) -> bool:
        now = self._clock()
        item: dict[str, Any] = {
            ":feed": FEED,
            ":position": f"{time_of.stamp(now)}~{id}",
            ":label": sentiment.label.value,
            ":score": round(sentiment.score * UNIT),
            ":model": sentiment.model,
        }
        counts = {":one": 1, ":score": item[":score"], ":expires": self._expires()}
        writes: list[TransactWriteItemTypeDef] = [
            {
                "Update": {
                    "TableName": self._name,
                    "Key": _items({"pk": f"article#{id}", "sk": "article"}),
                    "UpdateExpression": "SET feed = :feed, #p = :position, label = :label, score = :score, "
                    "model = :model REMOVE pending",
                    "ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(#p)",
                    "ExpressionAttributeNames": {"#p": "position"},
                    "ExpressionAttributeValues": _items(item),
                }
            },
            {
                "Update": {
                    "TableName": self._name,
                    "Key": _items({"pk": f"hours#{topic}", "sk": time_of.hour(now)}),
                    "UpdateExpression": f"SET expires = :expires ADD {sentiment.label.value} :one, score :score",
                    "ExpressionAttributeValues": _items(counts),
                }
            },
        ]
        try:
            self._client.transact_write_items(TransactItems=writes)
        except self._client.exceptions.TransactionCanceledException:
            return False  # somebody else wrote the item, or the hour: look again
        except (ClientError, BotoCoreError) as error:
            raise _unavailable("dynamodb:TransactWriteItems", error) from error
        return True

    def _note(self, id: str, update: str, values: Mapping[str, Any]) -> None:
        try:
            self._client.update_item(
                TableName=self._name,
                Key=_items({"pk": f"article#{id}", "sk": "article"}),
                UpdateExpression=update,
                ConditionExpression="pending = :pending",
                ExpressionAttributeValues=_items({**values, ":pending": PENDING}),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return
        except (ClientError, BotoCoreError) as error:
            raise _unavailable("dynamodb:UpdateItem", error) from error

    def _stored(self, id: str) -> dict[str, Any] | None:
        return self._get({"pk": f"article#{id}", "sk": "article"})

    def _get(self, key: Mapping[str, str]) -> dict[str, Any] | None:
        try:
            found = self._client.get_item(TableName=self._name, Key=_items(key), ConsistentRead=True)
        except (ClientError, BotoCoreError) as error:
            raise _unavailable("dynamodb:GetItem", error) from error
        return _row(found["Item"]) if "Item" in found else None

    def _query(
        self, index: str, key: str, values: Mapping[str, Any], *, limit: int = 0, newest_first: bool = False
    ) -> list[dict[str, Any]]:
        """Pages are read until there are enough rows; 0 is all of them."""
        asked: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": key,
            "ExpressionAttributeValues": _items(values),
            "ScanIndexForward": not newest_first,
        }
        asked |= {"IndexName": index} if index else {"ConsistentRead": True}
        asked |= {"ExpressionAttributeNames": {"#p": "position"}} if "#p" in key else {}
        rows: list[dict[str, Any]] = []
        for page in self._pages(asked, limit):
            rows += [_row(row) for row in page]
            if limit and len(rows) >= limit:
                return rows[:limit]
        return rows

    def _pages(self, asked: dict[str, Any], limit: int) -> Iterator[list[Any]]:
        asked = asked | ({"Limit": limit} if limit else {})
        while True:
            try:
                page = self._client.query(**asked)
            except (ClientError, BotoCoreError) as error:
                raise _unavailable("dynamodb:Query", error) from error
            yield page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            asked = asked | {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _stamp(self) -> str:
        return time_of.stamp(self._clock())

    def _expires(self) -> int:
        return int((self._clock() + self._keep).timestamp())


def _article(article: Article) -> dict[str, Any]:
    return {"pk": f"article#{article.id}", "sk": "article", **asdict(article)}


def _as_article(row: Mapping[str, Any]) -> Article:
    return Article(**{name: row[name] for name in Article.__dataclass_fields__})


def _as_item(row: Mapping[str, Any]) -> Item:
    said = Sentiment(label=Label(row["label"]), score=float(row["score"] / UNIT), model=row["model"])
    return Item(article=_as_article(row), sentiment=said, position=row["position"])


def _as_hour(row: Mapping[str, Any]) -> Hour:
    counts = {label.value: int(row.get(label.value, 0)) for label in Label}
    return Hour(hour=row["sk"], score=float(row.get("score", Decimal(0)) / UNIT), **counts)


def _items(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _write(value) for name, value in values.items()}


def _row(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _read(value) for name, value in stored.items()}


def _unavailable(call: str, error: Exception) -> Unavailable:
    return Unavailable(f"{call} failed: {error}")
