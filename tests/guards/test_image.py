"""What Lambda would refuse of an image is found before it is pushed; what a scan found stops it where it must."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferry.guards import image
from ferry.model import Severity, Threshold

if TYPE_CHECKING:
    from collections.abc import Mapping

OCI = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
GB = 1024**3

FUZZ = settings(max_examples=300, deadline=None)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)


def digest(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"


def layer(number: int, **said: Any) -> dict[str, Any]:
    return {"mediaType": OCI_LAYER, "digest": digest(b"%d" % number), "size": 100} | said


def config(count: int = 2, **said: Any) -> dict[str, Any]:
    """What Ferry's assembler writes, in short."""
    return {
        "os": "linux",
        "architecture": "amd64",
        "config": {"Cmd": ["python", "-m", "page"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(b"unpacked %d" % number) for number in range(count)]},
        "history": [{"created_by": "ENV", "empty_layer": True}, *[{"created_by": "x"}] * count],
    } | said


def manifest(of: bytes, count: int = 2, **said: Any) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": OCI,
        "config": {"mediaType": OCI_CONFIG, "digest": digest(of), "size": len(of)},
        "layers": [layer(number) for number in range(count)],
    } | said


def refused(
    *, about: Mapping[str, Any] | None = None, says: Mapping[str, Any] | None = None, type: str = OCI
) -> tuple[str, ...]:
    """What is refused of a good image that `about` changes in its config and `says` in its manifest."""
    made = json.dumps(config(**(about or {}))).encode()
    return image.refusals(json.dumps(manifest(made, **(says or {}))).encode(), type, made)


@pytest.mark.req("B-12")
def test_an_image_as_ferry_makes_it_is_taken() -> None:
    assert refused() == ()


def test_an_image_as_docker_makes_it_is_taken() -> None:
    made = json.dumps(config()).encode()
    kinds: dict[str, Any] = {"mediaType": DOCKER, "config": {"mediaType": DOCKER_CONFIG, "digest": digest(made)}}
    layers = [layer(number, mediaType=DOCKER_LAYER) for number in range(2)]

    assert image.refusals(json.dumps(manifest(made, **kinds, layers=layers)).encode(), DOCKER, made) == ()


def test_a_manifest_may_leave_its_type_to_the_registry_or_to_nobody() -> None:
    made = json.dumps(config()).encode()
    said = {key: value for key, value in manifest(made).items() if key != "mediaType"}

    assert [image.refusals(json.dumps(said).encode(), type, made) for type in (OCI, "")] == [(), ()]


def test_a_base_without_any_history_is_taken() -> None:
    """AWS's own bases came so for years."""
    assert refused(about={"history": []}) == ()


def test_an_entrypoint_starts_it_as_well_as_a_command() -> None:
    assert refused(about={"config": {"Entrypoint": ["/run"]}}) == ()


@pytest.mark.req("B-12")
@pytest.mark.parametrize(
    "type", ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"]
)
def test_an_index_is_no_image(type: str) -> None:
    index = json.dumps({"schemaVersion": 2, "mediaType": type, "manifests": [{}, {}]}).encode()
    expected = (f"it is an index of 2 manifests ('{type}'): Lambda takes one image, not a choice",)

    assert image.refusals(index, type, b"{}") == expected
    assert image.refusals(index, "", b"{}") == expected


