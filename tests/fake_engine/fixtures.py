"""Fixtures to import in the conftest.py of the tests that need an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fake_engine.session import ConnectedEngine, connected

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def one_engine() -> Iterator[ConnectedEngine]:
    with connected() as engine:
        yield engine


@pytest.fixture
def engine(one_engine: ConnectedEngine) -> Iterator[ConnectedEngine]:
    """A fresh record of calls; afterwards, no query may have been one that a real engine refuses."""
    one_engine.reset()
    yield one_engine
    assert one_engine.refused == []
