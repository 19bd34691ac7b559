"""One box for all of these tests: the emulator keeps its state in module globals, so a process has room for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from anyio.from_thread import start_blocking_portal

from awsbox import Box
from tests.awsbox.people import Account

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def account() -> Iterator[Account]:
    """A running box; names of users, roles and resources are a test's own to choose, and shared by all tests."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Box.started()) as box:
        yield Account(box, portal)


@pytest.fixture(scope="session")
def box(account: Account) -> Box:
    return account.box
