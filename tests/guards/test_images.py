from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ferry.guards import images
from ferry.guards.context import Context
from ferry.tfplan import Action
from tests.guards.making import OTHER, OWN, PREPROD, change, plan, said, verdicts

DIGEST = "sha256:" + "a" * 64
REGISTRY = f"{OWN}.dkr.ecr.eu-west-1.amazonaws.com"
OURS = f"{REGISTRY}/preprod-berths@{DIGEST}"
HASH = "qL8R4QIcQ/ZsRqOAbeRfcZhilN/MksRtDaErMA1hNBM="


def function(**after: Any) -> Any:
    return change("aws_lambda_function", after=after)


IMAGES = {
    "its own, by digest": (OURS, []),
    "by the registry's other name": (f"{OWN}.dkr-ecr.eu-west-1.on.aws/preprod-berths@{DIGEST}", []),
    "in a namespace": (f"{REGISTRY}/ships/preprod/berths@{DIGEST}", []),
    "by a tag": (f"{REGISTRY}/preprod-berths:latest", ["block by-tag"]),
    "by nothing": (f"{REGISTRY}/preprod-berths", ["block by-tag"]),
    "by tag and digest": (f"{REGISTRY}/preprod-berths:v1@{DIGEST}", []),
    "by half a digest": (f"{REGISTRY}/preprod-berths@sha256:abc", ["block by-tag"]),
    "of another account": (OURS.replace(OWN, OTHER), ["block other-account"]),
    "of another region": (OURS.replace("eu-west-1", "us-east-1"), ["block other-region"]),
    "of another environment": (OURS.replace("preprod", "prod"), ["block other-repository"]),
    "of nobody's registry": (f"docker.io/library/python@{DIGEST}", ["block not-in-ecr"]),
    "of the public gallery": (f"public.ecr.aws/lambda/python@{DIGEST}", ["block not-in-ecr"]),
    "all wrong at once": (
        f"{OTHER}.dkr.ecr.us-east-1.amazonaws.com/prod-berths:latest",
        ["block by-tag", "block other-account", "block other-region", "block other-repository"],
    ),
}


@pytest.mark.req("B-06", "B-03")
@pytest.mark.parametrize(("image", "expected"), IMAGES.values(), ids=IMAGES)
def test_an_image_is_the_environments_own_and_by_digest(image: str, expected: list[str]) -> None:
    found = images.findings(plan(function(package_type="Image", image_uri=image)), PREPROD)
    assert verdicts(found) == expected


def test_of_anyones_plan_the_digest_is_asked_for_and_no_account() -> None:
    two = [function(package_type="Image", image_uri=image) for image in (OURS, f"{REGISTRY}/x:latest")]
    assert images.findings(plan(two[0]), Context()) == ()
    assert verdicts(images.findings(plan(two[1]), Context())) == ["block by-tag"]


ZIPS: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "with its hash": ({"source_code_hash": HASH}, {}, []),
    "with its version": ({"s3_key": "x.zip", "s3_object_version": "v1"}, {}, []),
    "with its version, and a hash for later": ({"s3_object_version": "v1"}, {"source_code_hash": True}, []),
    "with neither": ({"s3_key": "x.zip"}, {}, ["block no-hash"]),
    "with a hash for later": ({"s3_key": "x.zip"}, {"source_code_hash": True}, ["warn not-known"]),
}


@pytest.mark.parametrize(("after", "unknown", "expected"), ZIPS.values(), ids=ZIPS)
def test_a_zip_is_known_by_its_hash(after: dict[str, Any], unknown: dict[str, Any], expected: list[str]) -> None:
    zipped = change("aws_lambda_function", after={"package_type": "Zip", **after}, unknown=unknown)
    assert verdicts(images.findings(plan(zipped), PREPROD)) == expected


@pytest.mark.req("B-06", "R-02")
def test_what_runs_is_what_the_release_says() -> None:
    released = replace(PREPROD, references={"berths": OURS, "tides": HASH})
    berths, tides = function(package_type="Image", image_uri=OURS), function(source_code_hash=HASH)
    right = plan(replace(berths, address="a"), replace(tides, address="b"))
    assert images.findings(right, released) == ()

    other = replace(berths, after={"package_type": "Image", "image_uri": OURS.replace("a" * 64, "b" * 64)})
    old = replace(tides, after={"source_code_hash": HASH.replace("q", "r")})
    found = images.findings(plan(replace(other, address="a"), replace(old, address="b")), released)
    assert said(found) == [
        ("block", "not-released", "a"),
        ("block", "not-released", "b"),
        ("warn", "left-out", "*"),
        ("warn", "left-out", "*"),
    ]


@pytest.mark.req("B-06")
@pytest.mark.parametrize(
    ("package", "attribute", "more"),
    [
        ("Image", "image_uri", {}),
        ("Zip", "source_code_hash", {}),
        ("Zip", "source_code_hash", {"s3_object_version": "v"}),
    ],
)
def test_of_a_release_nothing_is_left_for_the_apply_to_find(package: str, attribute: str, more: dict[str, str]) -> None:
    later = change("aws_lambda_function", after={"package_type": package, **more}, unknown={attribute: True})
    found = images.findings(plan(later), replace(PREPROD, references={"berths": OURS}))
    assert verdicts(found) == ["block not-known", "warn left-out"]


def test_what_the_plan_does_not_touch_runs_as_well() -> None:
    still = replace(function(package_type="Image", image_uri=f"{REGISTRY}/x:v1"), action=Action.NO_OP)
    assert verdicts(images.findings(plan(still), PREPROD)) == ["block by-tag"]


def test_what_goes_runs_no_more() -> None:
    assert images.findings(plan(change("aws_lambda_function", "it", Action.DESTROY)), PREPROD) == ()
