"""What the stack needs and the emulator lacks: the box answers itself, behind the authoriser."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from awsbox import behind
from awsbox.answers import alarms, metrics, subscriptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awsbox.answers.cost_explorer import CostExplorer

RULES = {**alarms.RULES, **subscriptions.RULES}


@contextmanager
def seated(costs: CostExplorer) -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(costs.seated())
        stack.enter_context(metrics.seated())
        stack.enter_context(alarms.evaluated_by_the_box())
        stack.enter_context(behind.seated(RULES))
        yield