@pytest.mark.req("B-12")
@pytest.mark.parametrize(
    ("says", "told"),
    [
        (
            {"layers": [layer(0), layer(1, mediaType="application/vnd.oci.image.layer.v1.tar+zstd")]},
            "layer 2 is of type 'application/vnd.oci.image.layer.v1.tar+zstd': Lambda unpacks tar with gzip alone",
        ),
        (
            {"layers": [layer(0, mediaType="application/vnd.oci.image.layer.v1.tar"), layer(1)]},
            "layer 1 is of type 'application/vnd.oci.image.layer.v1.tar': Lambda unpacks tar with gzip alone",
        ),
        (
            {"layers": [layer(0), layer(1, mediaType="application/vnd.in-toto+json")]},
            "layer 2 is of type 'application/vnd.in-toto+json': Lambda unpacks tar with gzip alone",
        ),
        ({"layers": [layer(0), layer(1, size=0)]}, "layer 2 has no size above 0"),
        ({"layers": [layer(0, size=-1), layer(1)]}, "layer 1 has no size above 0"),
        ({"layers": [layer(0, size=True), layer(1)]}, "layer 1 has no size above 0"),
        ({"layers": [layer(0, digest="sha256:12"), layer(1)]}, "layer 1 has the digest 'sha256:12'"),
        ({"layers": [layer(0, size=6 * GB), layer(1, size=5 * GB)]}, "its layers are more than 11 GB, still packed"),
        ({"artifactType": "application/spdx+json"}, "it is an artifact, such as an attestation, and not an image"),
        ({"subject": {"digest": digest(b"")}}, "it is an artifact, such as an attestation, and not an image"),
        ({"mediaType": DOCKER}, f"its manifest calls itself '{DOCKER}', and the registry calls it '{OCI}'"),
    ],
)
def test_what_a_manifest_may_not_say(says: dict[str, Any], told: str) -> None:
    (sentence,) = refused(says=says)

    assert sentence.startswith(told)
    assert ": " in sentence.removeprefix(told) or ": " in told, "it says why"


def test_a_manifest_of_another_kind_is_refused_by_its_name() -> None:
    schema1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"

    assert refused(type=schema1, says={"mediaType": schema1}) == (
        f"its manifest is of type '{schema1}': Lambda takes {OCI} or {DOCKER}",
    )


def test_a_config_of_another_kind_is_no_image() -> None:
    made = json.dumps(config()).encode()
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(made)}

    (sentence,) = image.refusals(json.dumps(manifest(made, config=empty)).encode(), OCI, made)

    assert sentence.startswith("its config is of type 'application/vnd.oci.empty.v1+json': Lambda runs images alone")


@pytest.mark.parametrize(("layers", "few"), [(127, True), (128, False)])
def test_there_may_be_127_layers(layers: int, *, few: bool) -> None:
    made = json.dumps(config(layers, history=[])).encode()
    found = image.refusals(json.dumps(manifest(made, layers)).encode(), OCI, made)

    assert found == (() if few else ("it has 128 layers: Lambda takes at most 127",))


def test_ten_gigabytes_are_not_too_many() -> None:
    assert refused(says={"layers": [layer(0, size=5 * GB), layer(1, size=5 * GB)]}) == ()


@pytest.mark.req("B-12")
@pytest.mark.parametrize(
    ("about", "told"),
    [
        ({"architecture": "arm64"}, "it is for 'linux/arm64': these functions run on linux/amd64"),
        ({"os": "windows"}, "it is for 'windows/amd64': these functions run on linux/amd64"),
        # what buildx writes into an attestation
        ({"os": "unknown", "architecture": "unknown"}, "it is for 'unknown/unknown': these functions run on"),
        ({"config": {}}, "it has neither Entrypoint nor Cmd: Lambda has nothing to start"),
        ({"config": {"Cmd": [], "Entrypoint": None}}, "it has neither Entrypoint nor Cmd: Lambda has nothing to start"),
        ({"config": None}, "it has neither Entrypoint nor Cmd: Lambda has nothing to start"),
        ({"rootfs": None}, "its config has no rootfs with diff_ids: Lambda cannot check a layer"),
        ({"rootfs": {"type": "layers"}}, "its config has no rootfs with diff_ids: Lambda cannot check a layer"),
        ({"rootfs": {"diff_ids": [digest(b"")]}}, "its config has 1 diff_ids for 2 layers: Lambda pairs them"),
        ({"history": [{"created_by": "x"}]}, "its config tells where 1 of 2 layers come from: Lambda has refused"),
    ],
)
def test_what_a_config_may_not_say(about: dict[str, Any], told: str) -> None:
    (sentence,) = refused(about=about)

    assert sentence.startswith(told)


def test_an_image_without_layers_has_nothing_to_run() -> None:
    made = json.dumps(config(0)).encode()

    found = image.refusals(json.dumps(manifest(made, 0)).encode(), OCI, made)

    assert found == ("it has no layers: there is nothing to run",)


def test_a_config_that_the_manifest_does_not_name_does_not_count() -> None:
    other = json.dumps(config(created="later")).encode()
    named = json.dumps(config()).encode()

    (sentence,) = image.refusals(json.dumps(manifest(named)).encode(), OCI, other)

    assert sentence == f"its config is not the one that its manifest names: '{digest(named)}'"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"9" * 5000])
