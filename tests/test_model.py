import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferry.errors import RecordError
from ferry.model import (
    Approval,
    Artifact,
    Deployment,
    Environment,
    Finding,
    Kind,
    Outcome,
    Phase,
    Pin,
    Release,
    Run,
    Severity,
    State,
    Suspect,
    Threshold,
    from_json,
    to_json,
)

FUZZ = settings(max_examples=100, deadline=None)
# an argument or a user name that is not UTF-8 reaches Python as lone surrogates, always low ones
TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\udc80\udcff"), max_size=8)
ARTIFACTS = st.builds(
    Artifact,
    name=st.from_regex(r"[a-z]{1,8}(-[a-z0-9]{1,8})?", fullmatch=True),
    kind=st.sampled_from(Kind),
    key=TEXT,
    digest=st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True),
    size=st.integers(0, 2**53),
    stand_ins=st.lists(TEXT, max_size=2).map(tuple),
    inputs=st.dictionaries(TEXT, TEXT, max_size=3),
)
RELEASES = st.builds(
    Release,
    commit=st.from_regex(r"[0-9a-f]{40}([0-9a-f]{24})?", fullmatch=True),
    dirty=st.booleans(),
    artifacts=st.lists(ARTIFACTS, max_size=3).map(tuple),
)
FINDINGS = st.builds(
    Finding,
    guard=TEXT,
    severity=st.sampled_from(Severity),
    verdict=TEXT,
    address=TEXT,
    what=TEXT,
    why=TEXT,
    next=TEXT,
)
DEPLOYMENTS = st.builds(
    Deployment,
    environment=st.sampled_from(["preprod", "prod"]),
    release=RELEASES,
    plan_hash=TEXT,
    findings=st.lists(FINDINGS, max_size=2).map(tuple),
    outcome=st.sampled_from(Outcome),
    started=TEXT,
    finished=TEXT,
    who=TEXT,
    why=TEXT,
    previous=TEXT,
    changes=st.dictionaries(TEXT, st.integers(0, 9), max_size=2),
    verdict=TEXT,
    run=TEXT,
)
MOMENTS = st.sampled_from(["", "2026-01-31T12:00:00Z"])
PINS = st.builds(Pin, environment=st.just("prod"), deployment=TEXT, release=RELEASES, since=TEXT)
SUSPECTS = st.builds(Suspect, run=TEXT, who=TEXT, lock=TEXT, since=MOMENTS, until=MOMENTS)
RUNS = st.builds(
    Run,
    token=st.from_regex(r"[0-9a-f]{12}", fullmatch=True),
    environment=st.just("prod"),
    verb=TEXT,
    who=TEXT,
    where=TEXT,
    release=TEXT,
    started=MOMENTS,
    beaten=MOMENTS,
    beats=st.integers(0, 2**53),
    plan_hash=TEXT,
    phase=st.sampled_from(Phase),
    applying_since=MOMENTS,
    lock=TEXT,
    ended=MOMENTS,
    outcome=TEXT,
    suspects=st.lists(SUSPECTS, max_size=2).map(tuple),
)
NAMES = st.from_regex(r"[a-z]{1,8}(-[a-z0-9]{1,8})?", fullmatch=True)
ENVIRONMENTS = st.builds(
    Environment,
    name=NAMES,
    account=st.just("111122223333"),
    deployer=st.just("arn:aws:iam::111122223333:role/ferry"),
    state=st.builds(State, bucket=st.just("the-state"), key=st.sampled_from(["a.tfstate", "b/c.tfstate"])),
    variables=st.sampled_from(["preprod.tfvars", "environments/prod.tfvars"]),
    region=st.sampled_from(["", "us-east-1"]),
    approval=st.sampled_from(Approval),
    scan_stops_at=st.sampled_from(Threshold),
)
IMAGE = Artifact(name="page", kind=Kind.IMAGE, key="k", digest=f"sha256:{'0' * 64}", size=7)
ENVIRONMENT = {
    "account": "111122223333",
    "deployer": "arn:aws:iam::111122223333:role/ferry",
    "state": {"bucket": "the-state", "key": "a.tfstate"},
    "variables": "prod.tfvars",
}
RELEASE = Release(commit="a" * 40, dirty=False, artifacts=(IMAGE, replace(IMAGE, name="jobs", kind=Kind.ZIP)))
DEPLOYMENT = Deployment(
    environment="prod",
    release=RELEASE,
    plan_hash="p",
    findings=(),
    outcome=Outcome.RUNNING,
    started="2030-01-01T00:00:00Z",
    finished="",
    who="ada",
)


