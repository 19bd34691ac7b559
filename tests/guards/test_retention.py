from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from awsbox.rules import lifecycle
from ferry.guards import retention
from ferry.guards.context import Context
from ferry.guards.retention import Image, expired
from tests.guards.making import change, plan, verdicts

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def document(*selections: dict[str, Any], **more: Any) -> str:
    rules = [
        {"rulePriority": number, "selection": selection, "action": {"type": "expire"}, **more}
        for number, selection in enumerate(selections, start=1)
    ]
    return json.dumps({"rules": rules})


def newest(number: int, status: str = "any", **more: Any) -> dict[str, Any]:
    return {"tagStatus": status, "countType": "imageCountMoreThan", "countNumber": number, **more}


def older(days: int, status: str = "any", **more: Any) -> dict[str, Any]:
    return {
        "tagStatus": status,
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": days,
        **more,
    }


def image(name: str, days: int, *tags: str) -> Image:
    return Image(digest=name, tags=tags, pushed_at=NOW - timedelta(days=days))


SHELF = (image("oldest", 40, "v1"), image("old", 30), image("new", 2, "v2", "live"), image("newest", 1, "v3", "latest"))
RUNS = {
    "nothing is over the count": (document(newest(4)), set()),
    "the oldest goes": (document(newest(3)), {"oldest"}),
    "all but one": (document(newest(1)), {"oldest", "old", "new"}),
    "by age": (document(older(10)), {"oldest", "old"}),
    "of the very day, it stays": (document(older(40)), set()),
    "without a tag": (document(newest(1, "untagged")), set()),
    "without a tag, and old": (document(older(7, "untagged")), {"old"}),
    "by prefix": (document(newest(1, "tagged", tagPrefixList=["v"])), {"oldest", "new"}),
    "a tag for each prefix": (document(newest(1, "tagged", tagPrefixList=["v", "l"])), {"new"}),
    "by pattern": (document(older(10, "tagged", tagPatternList=["v*"])), {"oldest"}),
    "by a pattern that no tag is": (document(older(1, "tagged", tagPatternList=["v"])), set()),
    "the first rule decides": (document(newest(9, "tagged", tagPrefixList=["v1"]), older(10)), {"old"}),
    "a later rule counts what an earlier one takes": (document(older(7, "untagged"), newest(3)), {"old", "oldest"}),
}


@pytest.mark.req("B-12")
@pytest.mark.parametrize(("policy", "gone"), RUNS.values(), ids=RUNS)
def test_a_run_removes(policy: str, gone: set[str]) -> None:
    assert expired(policy, SHELF, NOW) == gone


ODD = [
    "",
    "[]",
    "{}",
    '{"rules": [{}]}',
    '{"rules": 3}',
    document(newest(0)),
    document({"tagStatus": "tagged", "countType": "imageCountMoreThan", "countNumber": 1}),
    document({"tagStatus": "some", "countType": "imageCountMoreThan", "countNumber": 1}),
    document({"tagStatus": "any", "countType": "sinceImagePulled", "countUnit": "days", "countNumber": 9}),
    document(older(1, countUnit="weeks")),
    document(newest(3), action={"type": "transition", "targetStorageClass": "archive"}),
    document(newest(3), newest(4), rulePriority=1),
]


