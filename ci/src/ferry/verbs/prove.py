"""prove: a service answers, and streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferry.outside import canary

if TYPE_CHECKING:
    from ferry.report import Report


async def prove(url: str, report: Report, *, what: str) -> None:
    """Ask over HTTP, as the canary does. `what` is an environment, or an image that is not deployed yet."""
    with report.step(f"prove {what}", f"Ask {what} whether it works") as step:
        await canary.health(url)
        step.say("healthy; reading the stream")
        seen = await canary.stream(url)
        step.done(f"first of {len(seen.arrivals)} events after {seen.first:.2f} s, spread over {seen.spread:.2f} s")
