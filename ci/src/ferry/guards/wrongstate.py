"""Plans that are right in themselves, and made over the wrong state, workspace or configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ferry.guards.values import WHOLE_PLAN, leaves, listed, word
from ferry.model import Finding, Severity
from ferry.tfplan import Action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ferry.guards.context import Context, Neighbour
    from ferry.tfplan import Change, Plan

NEARLY_NOTHING = 0.2
"""A state that knows less than this share of what should be there is empty, or another one."""
MANY = 5
"""Below this, shares say nothing: a plan of three resources may create all of them on any day."""
OWN_NAME = re.compile(
    r"id|arn|url|name|bucket|identifier"
    r"|(alarm|cluster|dashboard|domain|function|repository|role|stream|table|user)_(name|identifier)"
)
"""The attributes that say which object of AWS a resource is, and not what it refers to."""

_said = partial(Finding, guard="wrongstate")


@dataclass(frozen=True, slots=True)
class Census:
    """What the state knows, what is only found in AWS, and what is neither."""

    known: Sequence[Change]
    adopted: Sequence[Change]
    new: Sequence[Change]
    gone: Sequence[Change]

    @property
    def there(self) -> int:
        return len(self.known) + len(self.adopted) + len(self.new)

    @property
    def nearly_unknown(self) -> bool:
        return bool(self.there) and len(self.known) / self.there < NEARLY_NOTHING


def findings(plan: Plan, context: Context) -> tuple[Finding, ...]:
    census = _counted(plan)
    said = (_foreign(plan, context), _emptied(census, context), _unknown(census, context))
    return tuple(finding for finding in said if finding)


def _counted(plan: Plan) -> Census:
    changes = [change for change in plan.changes.values() if " (deposed " not in change.address]
    there = [change for change in changes if change.action is not Action.DESTROY]
    adopted = [change for change in there if change.imports]
    new = [change for change in there if change.action is Action.CREATE and not change.imports]
    known = [change for change in there if change.action is not Action.CREATE and not change.imports]
    return Census(known, adopted, new, gone=[change for change in changes if change.action is Action.DESTROY])


def _unknown(census: Census, context: Context) -> Finding | None:
    """An environment that exists has a state that knows it."""
    if not census.nearly_unknown:
        return None
    makes = f"{len(census.new)} of {census.there} resources would be created, {len(census.adopted)} adopted"
    if context.deployed_before and len(census.new) > len(census.adopted):
        return _said(
            severity=Severity.BLOCK,
            verdict="empty-state",
            address=WHOLE_PLAN,
            what=f"{makes}, and this environment was deployed before",
            why=f"the state knows {len(census.known)} of them: it is empty, or not this environment's",
            next=f"{_check(context)}; a state that is lost is in the bucket's earlier versions",
        )
    if len(census.adopted) > max(len(census.new), MANY):
        return _said(
            severity=Severity.WARN,
            verdict="lost-state",
            address=WHOLE_PLAN,
            what=f"{makes}: nearly everything exists already, and the state does not know it",
            why="either the state was lost, and this takes everything back; or another state holds these already, "
            "and then two of them fight over each resource",
            next=_check(context),
        )
    if context.deployed_before is None and census.there >= MANY:
        return _said(
            severity=Severity.INFO,
            verdict="first-deployment",
            address=WHOLE_PLAN,
            what=f"{makes}: right for a first deployment, and only then",
            why="nobody has said whether this environment was deployed before",
            next=_check(context),
        )
    return None


def _emptied(census: Census, context: Context) -> Finding | None:
    """Most of what the state knows has no configuration any more: that is another environment's, or another root's."""
    before = len(census.gone) + len(census.known)
    if len(census.gone) < MANY or len(census.gone) * 2 <= before:
        return None
    return _said(
        severity=Severity.BLOCK,
        verdict="destroys-most",
        address=WHOLE_PLAN,
        what=f"{len(census.gone)} of {before} resources that the state knows would be destroyed",
        why="a state belongs to one configuration: over another one's, everything looks superfluous",
        next=f"{_check(context)}, and which root was planned: {listed(change.address for change in census.gone)}",
    )


def _foreign(plan: Plan, context: Context) -> Finding | None:
    """What the state knows bears another environment's name."""
    owners = {
        change.address: owner.name
        for change in plan.changes.values()
        if change.before and not change.imports and (owner := _owner(change, context))
    }
    if not owners:
        return None
    return _said(
        severity=Severity.BLOCK,
        verdict="foreign-state",
        address=WHOLE_PLAN if len(owners) > 1 else next(iter(owners)),
        what=f"the state holds what {listed(sorted(set(owners.values())))} owns: {listed(owners)}",
        why=f"over that state, a plan of {context.environment or 'another'} renames, replaces or destroys it",
        next=_check(context),
    )


def _owner(change: Change, context: Context) -> Neighbour | None:
    """The other environment that the object is named after, and not also after this one."""
    names = [
        value
        for path, value in leaves({key: value for key, value in change.before.items() if OWN_NAME.fullmatch(key)})
        if isinstance(value, str) and path
    ]
    everybody = sorted({context.environment, *(other.name for other in context.neighbours)} - {""}, key=len)
    if not everybody:
        return None
    # The longest first: pre-prod is not prod.
    pattern = re.compile("|".join(map(word, reversed(everybody))))
    seen = {match for name in names for match in pattern.findall(name)}
    if context.environment in seen:
        return None
    return next((other for other in context.neighbours if other.name in seen), None)


def _check(context: Context) -> str:
    where = context.state or "its bucket, key and workspace"
    return f"check that this is the right state: {where}"
