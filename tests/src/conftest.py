"""The system's own table and secrets in the box, as infrastructure/terraform makes them."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest

from sentiment.table import Table

if TYPE_CHECKING:
    from tests.awsbox.people import Account, Caller

_NUMBERS = count(1)
INDEXES = (("feed", "feed", "position"), ("topic", "topic", "position"), ("pending", "pending", "announced_at"))
KEYS = {"pk", "sk"} | {name for _, *keys in INDEXES for name in keys}


def make_table(root: Caller, name: str) -> None:
    def keys(partition: str, order: str) -> list[dict[str, str]]:
        return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": order, "KeyType": "RANGE"}]

    indexes = [
        {"IndexName": index, "KeySchema": keys(partition, order), "Projection": {"ProjectionType": "ALL"}}
        for index, partition, order in INDEXES
    ]
    root.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in sorted(KEYS)],
        KeySchema=keys("pk", "sk"),
        GlobalSecondaryIndexes=indexes,
    )


@pytest.fixture
def table_name(account: Account) -> str:
    """Of a new, empty table."""
    name = f"test-{next(_NUMBERS)}-sentiment"
    make_table(account.root, name)
    return name


@pytest.fixture
def table(account: Account, table_name: str) -> Table:
    return Table(account.root.client("dynamodb"), table_name, keep=timedelta(days=30))
