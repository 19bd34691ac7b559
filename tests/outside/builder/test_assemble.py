from __future__ import annotations

import gzip
import io
import json
import os
import random
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ferry.outside.builder.assemble import (
    CONFIG,
    DOCKER_LAYER,
    LAYER,
    MANIFEST,
    Blob,
    Image,
    digest_of,
    layer,
    layout,
    read_layout,
)
from tests.outside.builder.images import folder_of, image

if TYPE_CHECKING:
    from pathlib import Path


def entries(blob: Blob) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(blob.data)) as archive:
        return archive.getmembers()


def config(made: Image) -> dict[str, Any]:
    return dict(json.loads(made.config.data)["config"])


def based_on(below: dict[str, Any], *layers: Blob) -> Image:
    blob = Blob(CONFIG, json.dumps(below).encode())
    return Image(Blob(MANIFEST, b"{}"), blob, layers)


def test_the_same_files_are_the_same_layer_whenever_and_however_they_were_written(tmp_path: Path) -> None:
    names = [f"{folder}/{name}.py" for folder in ("b", "a", "a-b", "a/b") for name in ("z", "y")]
    digests = set()
    for turn in range(3):
        place = tmp_path / str(turn)
        for name in random.Random(turn).sample(names, len(names)):  # noqa: S311 - an order, not a secret
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(name)
            os.utime(place / name, (turn * 1000, turn * 1000))
        digests.add(layer(place, "/opt").digest)
    assert len(digests) == 1


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_everyone_may_read_whatever_the_umask_was(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        folder = folder_of(tmp_path / "app" / "inner", main="print()")
        (folder / "run.sh").touch(mode=0o700)
    finally:
        os.umask(before)
    modes = {entry.name: oct(entry.mode) for entry in entries(layer(tmp_path / "app", "/task"))}
    folders = {"task": "0o755", "task/inner": "0o755"}
    assert modes == {**folders, "task/inner/main.py": "0o644", "task/inner/run.sh": "0o755"}


def test_who_made_it_and_when_is_not_in_a_layer(tmp_path: Path) -> None:
    made = entries(layer(folder_of(tmp_path / "app", main=""), "/var/task"))
    assert {(entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime) for entry in made} == {(0, 0, "", "", 0)}


def test_links_stay_links(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "app", main="")
    (folder / "again.py").symlink_to("main.py")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "self").symlink_to(".")
    found = {entry.name: entry.linkname for entry in entries(layer(folder, "/t")) if entry.issym()}
    assert found == {"t/again.py": "main.py", "t/dangling": "nowhere", "t/self": "."}


@pytest.mark.parametrize(
    ("at", "names"),
    [
        ("/var/task", ["var", "var/task", "var/task/main.py"]),
        ("/var//task/", ["var", "var/task", "var/task/main.py"]),
        ("/var/../opt", ["opt", "opt/main.py"]),
        ("/../opt", ["opt", "opt/main.py"]),
        ("/", ["main.py"]),
    ],
)
def test_a_layer_lies_where_it_was_told(tmp_path: Path, at: str, names: list[str]) -> None:
    assert [entry.name for entry in entries(layer(folder_of(tmp_path / "app", main=""), at))] == names


def test_an_empty_folder_is_a_layer_too(tmp_path: Path) -> None:
    assert [entry.name for entry in entries(layer(folder_of(tmp_path / "app"), "/opt"))] == ["opt"]


def test_names_that_are_long_or_not_ascii_arrive(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "app")
    names = {"ä" * 60, "n" * 200, os.fsdecode(b"not-utf-8-\xff")}
    for name in names:
        (folder / name).write_text("x")
    assert {entry.name.removeprefix("opt/") for entry in entries(layer(folder, "/opt"))} == {"opt", *names}


@pytest.mark.req("B-12")
def test_the_manifest_is_one_that_lambda_takes(tmp_path: Path) -> None:
    made = image(folder_of(tmp_path / "app", main=""))
    manifest, settings = json.loads(made.manifest.data), json.loads(made.config.data)
    assert made.manifest.media_type == manifest["mediaType"] == MANIFEST
    assert [part["mediaType"] for part in manifest["layers"]] == [LAYER]
    assert (settings["os"], settings["architecture"]) == ("linux", "amd64")


def test_every_part_is_named_by_what_it_holds(tmp_path: Path) -> None:
    made = image(folder_of(tmp_path / "a", a=""), folder_of(tmp_path / "b", b=""))
    manifest, settings = json.loads(made.manifest.data), json.loads(made.config.data)
    assert manifest["config"] == made.config.descriptor()
    assert manifest["layers"] == [blob.descriptor() for blob in made.layers]
    assert settings["rootfs"]["diff_ids"] == [digest_of(gzip.decompress(blob.data)) for blob in made.layers]
    assert len(settings["history"]) == 2
    assert made.size == sum(len(blob.data) for blob in (made.manifest, made.config, *made.layers))


def test_the_order_of_layers_is_part_of_the_image(tmp_path: Path) -> None:
    a, b = folder_of(tmp_path / "a", same="1"), folder_of(tmp_path / "b", same="2")
    assert image(a, b).digest != image(b, a).digest


def test_on_a_base_its_layers_and_settings_come_first(tmp_path: Path) -> None:
    base = image(folder_of(tmp_path / "base", base=""), environment={"LANG": "C", "PORT": "1"})
    made = image(folder_of(tmp_path / "app", main=""), base=base, environment={"PORT": "8080"})
    assert made.layers[0] == base.layers[0]
    assert config(made)["Env"] == ["LANG=C", "PORT=8080"]
    assert len(json.loads(made.config.data)["rootfs"]["diff_ids"]) == 2


@pytest.mark.parametrize(
    "below",
    [
        {},
        {"config": None, "rootfs": {"diff_ids": None}, "history": None},
        {"config": {}},
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


def test_layers_of_a_docker_base_get_their_oci_name(tmp_path: Path) -> None:
    blob = layer(folder_of(tmp_path / "base", base=""), "/opt")
    made = image(base=based_on({}, replace(blob, media_type=DOCKER_LAYER)))
    assert made.layers == (blob,)


def test_a_layout_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    made = image(folder_of(tmp_path / "a", a=""), folder_of(tmp_path / "b", b=""))
    assert read_layout(layout(made)) == made
    assert layout(made) == layout(made)
