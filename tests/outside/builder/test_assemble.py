from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ferry.errors import BuildFailed, InternalError
from ferry.outside.blobs import Blob, Store, digest_of
from ferry.outside.builder.assemble import CONFIG, LAYER, MANIFEST, Base, Image, layout, read_layout
from tests.outside.builder.images import base_of, folder_of, image

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def config(made: Image) -> dict[str, Any]:
    return dict(json.loads(made.config)["config"])


def based_on(below: dict[str, Any], *layers: Blob) -> Base:
    return Base("sha256:base", json.dumps(below).encode(), layers, "registry.example", "base")


def descriptor(media_type: str, data: bytes, **more: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **more}


def blobs(*found: bytes) -> dict[str, bytes]:
    return {f"blobs/sha256/{hashlib.sha256(data).hexdigest()}": data for data in found}


def packed(target: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(target, "w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return target


def exported(image: Image, *others: dict[str, object], media_type: str = MANIFEST) -> dict[str, bytes]:
    """An image as engines export it: the blobs first, the index last, other manifests beside it."""
    content = [it.path.read_bytes() for it in image.layers if it.path]
    index = {"schemaVersion": 2, "manifests": [*others, descriptor(media_type, image.manifest)]}
    return blobs(*content, image.config, image.manifest) | {"index.json": json.dumps(index).encode()}


@pytest.fixture
def made(tmp_path: Path) -> Image:
    return image(folder_of(tmp_path / "a", a="1"), folder_of(tmp_path / "b", b="2"))


@pytest.mark.req("B-12")
def test_the_manifest_is_one_that_lambda_takes(made: Image) -> None:
    manifest, settings = json.loads(made.manifest), json.loads(made.config)
    assert made.media_type == manifest["mediaType"] == MANIFEST
    assert [part["mediaType"] for part in manifest["layers"]] == [LAYER, LAYER]
    assert (settings["os"], settings["architecture"]) == ("linux", "amd64")


def test_every_part_is_named_by_what_it_holds(made: Image) -> None:
    manifest, settings = json.loads(made.manifest), json.loads(made.config)
    content = [it.path.read_bytes() for it in made.layers if it.path]
    assert manifest["config"] == descriptor(CONFIG, made.config)
    assert manifest["layers"] == [descriptor(LAYER, data) for data in content]
    assert settings["rootfs"]["diff_ids"] == [digest_of(gzip.decompress(data)) for data in content]
    assert len(settings["history"]) == 2
    assert made.digest == digest_of(made.manifest)
    assert made.size == sum(map(len, (made.manifest, made.config, *content)))


def test_the_order_of_layers_is_part_of_the_image(tmp_path: Path) -> None:
    a, b = folder_of(tmp_path / "a", same="1"), folder_of(tmp_path / "b", same="2")
    assert image(a, b).digest != image(b, a).digest


def test_on_a_base_its_layers_and_settings_come_first(tmp_path: Path) -> None:
    base = image(folder_of(tmp_path / "base", base=""), environment={"LANG": "C", "PORT": "1"})
    made = image(folder_of(tmp_path / "app", main=""), base=base_of(base), environment={"PORT": "8080"})
    assert made.layers[0] == base.layers[0]
    assert config(made)["Env"] == ["LANG=C", "PORT=8080"]
    assert len(json.loads(made.config)["rootfs"]["diff_ids"]) == len(json.loads(made.config)["history"]) == 2


def test_layers_that_only_a_registry_has_are_built_on_all_the_same(tmp_path: Path) -> None:
    there = Blob("sha256:there", 30_000_000)
    made = image(folder_of(tmp_path / "app", main=""), base=based_on({}, there))
    assert made.layers[0] == there
    assert made.size > there.size


@pytest.mark.parametrize(
    "below",
    [
        {},
        {"config": None, "rootfs": None, "history": None},
        {"config": {}, "rootfs": {"diff_ids": None}},
        {"config": {"Env": None}, "rootfs": {}, "history": []},
    ],
)
def test_a_base_may_leave_out_what_it_does_not_need(below: dict[str, Any]) -> None:
    assert config(image(base=based_on(below), environment={"A": "1"}))["Env"] == ["A=1"]


def test_a_base_keeps_what_it_says_but_not_what_it_runs() -> None:
    runs = {"Entrypoint": ["/docker-entrypoint.sh"], "Cmd": ["x"]}
    made = config(image(base=based_on({"config": {"Env": ["A=b=c", "EMPTY="], "User": "app", **runs}})))
    assert (made["Env"], made["User"], made["Cmd"]) == (["A=b=c", "EMPTY="], "app", ["python", "-m", "app"])
    assert "Entrypoint" not in made


def test_a_bases_history_stays_with_its_steps_that_made_no_layer() -> None:
    told = [{"created_by": "ADD"}, {"created_by": "ENV", "empty_layer": True}]
    made = image(base=based_on({"history": told}, Blob("sha256:there", 1)))
    assert json.loads(made.config)["history"] == told


def test_a_base_without_a_history_gets_an_entry_a_layer() -> None:
    made = image(base=based_on({}, Blob("sha256:one", 1), Blob("sha256:two", 1)))
    assert len(json.loads(made.config)["history"]) == 2


def test_a_bases_layers_get_ocis_name_whatever_its_registry_called_them(made: Image) -> None:
    """Docker's name for the same bytes has no place in a manifest of OCI's."""
    on_top = json.loads(image(base=base_of(made)).manifest)
    assert [(it["mediaType"], it["digest"]) for it in on_top["layers"]] == [(LAYER, it.digest) for it in made.layers]


def test_a_manifest_that_does_not_say_what_it_is_is_ocis() -> None:
    assert Image(b"{}", b"{}", ()).media_type == MANIFEST
    assert Image(json.dumps({"mediaType": DOCKER_MANIFEST}).encode(), b"{}", ()).media_type == DOCKER_MANIFEST


def test_a_layout_is_read_back_bit_for_bit(made: Image, tmp_path: Path) -> None:
    layout(made, tmp_path / "one.tar")
    layout(made, tmp_path / "two.tar")
    again = read_layout(tmp_path / "one.tar", Store(tmp_path / "another"))
    assert (again.manifest, again.config) == (made.manifest, made.config)
    assert [replace(it, path=None) for it in again.layers] == [replace(it, path=None) for it in made.layers]
    assert [it.path.read_bytes() for it in again.layers if it.path] == [
        it.path.read_bytes() for it in made.layers if it.path
    ]
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_a_layer_that_is_there_twice_is_written_once(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a", a="1")
    layout(image(folder, folder), tmp_path / "image.tar")
    with tarfile.open(tmp_path / "image.tar") as archive:
        names = archive.getnames()
    assert len(names) == len(set(names)) == 5
    assert len(read_layout(tmp_path / "image.tar", Store(tmp_path / "another")).layers) == 2


def test_what_only_a_registry_has_cannot_be_laid_out(tmp_path: Path) -> None:
    with pytest.raises(InternalError, match="not on this machine"):
        layout(image(base=based_on({}, Blob(digest_of(b""), 0))), tmp_path / "image.tar")


def test_a_layout_that_cannot_be_written_is_told(made: Image, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="cannot be written down") as caught:
        layout(made, tmp_path / "nowhere/image.tar")
    assert caught.value.why == "No such file or directory"


def test_an_engines_export_is_read_whatever_else_its_index_names(made: Image, tmp_path: Path) -> None:
    attestation = descriptor(MANIFEST, b"{}", platform={"os": "unknown", "architecture": "unknown"})
    arm = descriptor(MANIFEST, b"{}", platform={"os": "linux", "architecture": "arm64"})
    ours = descriptor(MANIFEST, made.manifest, platform={"os": "linux", "architecture": "amd64"})
    inner = json.dumps({"manifests": [attestation, arm, ours]}).encode()
    outer = json.dumps({"manifests": [descriptor("index", inner)] * 2}).encode()
    files = exported(made) | blobs(inner) | {"index.json": outer}
    assert read_layout(packed(tmp_path / "image.tar", files), Store(tmp_path / "another")).digest == made.digest


def test_an_image_for_another_platform_alone_is_refused(made: Image, tmp_path: Path) -> None:
    arm = descriptor(MANIFEST, made.manifest, platform={"os": "linux", "architecture": "arm64"})
    files = exported(made) | {"index.json": json.dumps({"manifests": [arm]}).encode()}
    with pytest.raises(BuildFailed, match="one image for linux/amd64") as caught:
        read_layout(packed(tmp_path / "image.tar", files), Store(tmp_path / "another"))
    assert caught.value.why == "0 of the 1 manifests in its index are for it"


def without(name: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {at: data for at, data in files.items() if at != name}


@pytest.mark.parametrize(
    ("index", "says"),
    [
        (b"not json", "Expecting value"),
        (b"[]", "list indices"),
        (b"{}", "config"),
        (b'{"manifests": [{}]}', "digest"),
        (b'{"manifests": ["x"]}', "string indices"),
        (b'{"manifests": [{"digest": "sha256:../../x"}]}', "is no SHA-256 digest"),
        (json.dumps({"manifests": [descriptor(MANIFEST, b"gone")]}).encode(), "not found"),
        (b" " * 5_000_000, "is no small file"),
    ],
)
def test_a_tar_that_holds_no_image_is_told(made: Image, tmp_path: Path, index: bytes, says: str) -> None:
    tar = packed(tmp_path / "image.tar", exported(made) | {"index.json": index})
    with pytest.raises(BuildFailed, match="the image cannot be read") as caught:
        read_layout(tar, Store(tmp_path / "another"))
    assert says in caught.value.why
    assert caught.value.where == str(tar)


def test_a_file_that_is_no_tar_is_told(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(b"x" * 2000)
    with pytest.raises(BuildFailed, match="the image cannot be read"):
        read_layout(tmp_path / "image.tar", Store(tmp_path / "another"))


@pytest.mark.parametrize("which", ["manifest", "config", "layer"])
def test_bytes_that_are_not_what_they_are_called_are_refused(made: Image, tmp_path: Path, which: str) -> None:
    digest = {"manifest": made.digest, "config": digest_of(made.config), "layer": made.layers[0].digest}[which]
    files = exported(made) | {f"blobs/sha256/{digest.removeprefix('sha256:')}": b"{}"}
    another = Store(tmp_path / "another")
    with pytest.raises(BuildFailed, match="the image cannot be read") as caught:
        read_layout(packed(tmp_path / "image.tar", files), another)
    assert digest in caught.value.why
    assert another.find(digest) is None
