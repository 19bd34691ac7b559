"""The ECR API where AWS is stricter than the emulator, and lifecycle policies that really expire images."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from awsbox.rules import lifecycle
from awsbox.rules.lifecycle import DAY_SECONDS, Stored
from ferry.outside.blobs import digest_of
from tests.awsbox.pictures import index, picture, push
from tests.awsbox.published import refused

if TYPE_CHECKING:
    from ferry.outside.builder.assemble import Image
    from tests.awsbox.people import Account

pytestmark = pytest.mark.slow  # many calls to the box; tests/awsbox has quicker ones


def made(account: Account, name: str, **more: Any) -> Any:
    ecr = account.root.client("ecr")
    ecr.create_repository(repositoryName=name, **more)
    return ecr


def put(ecr: Any, name: str, image: Image, tag: str) -> Any:
    return ecr.put_image(repositoryName=name, imageManifest=image.manifest.decode(), imageTag=tag)


def tags(ecr: Any, name: str) -> set[str]:
    return {id.get("imageTag", "-") for id in ecr.list_images(repositoryName=name)["imageIds"]}


def described(ecr: Any, name: str, **id: str) -> dict[str, Any]:
    (detail,) = ecr.describe_images(repositoryName=name, imageIds=[id])["imageDetails"]
    return dict(detail)


def policy(*rules: dict[str, Any]) -> str:
    said = [
        {"rulePriority": number, "action": {"type": "expire"}, "selection": selection}
        for number, selection in enumerate(rules, start=1)
    ]
    return json.dumps({"rules": said})


def test_orphan_repository(account: Account) -> None:
    """The other failure that started the project."""
    ecr = made(account, "repositories-orphan")

    with refused(ecr, "RepositoryAlreadyExistsException"):
        ecr.create_repository(repositoryName="repositories-orphan")


def test_same_tag_and_digest_again(account: Account) -> None:
    ecr = made(account, "repositories-again")
    push(account.root, "repositories-again", picture("a"), "one")

    with refused(ecr, "ImageAlreadyExistsException"):
        put(ecr, "repositories-again", picture("a"), "one")
    put(ecr, "repositories-again", picture("a"), "two")
    assert tags(ecr, "repositories-again") == {"one", "two"}


def test_tag_of_an_immutable_repository_stays(account: Account) -> None:
    ecr = made(account, "repositories-fast", imageTagMutability="IMMUTABLE")
    push(account.root, "repositories-fast", picture("a"), "one")
    push(account.root, "repositories-fast", picture("b"), "two")

    with refused(ecr, "ImageTagAlreadyExistsException", "cannot be overwritten because the repository is immutable"):
        put(ecr, "repositories-fast", picture("b"), "one")
    with refused(ecr, "ImageTagAlreadyExistsException"):
        put(ecr, "repositories-fast", picture("a"), "one")


def test_immutable_but_for_some_tags(account: Account) -> None:
    filters = [{"filterType": "WILDCARD", "filter": "latest*"}]
    name = "repositories-mixed"
    mixed = {"imageTagMutability": "IMMUTABLE_WITH_EXCLUSION", "imageTagMutabilityExclusionFilters": filters}
    ecr = made(account, name, **mixed)
    push(account.root, name, picture("a"), "one", "latest-dev")
    push(account.root, name, picture("b"), "latest-dev")

    with refused(ecr, "ImageTagAlreadyExistsException"):
        put(ecr, name, picture("b"), "one")
    shown = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
    assert shown["imageTagMutabilityExclusionFilters"] == filters


def test_manifest_needs_its_blobs(account: Account) -> None:
    ecr = made(account, "repositories-bare")

    with refused(ecr, "LayersNotFoundException"):
        put(ecr, "repositories-bare", picture("a"), "one")
    with refused(ecr, "ReferencedImagesNotFoundException"):
        ecr.put_image(repositoryName="repositories-bare", imageManifest=index(picture("a")).decode(), imageTag="i")
    with refused(ecr, "ImageDigestDoesNotMatchException"):
        wrong = "sha256:" + "0" * 64
        ecr.put_image(
            repositoryName="repositories-bare", imageManifest=picture("a").manifest.decode(), imageDigest=wrong
        )
    with refused(ecr, "InvalidParameterException"):
        ecr.put_image(repositoryName="repositories-bare", imageManifest="{bad")


def test_image_by_the_api_alone(account: Account) -> None:
    """Layer by layer, without the docker protocol; it can be pulled by digest afterwards."""
    ecr, image = made(account, "repositories-parts"), picture("parts")
    where = {"repositoryName": "repositories-parts"}
    blobs = [image.config, *(blob.path.read_bytes() for blob in image.layers if blob.path)]
    for data in blobs:
        upload = ecr.initiate_layer_upload(**where)["uploadId"]
        half = len(data) // 2
        with refused(ecr, "InvalidLayerPartException"):
            ecr.upload_layer_part(**where, uploadId=upload, partFirstByte=5, partLastByte=9, layerPartBlob=b"parts")
        for first, part in ((0, data[:half]), (half, data[half:])):
            last = first + len(part) - 1
            ecr.upload_layer_part(**where, uploadId=upload, partFirstByte=first, partLastByte=last, layerPartBlob=part)
        with refused(ecr, "InvalidLayerException"):
            ecr.complete_layer_upload(**where, uploadId=upload, layerDigests=["sha256:" + "0" * 64])
        ecr.complete_layer_upload(**where, uploadId=upload, layerDigests=[digest_of(data)])
    digests = [digest_of(image.config), "sha256:" + "0" * 64]
    there = ecr.batch_check_layer_availability(**where, layerDigests=digests)["layers"]
    assert [layer["layerAvailability"] for layer in there] == ["AVAILABLE", "UNAVAILABLE"]

    put(ecr, "repositories-parts", image, "one")

    detail = ecr.describe_images(**where, imageIds=[{"imageDigest": image.digest}])["imageDetails"][0]
    assert detail["imageSizeInBytes"] == sum(len(data) for data in blobs)
    with refused(ecr, "LayersNotFoundException"):
        ecr.get_download_url_for_layer(**where, layerDigest="sha256:" + "0" * 64)
    with refused(ecr, "UploadNotFoundException"):
        ecr.complete_layer_upload(**where, uploadId="nothing", layerDigests=[digest_of(image.config)])


def test_deleting_a_tag_keeps_an_image_that_has_others(account: Account) -> None:
    ecr, where = made(account, "repositories-tags"), {"repositoryName": "repositories-tags"}
    push(account.root, "repositories-tags", picture("a"), "one", "two")

    ecr.batch_delete_image(**where, imageIds=[{"imageTag": "one"}])
    assert tags(ecr, "repositories-tags") == {"two"}

    gone = ecr.batch_delete_image(**where, imageIds=[{"imageTag": "two"}, {"imageTag": "three"}])
    assert [failure["failureCode"] for failure in gone["failures"]] == ["ImageNotFound"]
    with refused(ecr, "ImageNotFoundException"):
        ecr.describe_images(**where, imageIds=[{"imageDigest": picture("a").digest}])


def test_repository_with_images_is_deleted_by_force_only(account: Account) -> None:
    ecr = made(account, "repositories-full")
    push(account.root, "repositories-full", picture("a"), "one")

    with refused(ecr, "RepositoryNotEmptyException"):
        ecr.delete_repository(repositoryName="repositories-full")
    ecr.delete_repository(repositoryName="repositories-full", force=True)

    ecr.create_repository(repositoryName="repositories-full")
    assert push(account.root, "repositories-full", picture("a"), "one") == 2, "it was to start empty"


def test_scans(account: Account) -> None:
    ecr, where = made(account, "repositories-scan"), {"repositoryName": "repositories-scan"}
    push(account.root, "repositories-scan", picture("a"), "one")
    with refused(ecr, "ScanNotFoundException"):
        ecr.describe_image_scan_findings(**where, imageId={"imageTag": "one"})

    ecr.start_image_scan(**where, imageId={"imageTag": "one"})

    found = ecr.describe_image_scan_findings(**where, imageId={"imageTag": "one"})
    assert (found["imageScanStatus"]["status"], found["imageScanFindings"]["findings"]) == ("COMPLETE", [])
    ecr.put_image_scanning_configuration(**where, imageScanningConfiguration={"scanOnPush": True})
    push(account.root, "repositories-scan", picture("b"), "two")
    assert ecr.describe_image_scan_findings(**where, imageId={"imageTag": "two"})["imageScanFindings"]
    assert ecr.get_registry_scanning_configuration()["scanningConfiguration"]["scanType"] == "BASIC"
    said = ecr.batch_get_repository_scanning_configuration(repositoryNames=["repositories-scan", "none"])
    assert said["scanningConfigurations"][0]["scanFrequency"] == "SCAN_ON_PUSH"


def test_scan_on_push_is_told_with_the_image(account: Account) -> None:
    name = "repositories-told"
    ecr = made(account, name, imageScanningConfiguration={"scanOnPush": True})
    push(account.root, name, picture("a"), "one")

    detail = described(ecr, name, imageTag="one")

    assert detail["imageScanStatus"]["status"] == "COMPLETE"
    assert detail["imageScanFindingsSummary"]["findingSeverityCounts"] == {}
    assert detail["imageScanFindingsSummary"]["imageScanCompletedAt"] >= detail["imagePushedAt"]


def test_planted_findings_are_in_every_image_of_the_repository_and_in_no_other(account: Account) -> None:
    ecr = account.root.client("ecr")
    for name in ("repositories-ill", "repositories-well"):
        made(account, name, imageScanningConfiguration={"scanOnPush": True})
        push(account.root, name, picture("a"), "one")
    account.box.scans.find("repositories-ill", {"CRITICAL": 1, "LOW": 2, "HIGH": 0})
    push(account.root, "repositories-ill", picture("b"), "two")

    told = [described(ecr, "repositories-ill", imageTag=tag)["imageScanFindingsSummary"] for tag in ("one", "two")]

    assert [one["findingSeverityCounts"] for one in told] == [{"CRITICAL": 1, "LOW": 2}] * 2
    well = described(ecr, "repositories-well", imageTag="one")
    assert well["imageScanFindingsSummary"]["findingSeverityCounts"] == {}
    asked = {"repositoryName": "repositories-ill", "imageId": {"imageTag": "two"}}
    found = ecr.describe_image_scan_findings(**asked)["imageScanFindings"]
    assert found["findingSeverityCounts"] == {"CRITICAL": 1, "LOW": 2}
    assert [one["severity"] for one in found["findings"]] == ["CRITICAL", "LOW", "LOW"]


def test_scan_that_does_not_end(account: Account) -> None:
    name = "repositories-waiting"
    ecr = made(account, name, imageScanningConfiguration={"scanOnPush": True})
    account.box.scans.find(name, None)
    push(account.root, name, picture("a"), "one")

    detail = described(ecr, name, imageTag="one")
    found = ecr.describe_image_scan_findings(repositoryName=name, imageId={"imageTag": "one"})

    assert (detail["imageScanStatus"], found["imageScanStatus"]) == ({"status": "IN_PROGRESS"},) * 2
    assert "imageScanFindingsSummary" not in detail
    assert "imageScanFindings" not in found


def test_image_that_nobody_scanned_has_no_scan(account: Account) -> None:
    ecr = made(account, "repositories-unscanned")
    account.box.scans.find("repositories-unscanned", {"CRITICAL": 1})
    push(account.root, "repositories-unscanned", picture("a"), "one")

    detail = described(ecr, "repositories-unscanned", imageTag="one")

    assert {"imageScanStatus", "imageScanFindingsSummary"} & set(detail) == set()


def test_newer_scanner_tells_its_findings_by_a_call_of_their_own(account: Account) -> None:
    """botocore's words on DescribeImages: the new version of basic scanning does not use these two attributes."""
    name = "repositories-newer"
    ecr = made(account, name, imageScanningConfiguration={"scanOnPush": True})
    account.box.scans.find(name, {"HIGH": 1})
    push(account.root, name, picture("a"), "one")
    account.box.scans.summarised = False
    try:
        detail = described(ecr, name, imageTag="one")
    finally:
        account.box.scans.summarised = True

    assert {"imageScanStatus", "imageScanFindingsSummary"} & set(detail) == set()
    found = ecr.describe_image_scan_findings(repositoryName=name, imageId={"imageTag": "one"})
    assert found["imageScanFindings"]["findingSeverityCounts"] == {"HIGH": 1}


