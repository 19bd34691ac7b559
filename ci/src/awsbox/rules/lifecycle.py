"""ECR lifecycle policies: which images of a repository go. Pure: the policy and the images in, digests out.

Every rule looks at all images as if no other rule expired any; the rule with the lowest priority number that selects
an image by its tags decides on it, and an image goes by one rule or by none.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DAY_SECONDS = 24 * 60 * 60
STATUSES = ("tagged", "untagged", "any")
COUNTS = ("imageCountMoreThan", "sinceImagePushed")


@dataclass(frozen=True, slots=True)
class Stored:
    """`pushed` in seconds since the epoch; of two pushed at the same second, the later in the list is the younger."""

    digest: str
    tags: tuple[str, ...]
    pushed: float


def rules(text: str) -> list[dict[str, Any]]:
    """In the order of their priority. Raises ValueError, as AWS words it, for what a policy may not be."""
    try:
        found = json.loads(text)["rules"]
        ordered = sorted(found, key=lambda rule: int(rule["rulePriority"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("string is not a valid lifecycle policy") from error
    if len({rule["rulePriority"] for rule in ordered}) < len(ordered):
        raise ValueError("rulePriority must be unique")
    for rule in ordered:
        _check(rule, last=rule is ordered[-1])
    return ordered


def _check(rule: Mapping[str, Any], *, last: bool) -> None:
    selection = rule.get("selection", {})
    status, count = selection.get("tagStatus"), selection.get("countType")
    if status not in STATUSES:
        raise ValueError(f"tagStatus must be one of {', '.join(STATUSES)}")
    if count not in COUNTS:
        raise ValueError(f"countType must be one of {', '.join(COUNTS)} (the box knows no other)")
    if rule.get("action", {}).get("type") != "expire":
        raise ValueError("action type must be expire (the box knows no other)")
    if status == "tagged" and bool(selection.get("tagPrefixList")) == bool(selection.get("tagPatternList")):
        raise ValueError("tagged needs either tagPrefixList or tagPatternList")
    if status == "any" and not last:
        raise ValueError("a rule with tagStatus any must have the highest rulePriority")
    if int(selection.get("countNumber", 0)) < 1:
        raise ValueError("countNumber must be greater than 0")
    if count == "sinceImagePushed" and selection.get("countUnit") != "days":
        raise ValueError("countUnit must be days")


def expired(text: str, images: Sequence[Stored], now: float) -> dict[str, int]:
    """The digests that go, with the priority of the rule that decides so."""
    youngest = [image for _, image in sorted(enumerate(images), key=lambda one: (one[1].pushed, one[0]), reverse=True)]
    gone: dict[str, int] = {}
    decided: set[str] = set()
    for rule in rules(text):
        chosen = [image for image in youngest if _selected(image, rule["selection"])]
        old = _old(chosen, rule["selection"], now)
        gone |= {image.digest: rule["rulePriority"] for image in old if image.digest not in decided}
        decided |= {image.digest for image in chosen}
    return gone


def _selected(image: Stored, selection: Mapping[str, Any]) -> bool:
    """Of several prefixes or patterns, an image needs a tag for each."""
    if selection["tagStatus"] != "tagged":
        return selection["tagStatus"] == "any" or not image.tags
    patterns = [f"{prefix}*" for prefix in selection.get("tagPrefixList", [])] or selection["tagPatternList"]
    return all(any(_matches(tag, pattern) for tag in image.tags) for pattern in patterns)


def _matches(tag: str, pattern: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), tag) is not None


def _old(youngest: Sequence[Stored], selection: Mapping[str, Any], now: float) -> Sequence[Stored]:
    number = int(selection["countNumber"])
    if selection["countType"] == "imageCountMoreThan":
        return youngest[number:]
    return [image for image in youngest if image.pushed < now - number * DAY_SECONDS]