def refused(text: str, kind: type = Release) -> RecordError:
    with pytest.raises(RecordError) as caught:
        from_json(kind, text, where="s3://shop/releases/r-1.json")
    return caught.value


def rewritten(change: Callable[[dict[str, Any]], object]) -> str:
    record = json.loads(to_json(RELEASE))
    change(record)
    return json.dumps(record)


@FUZZ
@given(RELEASES | DEPLOYMENTS | ENVIRONMENTS | ARTIFACTS | FINDINGS)
def test_a_record_is_read_back_as_it_was(value: Release | Deployment | Environment | Artifact | Finding) -> None:
    text = to_json(value)

    assert from_json(type(value), text) == value
    assert to_json(from_json(type(value), text)) == text


@FUZZ
@given(RELEASES | DEPLOYMENTS)
def test_what_is_read_back_has_the_same_id(value: Release | Deployment) -> None:
    assert from_json(type(value), to_json(value)).id == value.id


@pytest.mark.parametrize("name", [7, None, "no good", "", ["prod"]])
def test_an_environment_needs_its_name(name: object) -> None:
    environment = ENVIRONMENT | {"schema": "ferry.environment/1", "name": name}

    assert "this environment record cannot be trusted" in refused(json.dumps(environment), Environment).what


def test_a_record_can_be_read_by_people() -> None:
    assert to_json(replace(RELEASE, artifacts=())).splitlines() == [
        "{",
        '  "schema": "ferry.release/1",',
        '  "id": "r-d3060b796304",',
        '  "sha256": "d3060b796304905622e9e3d632e4765817c545eba9d51d02654ad33cef70ba73",',
        f'  "commit": "{"a" * 40}",',
        '  "dirty": false,',
        '  "artifacts": []',
        "}",
    ]


@FUZZ
@given(RELEASES, RELEASES)
def test_releases_have_the_same_id_when_they_are_the_same(one: Release, other: Release) -> None:
    backwards = replace(one, artifacts=one.artifacts[::-1])

    assert (one.id == other.id) is (other in (one, backwards))
    assert one.id == backwards.id


@pytest.mark.parametrize(
    "change",
    [
        {"commit": "b" * 40},
        {"dirty": True},
        {"artifacts": ()},
        {"artifacts": (IMAGE,)},
        {"artifacts": (replace(IMAGE, digest=f"sha256:{'1' * 64}"), RELEASE.artifacts[1])},
        {"artifacts": (replace(IMAGE, stand_ins=("python:3.13-slim",)), RELEASE.artifacts[1])},
        {"artifacts": (replace(IMAGE, inputs={"builder": "2"}), RELEASE.artifacts[1])},
    ],
)
def test_everything_in_a_release_counts_for_its_id(change: dict[str, Any]) -> None:
    assert replace(RELEASE, **change).id != RELEASE.id


def test_the_order_in_which_inputs_were_found_does_not_count() -> None:
    inputs = {"builder": "2", "platform": "amd64"}
    twins = (IMAGE, replace(IMAGE, key="other"))
    one = replace(RELEASE, artifacts=tuple(replace(it, inputs=inputs) for it in twins))
    other = replace(RELEASE, artifacts=tuple(replace(it, inputs=dict(reversed(inputs.items()))) for it in twins))

    assert one.id == other.id