def test_severity_that_ecr_does_not_have(account: Account) -> None:
    with pytest.raises(ValueError, match="no severity of ECR: SEVERE"):
        account.box.scans.find("repositories-any", {"SEVERE": 1})


def test_planted_findings_are_in_a_snapshot(account: Account) -> None:
    name = "repositories-kept"
    ecr = made(account, name, imageScanningConfiguration={"scanOnPush": True})
    push(account.root, name, picture("a"), "one")
    account.box.scans.find(name, {"HIGH": 1})
    before = account.box.snapshot()
    account.box.scans.find(name, {})

    account.box.restore(before)

    counts = described(ecr, name, imageTag="one")["imageScanFindingsSummary"]["findingSeverityCounts"]
    assert counts == {"HIGH": 1}


# what was pushed by the docker protocol


def test_pushed_image_is_described_by_tag_and_by_digest_with_all_its_tags(account: Account) -> None:
    ecr = made(account, "repositories-described")
    push(account.root, "repositories-described", picture("a"), "latest", "v1")
    push(account.root, "repositories-described", picture("a"), "v2")
    digest = picture("a").digest

    by_tag, by_digest = (
        described(ecr, "repositories-described", **id) for id in ({"imageTag": "v1"}, {"imageDigest": digest})
    )

    assert by_tag == by_digest
    assert (by_tag["imageDigest"], sorted(by_tag["imageTags"])) == (digest, ["latest", "v1", "v2"])
    with refused(ecr, "ImageNotFoundException"):
        described(ecr, "repositories-described", imageTag="v3")


