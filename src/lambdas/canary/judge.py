"""All of it: one question in, one verdict out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canary import services, streams
from canary.asking import OPEN, Asking
from canary.load import load
from canary.question import base
from canary.verdict import verdict
from canary.web import Web

if TYPE_CHECKING:
    from canary.question import Question
    from canary.verdict import Verdict


async def judge(question: Question) -> Verdict:
    async with Web(question.limits.within) as web:
        asking = Asking(question, web)
        positions = await _dashboard(asking, base(question.dashboard)) if question.dashboard else []
        if question.stream:
            await _stream(asking, base(question.stream), positions)
    return verdict(question, asking.checks, asking.measured)


async def _dashboard(asking: Asking, url: str) -> list[str]:
    """The positions of its newest items, from which a stream can be resumed."""
    digest = asking.question.dashboard_digest
    environment = await services.health(asking, url, digest=digest, measure="dashboard_health")
    if environment is None:
        return []
    await services.page(asking, url)
    positions = await services.data(asking, url, environment)
    # In dev, each service makes news of its own.
    return [] if environment == OPEN else positions


async def _stream(asking: Asking, url: str, positions: list[str]) -> None:
    environment = await services.health(asking, url, digest=asking.question.digest, measure="health")
    if environment is None:
        return
    streaming = await streams.stream(asking, url, environment, positions)
    if asking.question.load and streaming:
        await load(asking, url, asking.question.load)
