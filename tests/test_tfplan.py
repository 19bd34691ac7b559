from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferry import tfplan
from ferry.errors import RecordError
from ferry.tfplan import Action, Plan, Reference


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


def configured(*references: str, module: str = "") -> dict[str, Any]:
    """What terraform says of the policy of a bucket; `module` is where that is."""
    said = {"bucket": {"references": list(references)}, "policy": {"constant_value": "{}"}, "block": [{}]}
    resources = [
        {"address": "aws_s3_bucket_policy.page", "mode": "managed", "expressions": said},
        {"address": "data.aws_region.here", "mode": "data"},
    ]
    return {"module_calls": {module: {"module": configured(*references)}}} if module else {"resources": resources}


def meant(*references: str, whose: str = "aws_s3_bucket_policy.page", module: str = "", among: list[str]) -> str:
    """The address of what a policy's bucket is."""
    entries = [entry("create", address=address) for address in (whose, *among)]
    configuration = {"root_module": configured(*references, module=module)}
    said = {"format_version": "1.2", "resource_changes": entries, "configuration": configuration}
    plan = tfplan.read(json.dumps(said))
    reference = plan.reference(plan.changes[whose], "bucket")
    found = plan.referred(plan.changes[whose], reference) if reference else None
    return found.address if found else ""


@pytest.mark.parametrize(
    ("references", "found"),
    [
        (["aws_s3_bucket.page.id", "aws_s3_bucket.page"], Reference(resource="aws_s3_bucket.page", attribute="id")),
        (
            ["aws_s3_bucket.page[0].arn", "aws_s3_bucket.page[0]", "aws_s3_bucket.page"],
            Reference(resource="aws_s3_bucket.page", index="[0]", attribute="arn"),
        ),
        (
            ['aws_s3_bucket.page["a.b"].id', 'aws_s3_bucket.page["a.b"]', "aws_s3_bucket.page"],
            Reference(resource="aws_s3_bucket.page", index='["a.b"]', attribute="id"),
        ),
        (["aws_s3_bucket.page", "count.index"], Reference(resource="aws_s3_bucket.page")),
        (["var.own", "data.aws_region.here.name", "local.x"], None),
        (["module.m[0].id", "module.m[0]", "each.value.id", "each.value"], None),
        (["aws_s3_bucket.page.id", "aws_s3_bucket.page", "aws_sns_topic.news.arn", "aws_sns_topic.news"], None),
        (["aws_s3_bucket.page[0].id", "aws_s3_bucket.page[1].id", "aws_s3_bucket.page"], None),
        (["aws_s3_bucket.page.id", "aws_s3_bucket.page.arn", "aws_s3_bucket.page"], None),
        ([], None),
    ],
)
def test_an_attribute_refers_to_the_only_resource_in_its_expression(
    references: list[str], found: Reference | None
) -> None:
    said = {"format_version": "1.2", "configuration": {"root_module": configured(*references)}}
    assert tfplan.read(json.dumps(said)).references["aws_s3_bucket_policy.page"] == ({"bucket": found} if found else {})


BUCKET_ID = ("aws_s3_bucket.page.id", "aws_s3_bucket.page")
BY_KEY = ("aws_s3_bucket.page", "each.key")


@pytest.mark.parametrize(
    ("references", "whose", "among", "found"),
    [
        (BUCKET_ID, "", ["aws_s3_bucket.page", "aws_s3_bucket.page2"], "aws_s3_bucket.page"),
        (BUCKET_ID, "[0]", ["aws_s3_bucket.page"], "aws_s3_bucket.page"),
        (
            ("aws_s3_bucket.page[1].id",),
            "[0]",
            ["aws_s3_bucket.page[0]", "aws_s3_bucket.page[1]"],
            "aws_s3_bucket.page[1]",
        ),
        (BY_KEY, '["a.b"]', ['aws_s3_bucket.page["a.b"]', 'aws_s3_bucket.page["c"]'], 'aws_s3_bucket.page["a.b"]'),
        (BY_KEY, '["x\\"][0]"]', ['aws_s3_bucket.page["c"]'], 'aws_s3_bucket.page["c"]'),
        (BY_KEY, '["a"]', ['aws_s3_bucket.page["b"]', 'aws_s3_bucket.page["c"]', "aws_s3_bucket.page2"], ""),
        (BY_KEY, '["a"]', [], ""),
    ],
)
@pytest.mark.parametrize("module", ["", 'module.m["k"].', "module.m."])
def test_the_instance_that_is_meant_is_the_one_of_the_same_key_or_the_only_one(
    references: tuple[str, ...], whose: str, among: list[str], found: str, module: str
) -> None:
    own, others = f"{module}aws_s3_bucket_policy.page{whose}", [module + one for one in among]
    elsewhere = ["module.other.aws_s3_bucket.page", 'module.m["other"].aws_s3_bucket.page["a"]']
    said = meant(*references, whose=own, module="m" if module else "", among=others + elsewhere)
    assert said == (module + found if found else "")


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
OF_CONFIGURATION = ("address", "mode", "expressions")
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


@settings(max_examples=100, deadline=None)
@given(JSON, st.sampled_from(["configuration", "root_module", "resources", "module_calls", *OF_CONFIGURATION]))
def test_any_odd_configuration_is_read_or_refused(odd: Any, place: str) -> None:
    resource: dict[str, Any] = {"address": "a.b", "mode": "managed", "expressions": {"c": {"references": ["d.e.id"]}}}
    root: dict[str, Any] = {"resources": [resource], "module_calls": {"m": {"module": {}}}}
    said: dict[str, Any] = {"format_version": "1.2", "configuration": {"root_module": root}}
    next(level for level in (resource, root, said["configuration"], said) if place in level)[place] = odd
    try:
        tfplan.read(json.dumps(said)).count()
    except RecordError as error:
        assert error.why  # noqa: PT017 - either is right
