"""ECR lifecycle policies that would expire an image which runs, or which a way back leads to.

ECR knows nothing of what runs. Every rule looks at all images as if no other rule expired any. The first rule, by
priority, that selects an image by its tags decides on it: a later one can keep it from nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from ferry.guards.values import WHOLE_PLAN, listed, resulting, text, unknown
from ferry.model import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from ferry.guards.context import Context
    from ferry.tfplan import Change, Plan

POLICY = "aws_ecr_lifecycle_policy"
COUNT, AGE = "imageCountMoreThan", "sinceImagePushed"

_said = partial(Finding, guard="retention")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image of a repository. Of two pushed at the same time, the later in a list is the younger."""

    digest: str
    tags: tuple[str, ...]
    pushed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`tags` are patterns that an image needs one tag each for; None: whatever its tags are; empty: it has none."""

    priority: int
    tags: tuple[str, ...] | None
    counts: str
    number: int

    @property
    def untagged(self) -> bool:
        return self.tags == ()

    def selects(self, image: Image) -> bool:
        if self.tags is None:
            return True
        if not self.tags:
            return not image.tags
        return all(any(_matches(tag, pattern) for tag in image.tags) for pattern in self.tags)

    def drops(self, youngest: Sequence[Image], now: datetime) -> Sequence[Image]:
        """Of what it selects, the youngest first."""
        if self.counts == COUNT:
            return youngest[self.number :]
        return [image for image in youngest if image.pushed_at < now - timedelta(days=self.number)]


def expired(policy: str, images: Sequence[Image], now: datetime) -> frozenset[str]:
    """The digests that a run of the policy removes. ValueError for a policy that cannot be read for certain."""
    youngest = [image for _, image in sorted(enumerate(images), key=lambda at: (at[1].pushed_at, at[0]), reverse=True)]
    gone: set[str] = set()
    decided: set[str] = set()
    for rule in rules(policy):
        selected = [image for image in youngest if rule.selects(image)]
        gone |= {image.digest for image in rule.drops(selected, now)} - decided
        decided |= {image.digest for image in selected}
    return frozenset(gone)


def rules(policy: str) -> list[Rule]:
    """By priority. What a rule means that is not known here is not guessed at."""
    try:
        read = [_rule(rule) for rule in json.loads(policy)["rules"]]
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"it is no lifecycle policy: {type(error).__name__} {error}") from error
    if len({rule.priority for rule in read}) < len(read):
        raise ValueError("two of its rules have one priority")
    return sorted(read, key=lambda rule: rule.priority)


def _rule(said: Mapping[str, Any]) -> Rule:
    selection, action = said["selection"], said["action"]["type"]
    if action != "expire":
        raise ValueError(f"the action {action!r} is none that is known here")
    if selection["countType"] not in {COUNT, AGE} or selection.get("countUnit", "days") != "days":
        raise ValueError(f"the count {selection['countType']!r} is none that is known here")
    number, priority = selection["countNumber"], said["rulePriority"]
    if not (isinstance(number, int) and isinstance(priority, int) and number > 0):
        raise ValueError("a priority and a count are whole numbers")
    return Rule(priority=priority, tags=_tags(selection), counts=selection["countType"], number=number)


def _tags(selection: Mapping[str, Any]) -> tuple[str, ...] | None:
    patterns = [f"{prefix}*" for prefix in selection.get("tagPrefixList") or []]
    patterns += selection.get("tagPatternList") or []
    match selection["tagStatus"]:
        case "any":
            return None
        case "untagged":
            return ()
        case "tagged" if patterns:
            return tuple(patterns)
        case other:
            raise ValueError(f"tagStatus {other!r} with {len(patterns)} patterns selects nobody knows what")


def _matches(tag: str, pattern: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), tag) is not None


def findings(plan: Plan, context: Context) -> tuple[Finding, ...]:
    """What the policies alone say; `lost` is for who knows the images."""
    changes = resulting(plan, POLICY)
    hidden = [change.address for change in changes if unknown(change, ("policy",))]
    known = [change for change in changes if change.address not in hidden]
    known = [change for change in known if text(change, "repository") not in context.caches]
    return (*(found for change in known for found in _judged(change, context)), *([_hidden(hidden)] if hidden else []))


def lost(
    plan: Plan, stored: Mapping[str, Sequence[Image]], needed: Mapping[str, str], now: datetime
) -> tuple[Finding, ...]:
    """Each image that the plan's policies would remove at their next run, and that something still needs.

    `stored` is repository to its images, `needed` a digest to what needs it ("runs", "rollback to d-…").
    """
    return tuple(
        found
        for change in resulting(plan, POLICY)
        if (images := stored.get(text(change, "repository")))
        for found in _lost(change, images, needed, now)
    )


def _lost(change: Change, images: Sequence[Image], needed: Mapping[str, str], now: datetime) -> Iterator[Finding]:
    if unknown(change, ("policy",)):
        yield _hidden([change.address])
        return
    try:
        gone = expired(text(change, "policy"), images, now)
    except ValueError as error:
        yield _unreadable(change, error)
        return
    for digest in sorted(gone & needed.keys()):
        yield _said(
            severity=Severity.BLOCK,
            verdict="expires-needed",
            address=change.address,
            what=f"its next run removes {digest}: {needed[digest]}",
            why="Lambda cannot start a function whose image is gone, and there is nothing to go back to",
            next="keep more images, by number and whatever their tags: imageCountMoreThan with tagStatus any",
        )


def _judged(change: Change, context: Context) -> Iterator[Finding]:
    try:
        read = rules(text(change, "policy"))
    except ValueError as error:
        yield _unreadable(change, error)
        return
    for rule in read:
        yield from (found for found in (_rule_finding(rule, change, context),) if found)


def _rule_finding(rule: Rule, change: Change, context: Context) -> Finding | None:
    said = partial(_said, severity=Severity.WARN, address=change.address)
    if rule.untagged:
        return said(
            verdict="expires-untagged",
            what=f"rule {rule.priority} expires images without a tag",
            why="a running image loses its tags as soon as the next one is pushed under them",
            next="keep images by number, whatever their tags",
        )
    if rule.counts == AGE:
        return said(
            verdict="expires-by-age",
            what=f"rule {rule.priority} expires images {rule.number} days after their push",
            why="what has run well for that long is the oldest there is: nobody pushed anything since",
            next="keep images by number, whatever their age",
        )
    if rule.number < context.kept_images:
        return said(
            verdict="keeps-fewer",
            what=f"rule {rule.priority} keeps {rule.number} images, and [retention] asks for {context.kept_images}",
            why="deployments that ferry could go back to by its records have no image any more",
            next=f"let it keep {context.kept_images}, or lower retention.images in ferry.toml",
        )
    return None


def _unreadable(change: Change, error: ValueError) -> Finding:
    return _said(
        severity=Severity.BLOCK,
        verdict="cannot-be-read",
        address=change.address,
        what=f"nobody can say which images it removes: {error}",
        why="a rule that is not understood may remove what runs",
        next="use imageCountMoreThan or sinceImagePushed, and the action expire",
    )


def _hidden(addresses: list[str]) -> Finding:
    return _said(
        severity=Severity.WARN,
        verdict="not-known",
        address=WHOLE_PLAN if len(addresses) > 1 else addresses[0],
        what=f"only the apply will know what these policies say: {listed(addresses)}",
        why="nobody could judge which images they remove",
        next="write the policy from variables, and not from resources that do not exist yet",
    )
