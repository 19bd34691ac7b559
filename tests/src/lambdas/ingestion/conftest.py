from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.newsapi_responses import NewsServer
from tests.src.lambdas.ingestion.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.awsbox.people import Account


@pytest.fixture
def server() -> Iterator[NewsServer]:
    with NewsServer() as server:
        yield server


@pytest.fixture
def world(account: Account, server: NewsServer, table_name: str) -> Iterator[World]:
    world = World(account, server, table_name)
    yield world
    world.http.close()
    account.box.faults.clear()
