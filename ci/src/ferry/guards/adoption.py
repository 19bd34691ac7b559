"""What a plan would create although it may exist already, and what taking it over would change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferry.model import Finding, Severity
from ferry.tfplan import Action, Change, Plan

if TYPE_CHECKING:
    from collections.abc import Sequence


def candidates(plan: Plan) -> Sequence[Change]:
    """Each holds its physical name in `after`: no list of names is kept anywhere."""
    return [change for change in plan.changes.values() if change.action is Action.CREATE]


def findings(plan: Plan) -> tuple[Finding, ...]:
    """One for each adopted resource. Adoption that would destroy what it takes over is blocked: it is not adoption."""
    return tuple(_finding(change) for change in plan.changes.values() if change.imports)


def _finding(change: Change) -> Finding:
    if change.action in {Action.REPLACE, Action.DESTROY}:
        return Finding(
            guard="adoption",
            severity=Severity.BLOCK,
            verdict="would-replace",
            address=change.address,
            what=f"{change.imports} exists already, and taking it into state would destroy it and make it again",
            why=f"cannot be changed in place: {', '.join(change.replace_paths) or 'terraform does not say what'}",
            next="bring the configuration into line with what exists, or remove the object by hand",
        )
    same = change.action is Action.NO_OP
    return Finding(
        guard="adoption",
        severity=Severity.INFO,
        verdict="adopted",
        address=change.address,
        what=f"{change.imports} exists already and is taken into state",
        why="nothing about it changes" if same else "then it is changed in place",
    )
