from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferry import tfplan
from ferry.errors import RecordError
from ferry.tfplan import Action, Plan


def entry(*actions: str, address: str = "aws_s3_bucket.page", **change: Any) -> dict[str, Any]:
    said = {"actions": list(actions), "after": {"bucket": "page"}, **change}
    return {"address": address, "mode": "managed", "type": "aws_s3_bucket", "change": said}


def read(*entries: dict[str, Any]) -> Plan:
    return tfplan.read(json.dumps({"format_version": "1.2", "resource_changes": list(entries)}))


def test_a_change_is_found_by_its_address() -> None:
    change = read(entry("create")).changes["aws_s3_bucket.page"]
    assert (change.type, change.action, change.after, change.imports) == (
        "aws_s3_bucket",
        Action.CREATE,
        {"bucket": "page"},
        "",
    )


@pytest.mark.parametrize(
    ("actions", "action"),
    [
        (["create"], Action.CREATE),
        (["update"], Action.UPDATE),
        (["no-op"], Action.NO_OP),
        (["delete"], Action.DESTROY),
        (["forget"], Action.DESTROY),
        (["delete", "create"], Action.REPLACE),
        (["create", "delete"], Action.REPLACE),
        (["create", "forget"], Action.REPLACE),
    ],
)
def test_terraforms_actions_have_one_word_each(actions: list[str], action: Action) -> None:
    assert read(entry(*actions)).changes["aws_s3_bucket.page"].action is action


def test_a_plan_without_resources_is_empty() -> None:
    assert tfplan.read('{"format_version": "1.2"}').empty


def test_what_stays_as_it_is_leaves_the_plan_empty() -> None:
    assert read(entry("no-op")).empty


def test_an_adoption_that_changes_nothing_is_something_to_do() -> None:
    plan = read(entry("no-op", importing={"id": "page"}))
    assert not plan.empty
    assert plan.count() == {Action.NO_OP: 1, "adopt": 1}


@pytest.mark.parametrize("importing", [{}, {"unknown": True}, {"identity": {"bucket": "page"}}, {"id": ""}])
def test_an_adoption_by_an_id_that_is_not_known_is_one_all_the_same(importing: dict[str, Any]) -> None:
    assert read(entry("no-op", importing=importing)).count()["adopt"] == 1


def test_data_sources_are_no_changes() -> None:
    assert read({**entry("read"), "mode": "data"}).empty


def test_what_is_left_of_a_replacement_does_not_hide_its_resource() -> None:
    plan = read(entry("no-op"), {**entry("delete", after=None), "deposed": "ab12cd34"})
    assert {address: change.action for address, change in plan.changes.items()} == {
        "aws_s3_bucket.page": Action.NO_OP,
        "aws_s3_bucket.page (deposed ab12cd34)": Action.DESTROY,
    }


def test_paths_that_force_a_replacement_read_as_people_write_them() -> None:
    change = entry("delete", "create", replace_paths=[["name"], ["rule", 0, "days"]])
    assert read(change).changes["aws_s3_bucket.page"].replace_paths == ("name", "rule.0.days")


def test_what_a_resource_will_hold_is_not_printed() -> None:
    assert "planted" not in repr(read(entry("create", after={"password": "planted"})))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "7",
        '"text"',
        "{}",
        "[" * 100_000,
        '{"@level":"info","@message":"Terraform 1.11.4","type":"version"}',
        '{"format_version": "2.0"}',
        '{"format_version": "1.2", "resource_changes": null}',
        '{"format_version": "1.2", "resource_changes": 7}',
        '{"format_version": "1.2", "resource_changes": ["x"]}',
        '{"format_version": "1.2", "resource_changes": [{}]}',
        json.dumps({"format_version": "1.2", "resource_changes": [entry()]}),
        json.dumps({"format_version": "1.2", "resource_changes": [entry("create", "update")]}),
        json.dumps({"format_version": "1.2", "resource_changes": [entry("annihilate")]}),
        json.dumps({"format_version": "1.2", "resource_changes": [entry("create", actions=None)]}),
        json.dumps({"format_version": "1.2", "resource_changes": [entry("create", after=[1])]}),
        json.dumps({"format_version": "1.2", "resource_changes": [entry("create", importing="page")]}),
        '{"format_version": "1.2", "resource_changes": []}\n{}',
    ],
)
def test_what_is_not_a_plan_is_refused(text: str) -> None:
    with pytest.raises(RecordError, match="not the JSON of a terraform plan"):
        tfplan.read(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("address", "mode", "type", "change", "deposed")
PARTS = ("actions", "after", "importing", "replace_paths")


@settings(max_examples=100, deadline=None)
@given(JSON, st.sampled_from(KEYS + PARTS))
def test_any_odd_shape_is_a_plan_or_refused(odd: Any, place: str) -> None:
    said = entry("update", importing={"id": "page"}, replace_paths=[["name"]])
    (said if place in KEYS else said["change"])[place] = odd
    try:
        read(said).count()
    except RecordError as error:
        assert error.why  # noqa: PT017 - either is right