@pytest.mark.parametrize("policy", ODD)
def test_a_policy_that_is_not_understood_is_not_guessed_at(policy: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        expired(policy, SHELF, NOW)
    found = retention.findings(plan(change(retention.POLICY, after={"policy": policy})), Context())
    assert verdicts(found) == ["block cannot-be-read"]


TAGS = st.sampled_from(["v1", "v2", "live", "latest", "preprod"])
SELECTIONS = st.builds(
    lambda status, count, number, patterns, prefixes: (newest if count else older)(
        number,
        status,
        **({("tagPrefixList" if prefixes else "tagPatternList"): patterns} if status == "tagged" else {}),
    ),
    st.sampled_from(["tagged", "untagged"]),
    st.booleans(),
    st.integers(1, 6),
    st.lists(st.sampled_from(["v", "v*", "l*t*", "l", "latest", "*", "pre*"]), min_size=1, max_size=2),
    st.booleans(),
)
LAST = st.none() | st.builds(
    lambda count, number: (newest if count else older)(number), st.booleans(), st.integers(1, 6)
)
IMAGES = st.lists(st.tuples(st.frozensets(TAGS, max_size=3), st.integers(0, 9)), max_size=8)


@pytest.mark.req("B-12")
@settings(max_examples=400, deadline=None)
@given(st.lists(SELECTIONS, max_size=3), LAST, IMAGES)
@example([], newest(1), [(frozenset(), 3), (frozenset(), 3)])
def test_the_box_removes_the_same(
    selections: list[dict[str, Any]], last: dict[str, Any] | None, shelf: list[tuple[frozenset[str], int]]
) -> None:
    """Two who read AWS's rules by themselves, over policies and images of any kind."""
    policy = document(*selections, *([last] if last else []))
    ours = [image(f"sha256:{number}", days, *sorted(tags)) for number, (tags, days) in enumerate(shelf)]
    boxed = [lifecycle.Stored(one.digest, one.tags, one.pushed_at.timestamp()) for one in ours]
    assert expired(policy, ours, NOW) == lifecycle.expired(policy, boxed, NOW.timestamp()).keys()


ALONE = {
    "by number, and enough": (document(newest(20)), []),
    "by number, and too few": (document(newest(19)), ["warn keeps-fewer"]),
    "of some tags, and too few": (document(newest(3, "tagged", tagPrefixList=["pr-"])), ["warn keeps-fewer"]),
    "without a tag": (document(newest(50, "untagged")), ["warn expires-untagged"]),
    "by age": (document(older(900)), ["warn expires-by-age"]),
    "several": (document(older(1, "untagged"), newest(5)), ["warn expires-untagged", "warn keeps-fewer"]),
}


@pytest.mark.req("B-12")
@pytest.mark.parametrize(("policy", "expected"), ALONE.values(), ids=ALONE)
def test_a_policy_alone_shows_what_it_will_do_one_day(policy: str, expected: list[str]) -> None:
    made = plan(change(retention.POLICY, after={"policy": policy}))
    assert verdicts(retention.findings(made, Context(kept_images=20))) == expected


def test_what_is_only_built_from_may_go_at_any_age() -> None:
    made = plan(change(retention.POLICY, after={"policy": document(older(90)), "repository": "berths-cache"}))
    assert retention.findings(made, Context(caches=("berths-cache",))) == ()
    assert verdicts(retention.findings(made, Context(caches=("tides-cache",)))) == ["warn expires-by-age"]


def test_without_a_ferry_toml_no_number_is_too_small() -> None:
    made = plan(change(retention.POLICY, after={"policy": document(newest(1))}))
    assert retention.findings(made, Context()) == ()


def test_a_policy_for_later_is_told_once() -> None:
    later = [change(retention.POLICY, name, unknown={"policy": True}) for name in "ab"]
    assert verdicts(retention.findings(plan(*later), Context())) == ["warn not-known"]


def lost(policy: str, needed: dict[str, str], repository: str = "berths") -> list[str]:
    made = change(retention.POLICY, after={"policy": policy, "repository": repository})
    return verdicts(retention.lost(plan(made), {"berths": SHELF}, needed, NOW))


@pytest.mark.req("B-12", "B-03")
def test_what_runs_or_may_be_gone_back_to_is_not_removed() -> None:
    needed = {"newest": "runs", "new": "rollback to d-1", "old": "rollback to d-0"}
    assert lost(document(newest(3)), needed) == []
    assert lost(document(newest(2)), needed) == ["block expires-needed"]
    assert lost(document(newest(1)), needed) == ["block expires-needed"] * 2
    assert lost(document(older(7, "untagged")), needed) == ["block expires-needed"]


def test_of_a_repository_whose_images_nobody_knows_nothing_is_said() -> None:
    assert lost(document(newest(1)), {"old": "runs"}, repository="tides") == []


def test_an_image_that_is_needed_stops_the_run_and_says_by_what() -> None:
    made = change(retention.POLICY, after={"policy": document(newest(1)), "repository": "berths"})
    (found,) = retention.lost(plan(made), {"berths": SHELF}, {"old": "rollback to d-0"}, NOW)
    assert "old" in found.what
    assert "rollback to d-0" in found.what


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (change(retention.POLICY, after={"policy": "{", "repository": "berths"}), ["block cannot-be-read"]),
        (change(retention.POLICY, after={"repository": "berths"}, unknown={"policy": True}), ["warn not-known"]),
    ],
)
def test_a_policy_that_is_not_known_is_no_good_one(made: Any, expected: list[str]) -> None:
    assert verdicts(retention.lost(plan(made), {"berths": SHELF}, {"old": "runs"}, NOW)) == expected


def test_two_pushed_at_once_are_told_apart_by_their_order() -> None:
    twins = [replace(image("a", 1), digest=name) for name in ("first", "second")]
    assert expired(document(newest(1)), twins, NOW) == {"first"}