def test_a_deployment_keeps_its_id_from_start_to_end() -> None:
    ended = replace(
        DEPLOYMENT, outcome=Outcome.FAILED, finished="2030-01-01T00:05:00Z", why="no health", previous="d-1"
    )
    again = replace(DEPLOYMENT, started="2030-01-01T00:06:00Z")

    assert ended.id == DEPLOYMENT.id
    assert again.id != DEPLOYMENT.id
    assert to_json(ended) != to_json(DEPLOYMENT)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is not complete JSON: Expecting value: line 1 column 1 (char 0)"),
        (to_json(RELEASE)[:90], "it is not complete JSON: Unterminated string starting at: line 4 column 13 (char 71)"),
        ("9" * 5000, "it is not complete JSON: a number too long to read"),
        ("[" * 100_000, "it is not complete JSON: nested too deep to read"),
        ("[]", "it holds an empty list, not a record"),
        ("{}", "its schema is null, where 'ferry.release/1' belongs"),
        (to_json(DEPLOYMENT), "its schema is 'ferry.deployment/1', where 'ferry.release/1' belongs"),
    ],
    ids=["empty", "half", "long number", "deep", "list", "nothing", "other kind"],
)
def test_a_record_that_cannot_be_trusted_says_why(text: str, why: str) -> None:
    assert refused(text).why == why


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ("ferry.release/0", "its schema is 'ferry.release/0', where 'ferry.release/1' belongs"),
        ("ferry.release/2", "it is written as 'ferry.release/2', and this Ferry reads 'ferry.release/1'"),
        ("ferry.release/17", "it is written as 'ferry.release/17', and this Ferry reads 'ferry.release/1'"),
        (1, "its schema is 1, where 'ferry.release/1' belongs"),
    ],
)
def test_a_version_that_is_not_ours_is_not_guessed_at(schema: object, why: str) -> None:
    assert refused(rewritten(lambda record: record.update(schema=schema))).why == why


def test_every_misfit_of_a_record_is_named() -> None:
    text = rewritten(lambda record: [record.pop("commit"), record["artifacts"][0].update(digest="latest")])

    assert refused(text).why == (
        "commit: found nothing; allowed: a full commit id: 40 (or 64) hex digits (a required key); "
        "artifacts[0].digest: found 'latest'; allowed: a digest: 'sha256:' and 64 hex digits"
    )


def test_a_refusal_says_what_where_and_what_to_do() -> None:
    broken, newer = refused("{"), refused(rewritten(lambda record: record.update(schema="ferry.release/2")))

    assert (broken.what, broken.where) == ("this release record cannot be trusted", "s3://shop/releases/r-1.json")
    assert broken.next == "build the release again: ferry build"
    assert newer.next == "use the Ferry that wrote it, or a newer one"
    assert refused("{", Deployment).next == "restore an earlier version of the record, or deploy again: ferry deploy"


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.update(dirty=True),
        lambda record: record.update(id="r-000000000000"),
        lambda record: record.pop("sha256"),
        lambda record: record["artifacts"].reverse(),
    ],
)
def test_a_record_that_was_changed_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    assert "it was changed after it was written" in refused(rewritten(change)).why


def test_the_end_of_a_deployment_cannot_be_changed_either() -> None:
    text = to_json(DEPLOYMENT).replace('"running"', '"succeeded"')

    assert f"id '{DEPLOYMENT.id}'" in refused(text, Deployment).why


@FUZZ
@given(DEPLOYMENTS, st.data())
def test_any_other_character_is_noticed(value: Deployment, data: st.DataObject) -> None:
    text = to_json(value)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.characters()) + text[at + 1 :]

    with suppress(RecordError):
        assert from_json(Deployment, changed) == value


@FUZZ
@given(st.text(st.characters()) | st.recursive(st.none() | st.floats() | TEXT, st.lists).map(json.dumps))
def test_any_text_is_refused(text: str) -> None:
    assert refused(text).why


def test_what_could_not_be_read_back_is_not_written() -> None:
    with pytest.raises(RecordError, match="release") as caught:
        to_json(replace(RELEASE, commit="main"))

    assert caught.value.why == "commit: found 'main'; allowed: a full commit id: 40 (or 64) hex digits"


def test_text_that_json_joins_into_another_is_not_written() -> None:
    with pytest.raises(RecordError, match="deployment") as caught:
        to_json(replace(DEPLOYMENT, who="\ud83d\ude00"))

    assert caught.value.why == "what is read back from it is not the same"


def test_records_of_other_kinds_need_no_id() -> None:
    text = to_json(IMAGE)

    assert from_json(Artifact, text) == IMAGE
    assert '"id"' not in text
