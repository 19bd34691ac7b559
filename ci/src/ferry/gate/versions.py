"""How large a step is from one version to another, and whether a version lies inside a range."""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import zip_longest

PLAIN = re.compile(r"v?([0-9]{1,9}(?:\.[0-9]{1,9}){0,3})")
BOUND = re.compile(r"(<=|>=|<|>|=)\s*([^\s,]+)")
A_YEAR = range(1900, 10**9)
"""A first number as large as this is a date: it tells nothing of what changed."""


class Size(StrEnum):
    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"
    UNSURE = "unsure"


def numbers(version: str) -> tuple[int, ...] | None:
    """Nothing for what is not plain numbers: pre-releases, digests, tags with words, dates."""
    found = PLAIN.fullmatch(version)
    parts = tuple(int(part) for part in found[1].split(".")) if found else ()
    return parts if parts and parts[0] not in A_YEAR else None


def size(old: str, new: str) -> tuple[Size, str]:
    """With why, where it is unsure. Below 1.0 the next number takes the place of the first, as semver has it."""
    before, after = numbers(old), numbers(new)
    if before is None or after is None:
        return Size.UNSURE, "the versions do not say how large the step is"
    if compared(before, after) >= 0:
        return Size.UNSURE, "the version goes down" if compared(before, after) else "other content, the same version"
    pairs = list(zip_longest(before, after, fillvalue=0))
    place = next(place for place, (was, now) in enumerate(pairs) if was != now)
    leading = next((place for place, (was, _) in enumerate(pairs) if was), len(pairs))
    if place <= leading:
        return Size.MAJOR, ""
    return (Size.MINOR, "") if place == 1 else (Size.PATCH, "")


def compared(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """Below, at or above zero, as one is."""
    longest = max(len(one), len(other))
    left, right = (it + (0,) * (longest - len(it)) for it in (one, other))
    return (left > right) - (left < right)


def inside(version: str, bounds: str) -> bool | None:
    """Such as '>= 1.2, < 1.4.1'; None where either cannot be read."""
    parts, wanted = numbers(version), [part.strip() for part in bounds.split(",")]
    read = [BOUND.fullmatch(part) for part in wanted]
    if parts is None or not all(read):
        return None
    answers = [_within(parts, found[1], numbers(found[2])) for found in read if found]
    return None if None in answers else all(answers)


def _within(version: tuple[int, ...], sign: str, bound: tuple[int, ...] | None) -> bool | None:
    if bound is None:
        return None
    way = compared(version, bound)
    return {"<": way < 0, "<=": way <= 0, ">": way > 0, ">=": way >= 0, "=": way == 0}[sign]


def at_least(version: str, lowest: str) -> bool:
    one, other = numbers(version), numbers(lowest)
    return one is not None and other is not None and compared(one, other) >= 0
