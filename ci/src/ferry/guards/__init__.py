"""What a plan would do that nobody should let it: pure functions, each with a page in docs/reference/guards.

Each module has `findings(plan, context)`; what it cannot know is never a pass. `judged` asks all of them. Two need more
than one plan and are asked apart: `parity.differences` compares two environments, `retention.lost` needs the images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferry.guards import (
    adoption,
    coverage,
    images,
    isolation,
    lockout,
    principals,
    retention,
    stateful,
    wrongstate,
)
from ferry.model import Severity

if TYPE_CHECKING:
    from ferry.guards.context import Context
    from ferry.model import Finding
    from ferry.tfplan import Plan

GUARDS = (wrongstate, stateful, lockout, isolation, images, principals, retention, adoption, coverage)
"""The most urgent to read first."""
ORDER = (Severity.BLOCK, Severity.WARN, Severity.INFO)


def judged(plan: Plan, context: Context) -> tuple[Finding, ...]:
    """What all guards say, what stops the run first."""
    found = [finding for guard in GUARDS for finding in guard.findings(plan, context)]
    return tuple(sorted(found, key=lambda finding: ORDER.index(finding.severity)))
