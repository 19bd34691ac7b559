"""What people let pass: one finding of one guard at one address, with a reason, until a day."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ferry.model import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from ferry.model import Allowance


def settled(
    findings: Sequence[Finding], allowances: Sequence[Allowance], *, environment: str, today: date
) -> tuple[Finding, ...]:
    """The same findings; what is allowed no longer stops the run, and still is said.

    An allowance that nothing needs is told as well: it would let something else pass one day.
    """
    allowances = [it for it in allowances if it.environment in ("", environment)]
    judged = [_judged(found, allowances, today) for found in findings]
    stopped = {(found.guard, found.address) for found in findings if found.severity is Severity.BLOCK}
    idle = [it for it in allowances if (it.guard, it.address) not in stopped]
    return (*judged, *(_idle(it) for it in idle))


def _judged(found: Finding, allowances: Sequence[Allowance], today: date) -> Finding:
    mine = [it for it in allowances if (it.guard, it.address) == (found.guard, found.address)]
    if found.severity is not Severity.BLOCK or not mine:
        return found
    last = max(mine, key=lambda it: it.until)
    said = f"{last.reason} (allowed until {last.until})"
    if today > last.until:
        return replace(found, why=f"{found.why}\nit was allowed until {last.until}: {last.reason}".lstrip())
    return replace(found, severity=Severity.WARN, verdict="allowed", why=f"{found.why}\n{said}".lstrip())


def _idle(allowance: Allowance) -> Finding:
    return Finding(
        guard=allowance.guard,
        severity=Severity.INFO,
        verdict="idle-allowance",
        address=allowance.address,
        what="an allowance lets nothing pass in this plan",
        why=f"{allowance.reason} (until {allowance.until})",
        next="take it out of ferry.toml when it is not needed any more",
    )