def test_tag_that_is_pushed_again_moves(account: Account) -> None:
    ecr = made(account, "repositories-moving")
    push(account.root, "repositories-moving", picture("a"), "latest", "v1")
    push(account.root, "repositories-moving", picture("b"), "latest")

    old, new = (described(ecr, "repositories-moving", imageDigest=picture(text).digest) for text in "ab")

    assert (old["imageTags"], new["imageTags"]) == (["v1"], ["latest"])
    assert described(ecr, "repositories-moving", imageTag="latest") == new


# lifecycle


def test_push_over_the_count_expires_the_oldest(account: Account) -> None:
    ecr = made(account, "repositories-five")
    keep = policy({"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5})
    ecr.put_lifecycle_policy(repositoryName="repositories-five", lifecyclePolicyText=keep)

    for number in range(7):
        push(account.root, "repositories-five", picture(str(number)), f"v{number}")

    assert tags(ecr, "repositories-five") == {f"v{number}" for number in range(2, 7)}


def test_expire_looks_ahead(account: Account) -> None:
    ecr = made(account, "repositories-old")
    push(account.root, "repositories-old", picture("a"), "moved")
    push(account.root, "repositories-old", picture("b"), "moved")
    old = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 3}
    ecr.put_lifecycle_policy(repositoryName="repositories-old", lifecyclePolicyText=policy(old))

    def here(days: float) -> list[str]:
        return [one.digest for one in account.box.expire(days) if one.repository == "repositories-old"]

    assert (here(2), here(4)) == ([], [picture("a").digest])
    assert tags(ecr, "repositories-old") == {"moved"}


def test_preview_removes_nothing(account: Account) -> None:
    ecr, where = made(account, "repositories-preview"), {"repositoryName": "repositories-preview"}
    with refused(ecr, "LifecyclePolicyNotFoundException"):
        ecr.start_lifecycle_policy_preview(**where)
    with refused(ecr, "LifecyclePolicyPreviewNotFoundException"):
        ecr.get_lifecycle_policy_preview(**where)
    for number in range(3):
        push(account.root, "repositories-preview", picture(str(number)), f"v{number}")

    one = policy({"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1})
    ecr.start_lifecycle_policy_preview(**where, lifecyclePolicyText=one)

    said = ecr.get_lifecycle_policy_preview(**where)
    assert (said["status"], said["summary"]["expiringImageTotalCount"]) == ("COMPLETE", 2)
    assert tags(ecr, "repositories-preview") == {"v0", "v1", "v2"}


@pytest.mark.parametrize(
    "text",
    [
        "{bad",
        policy({"tagStatus": "some", "countType": "imageCountMoreThan", "countNumber": 1}),
        policy({"tagStatus": "tagged", "countType": "imageCountMoreThan", "countNumber": 1}),
        policy(*[{"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1}] * 2),
        policy({"tagStatus": "any", "countType": "sinceImagePushed", "countNumber": 1}),
    ],
)
def test_lifecycle_policy_that_cannot_be(account: Account, text: str) -> None:
    ecr = account.root.client("ecr")
    with suppress(ecr.exceptions.RepositoryAlreadyExistsException):
        ecr.create_repository(repositoryName="repositories-policy")

    with refused(ecr, "InvalidParameterException", "Lifecycle policy validation failure"):
        ecr.put_lifecycle_policy(repositoryName="repositories-policy", lifecyclePolicyText=text.ljust(100))


NOW = 1_000_000_000.0


def stored(*images: tuple[str, str, float]) -> list[Stored]:
    """Digest, tags, and age in days."""
    return [Stored(digest, tuple(tags.split()), NOW - age * DAY_SECONDS) for digest, tags, age in images]


@pytest.mark.parametrize(
    ("rules", "gone"),
    [
        ([{"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 1}], {"e": 1}),
        ([{"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 3}], {"d": 1, "e": 1}),
        (
            [
                {"tagStatus": "tagged", "tagPrefixList": ["prod"], "countType": "imageCountMoreThan", "countNumber": 1},
                {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1},
            ],
            {"b": 2, "c": 2, "d": 1, "e": 2},
        ),
        (
            [
                {
                    "tagStatus": "tagged",
                    "tagPatternList": ["prod*", "*-x"],
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": 2,
                }
            ],
            {"d": 1},
        ),
    ],
)
def test_rules_of_a_lifecycle_policy(rules: list[dict[str, Any]], gone: dict[str, int]) -> None:
    images = stored(("e", "", 5), ("d", "prod-1 old-x", 4), ("c", "v1", 3), ("b", "", 2), ("a", "prod-2 new-x", 1))

    assert lifecycle.expired(policy(*rules), images, NOW) == gone


def test_later_of_two_pushes_in_one_second_is_the_younger() -> None:
    images = [Stored("first", (), NOW), Stored("second", (), NOW)]
    one = policy({"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1})

    assert lifecycle.expired(one, images, NOW) == {"first": 1}