def test_what_cannot_be_read_is_said_in_one_sentence(data: bytes) -> None:
    assert image.refusals(data, OCI, b"{}") == (
        "its manifest is not a JSON table: nobody can read what the image is made of",
    )
    made = json.dumps(manifest(data)).encode()
    assert image.refusals(made, OCI, data) == (
        "its config is not a JSON table: nobody can read how the image is started",
    )


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = refused(
        about={"architecture": "arm64", "config": {}}, says={"layers": [layer(0), layer(1, mediaType="", size=0)]}
    )

    assert len(found) == 4


@FUZZ
@given(JSON, st.sampled_from(["", OCI, "x"]), JSON)
def test_no_document_makes_it_stumble(said: object, type: str, about: object) -> None:
    found = image.refusals(json.dumps(said).encode(), type, json.dumps(about).encode())

    assert found
    assert all(sentence.isprintable() for sentence in found)


@FUZZ
@given(st.data())
def test_no_value_in_any_place_makes_it_stumble(data: st.DataObject) -> None:
    about: dict[str, Any] = config()
    _plant(data, about)
    made = json.dumps(about).encode()
    said: dict[str, Any] = manifest(made)
    _plant(data, said)

    found = image.refusals(json.dumps(said).encode(), OCI, made)

    assert all(sentence.isprintable() for sentence in found)


def _plant(data: st.DataObject, table: Any) -> None:
    """Anything, somewhere in the document."""
    while True:
        key = data.draw(st.sampled_from(sorted(table) if isinstance(table, dict) else range(len(table))))
        inner = table[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            table[key] = data.draw(JSON)
            return
        table = inner


# what a scan found


@pytest.mark.parametrize(
    ("findings", "stops_at", "severity", "verdict"),
    [
        (None, "never", Severity.INFO, "not-scanned"),
        (None, "critical", Severity.INFO, "not-scanned"),
        ({}, "low", Severity.INFO, "clean"),
        ({"CRITICAL": 0}, "low", Severity.INFO, "clean"),
        ({"CRITICAL": 1}, "never", Severity.WARN, "vulnerable"),
        ({"HIGH": 3}, "critical", Severity.WARN, "vulnerable"),
        ({"CRITICAL": 1}, "critical", Severity.BLOCK, "too-vulnerable"),
        ({"CRITICAL": 1}, "medium", Severity.BLOCK, "too-vulnerable"),
        ({"MEDIUM": 1}, "medium", Severity.BLOCK, "too-vulnerable"),
        ({"LOW": 1}, "medium", Severity.WARN, "vulnerable"),
        ({"LOW": 1}, "low", Severity.BLOCK, "too-vulnerable"),
        ({"INFORMATIONAL": 9, "UNDEFINED": 1}, "low", Severity.WARN, "vulnerable"),
        ({"SOMETHING-NEW": 1}, "low", Severity.WARN, "vulnerable"),
    ],
)
def test_the_worst_that_was_found_decides(
    findings: dict[str, int] | None, stops_at: str, severity: Severity, verdict: str
) -> None:
    finding = image.scanned(findings, stops_at)

    assert (finding.guard, finding.severity, finding.verdict) == ("image", severity, verdict)


def test_every_threshold_of_the_configuration_is_known() -> None:
    found = {"CRITICAL": 1, "HIGH": 1, "MEDIUM": 1, "LOW": 1}
    stopped = [threshold for threshold in Threshold if image.scanned(found, threshold).severity is Severity.BLOCK]

    assert stopped == [threshold for threshold in Threshold if threshold is not Threshold.NEVER]


def test_a_stop_says_what_was_found_why_it_stops_and_what_to_do() -> None:
    finding = image.scanned({"LOW": 4, "CRITICAL": 1, "HIGH": 2}, Threshold.HIGH, address="preprod-page@sha256:00")

    assert finding.address == "preprod-page@sha256:00"
    assert finding.what == "the registry's scan finds 1 critical, 2 high, 4 low in it"
    assert finding.why == "scan_stops_at = 'high': it does not go to this environment"
    assert finding.next


def test_a_threshold_without_a_scan_says_that_it_judged_nothing() -> None:
    assert image.scanned(None, "high").why == "scan_stops_at = 'high' has nothing to judge by yet"
    assert image.scanned(None, "never").why == ""
