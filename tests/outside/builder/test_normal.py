from __future__ import annotations

import gzip
import io
import json
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ferry.errors import BuildFailed, InternalError
from ferry.outside.blobs import Blob, Store, digest_of
from ferry.outside.builder.assemble import EPOCH, LAYER, MANIFEST, Image, manifest_of
from ferry.outside.builder.normal import normalised

if TYPE_CHECKING:
    from pathlib import Path

CAPABILITY = "\x01\x00\x00\x02"


def entry(name: str, data: bytes = b"", *, kind: bytes = tarfile.REGTYPE, **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    made = tarfile.TarInfo(name)
    made.type, made.size = kind, len(data)
    for key, value in more.items():
        setattr(made, key, value)
    return made, data


def folder(name: str, **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, kind=tarfile.DIRTYPE, mode=0o755, **more)


def link(name: str, to: str, **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, kind=tarfile.LNKTYPE, linkname=to, **more)


def tar(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for made, data in entries:
            archive.addfile(made, io.BytesIO(data))
    return out.getvalue()


def image(store: Store, *layers: bytes, **said: Any) -> Image:
    """As an engine exports it."""
    config = {"architecture": "amd64", "os": "linux", "created": "2026-11-21T19:01:27Z", **said}
    return manifest_of(config, [store.keep(layer) for layer in layers])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def content(made: Image, layer: int = 0) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(made.layers[layer].path) as archive:
        return {it.name: it for it in archive}


def text(made: Image, name: str) -> bytes:
    with tarfile.open(made.layers[0].path) as archive:
        file = archive.extractfile(name)
        assert file is not None
        return file.read()


def of(store: Store, *entries: tuple[tarfile.TarInfo, bytes]) -> dict[str, tarfile.TarInfo]:
    return content(normalised(image(store, tar(*entries)), store))


@pytest.mark.req("B-12")
def test_what_comes_out_is_one_manifest_with_gzip_layers_whose_config_names_them(store: Store) -> None:
    a, b = tar(entry("a", b"1")), tar(entry("b", b"2"))

    made = normalised(image(store, a, b, config={"User": "1000", "Cmd": ["python"]}), store)

    manifest, config = json.loads(made.manifest), json.loads(made.config)
    packed = [it.path.read_bytes() for it in made.layers if it.path]
    assert made.media_type == MANIFEST
    assert [part["mediaType"] for part in manifest["layers"]] == [LAYER, LAYER]
    assert [part["digest"] for part in manifest["layers"]] == [digest_of(data) for data in packed]
    assert config["rootfs"]["diff_ids"] == [digest_of(gzip.decompress(data)) for data in packed]
    assert config["config"] == {"User": "1000", "Cmd": ["python"]}


def test_the_same_content_at_another_time_on_another_machine_is_the_same_image(store: Store) -> None:
    then = tar(folder("app", mtime=1), entry("app/main.py", b"1", mtime=2, uname="ann", gname="staff"))
    now = tar(
        folder("app", mtime=9.5),
        entry("app/main.py", b"1", mtime=9.75, pax_headers={"atime": "9.5", "LIBARCHIVE.creationtime": "9"}),
    )
    history = [{"created": "2026-11-21T19:01:27Z", "created_by": "import image layer sha256:00"}]
    other = [{"created": "2026-11-22T07:00:00Z", "created_by": "rehydrated persisted snapshot"}]

    one = normalised(image(store, then, history=history), store)
    two = normalised(image(store, now, history=other, created="2026-11-22T07:00:00Z"), store)

    assert one.digest == two.digest
    assert json.loads(one.config)["created"] == EPOCH
    assert {it.mtime for it in content(one).values()} == {0}


def test_a_layer_as_it_was_pulled_and_as_an_engine_kept_it_over_a_restart_are_the_same(store: Store) -> None:
    pulled = tar(
        folder("./"),
        folder("./bin"),
        entry("./bin/perl5", b"perl", mode=0o755),
        link("./bin/perl", "./bin/perl5", mode=0o755),
        entry("./bin/a", b"a"),
    )
    kept = tar(
        folder("bin"),
        entry("bin/a", b"a"),
        entry("bin/perl", b"perl", mode=0o755),
        link("bin/perl5", "bin/perl", mode=0o755),
    )

    one, two = (normalised(image(store, layer), store) for layer in (pulled, kept))

    assert one.digest == two.digest
    assert [*content(one)] == ["bin", "bin/a", "bin/perl", "bin/perl5"]
    assert text(one, "bin/perl") == text(one, "bin/perl5") == b"perl"


def test_it_makes_no_difference_whether_the_engine_compressed_the_layers(store: Store) -> None:
    layer = tar(entry("b", b"2"), entry("a", b"1"))

    one, two = (normalised(image(store, data), store) for data in (layer, gzip.compress(layer)))

    assert one.digest == two.digest


@pytest.mark.parametrize(
    "other",
    [
        entry("a", b"2", mode=0o644),
        entry("b", b"1", mode=0o644),
        entry("a", b"1", mode=0o4755),
        entry("a", b"1", mode=0o644, uid=1000),
        entry("a", b"1", mode=0o644, gid=1000),
        entry("a", b"1", mode=0o644, pax_headers={"SCHILY.xattr.security.capability": CAPABILITY}),
        entry("a", kind=tarfile.SYMTYPE, linkname="b"),
    ],
)
def test_what_a_container_would_see_makes_another_image(store: Store, other: tuple[tarfile.TarInfo, bytes]) -> None:
    first = normalised(image(store, tar(entry("a", b"1", mode=0o644))), store)
    assert normalised(image(store, tar(other)), store).digest != first.digest


def test_owners_modes_links_devices_and_capabilities_stay(store: Store) -> None:
    found = of(
        store,
        folder("data", uid=1000, gid=1001),
        entry("ping", b"p", mode=0o4755, pax_headers={"SCHILY.xattr.security.capability": CAPABILITY, "mtime": "3.5"}),
        entry("there", kind=tarfile.SYMTYPE, linkname="./data/../ping"),
        entry("null", kind=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        entry("far", b"f", uid=3_000_000, mode=0o644),
    )

    assert (found["data"].uid, found["data"].gid) == (1000, 1001)
    assert found["ping"].mode == 0o4755
    assert found["ping"].pax_headers == {"SCHILY.xattr.security.capability": CAPABILITY}
    assert (found["there"].type, found["there"].linkname) == (tarfile.SYMTYPE, "./data/../ping")
    assert (found["null"].type, found["null"].devmajor, found["null"].devminor) == (tarfile.CHRTYPE, 1, 3)
    assert found["far"].uid == 3_000_000


def test_what_a_layer_takes_away_stays_away(store: Store) -> None:
    found = of(store, folder("etc"), entry("etc/.wh.issue", mode=0o600, mtime=5), entry("srv/.wh..wh..opq", uid=7))

    assert [*found] == ["etc", "etc/.wh.issue", "srv/.wh..wh..opq"]
    assert {(found[name].size, found[name].mode, found[name].uid) for name in (*found,)[1:]} == {(0, 0, 0)}


def test_a_second_name_of_a_file_in_a_layer_below_stays_one(store: Store) -> None:
    found = of(store, link("again", "./usr/bin/perl"))
    assert (found["again"].type, found["again"].linkname) == (tarfile.LNKTYPE, "usr/bin/perl")


def test_links_in_a_circle_end(store: Store) -> None:
    assert [*of(store, link("a", "b"), link("b", "a"))] == ["a", "b"]


def test_of_a_name_that_comes_twice_the_last_counts(store: Store) -> None:
    made = normalised(image(store, tar(entry("a", b"old"), entry("./a", b"new"))), store)
    assert text(made, "a") == b"new"


def test_long_names_and_other_alphabets_stay(store: Store) -> None:
    names = ["ж" * 60 + "/" + "x" * 200, "ф" * 120]
    assert sorted(of(store, *(entry(name, b"1") for name in names))) == sorted(names)


def test_a_layer_that_is_cut_short_is_told_of(store: Store) -> None:
    whole = tar(entry("a", b"1" * 100_000))

    with pytest.raises(BuildFailed, match="a file that belongs to the build cannot be read"):
        normalised(image(store, whole[:50_000]), store)


def test_a_layer_that_is_elsewhere_is_not_left_out(store: Store) -> None:
    made = replace(image(store), layers=(Blob("sha256:elsewhere", 1),))

    with pytest.raises(InternalError, match="not on this machine"):
        normalised(made, store)
