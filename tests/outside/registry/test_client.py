from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from ferry.errors import FerryError, RegistryDenied, RegistryRefused, RegistryUnavailable
from ferry.outside.builder.assemble import CONFIG, MANIFEST, Blob, Image
from ferry.outside.registry import Login, Registry
from ferry.outside.registry.client import DOCKER, INDEXES
from tests.outside.builder.images import folder_of, image
from tests.outside.registry.small_registry import SmallRegistry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture
def small() -> SmallRegistry:
    return SmallRegistry()


@pytest.fixture
def app(tmp_path: Path) -> Image:
    return image(folder_of(tmp_path / "app", main="print()"))


@asynccontextmanager
async def refused(small: SmallRegistry, kind: type[FerryError], *, says: str) -> AsyncIterator[Registry]:
    """The block ends in one error of this kind, and not in a traceback."""
    async with small.client(Login("AWS", "planted-password")) as registry:
        with pytest.raises(kind, match=says) as caught:
            yield registry
    told = caught.value
    assert told.where.startswith("registry.test")
    assert told.next
    assert "planted" not in f"{told!r} {told.where} {told.why}"


async def test_what_is_pushed_is_pulled_again_bit_for_bit(small: SmallRegistry, app: Image) -> None:
    async with small.client() as registry:
        assert await registry.push("app", app, ("latest", "one")) == 2
        assert await registry.pull("app", "one") == app
        assert await registry.digest("app", "latest") == app.digest


async def test_what_is_there_is_not_pushed_again(small: SmallRegistry, app: Image) -> None:
    small.hold_image("app", app)
    async with small.client() as registry:
        assert await registry.push("app", app, ("latest",)) == 0
    assert [asked for asked in small.asked if asked.startswith(("POST", "PUT"))] == ["PUT /v2/app/manifests/latest"]


async def test_an_upload_goes_where_the_registry_says_with_its_query(small: SmallRegistry, app: Image) -> None:
    async with small.client() as registry:
        await registry.push("app", app, ())
    put = next(request for request in small.history if request.method == "PUT")
    assert put.url.path == "/upload/1"
    assert dict(put.url.params) == {"state": "a+b", "digest": app.layers[0].digest}


async def test_blobs_are_asked_for_as_they_are_stored(small: SmallRegistry, app: Image) -> None:
    small.hold_image("app", app)
    async with small.client() as registry:
        await registry.pull("app", "latest")
    assert {request.headers["accept-encoding"] for request in small.history} == {"identity"}


async def test_a_tag_that_names_nothing_has_no_digest(small: SmallRegistry) -> None:
    async with small.client() as registry:
        assert await registry.digest("app", "latest") is None


async def test_an_image_that_does_not_exist_cannot_be_pulled(small: SmallRegistry) -> None:
    async with refused(small, RegistryRefused, says="does not exist") as registry:
        await registry.pull("app", "latest")


async def test_of_an_index_our_platform_is_pulled(small: SmallRegistry, app: Image) -> None:
    small.hold_image("app", app)
    attestation = {"digest": f"sha256:{'1' * 64}", "platform": {"os": "unknown", "architecture": "unknown"}}
    arm = {"digest": f"sha256:{'2' * 64}", "platform": {"os": "linux", "architecture": "arm64"}}
    ours = {"digest": app.digest, "platform": {"os": "linux", "architecture": "amd64"}}
    variants = [{"digest": f"sha256:{'3' * 64}", "platform": None}, attestation, arm, ours]
    small.hold("app:latest", json.dumps({"manifests": variants}).encode(), INDEXES[0])
    async with small.client() as registry:
        assert await registry.pull("app", "latest") == app


async def test_an_index_without_our_platform_is_refused(small: SmallRegistry) -> None:
    small.hold("app:latest", b'{"manifests": []}', INDEXES[1])
    async with refused(small, RegistryRefused, says="no linux/amd64 variant") as registry:
        await registry.pull("app", "latest")


async def test_a_single_image_of_another_platform_is_refused(small: SmallRegistry, app: Image) -> None:
    config = Blob(CONFIG, app.config.data.replace(b'"amd64"', b'"arm64"'))
    manifest = json.loads(app.manifest.data) | {"config": config.descriptor()}
    small.hold_image("app", Image(Blob(MANIFEST, json.dumps(manifest).encode()), config, app.layers))
    async with refused(small, RegistryRefused, says="no linux/amd64 variant") as registry:
        await registry.pull("app", "latest")


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        pytest.param(b"", MANIFEST, id="empty"),
        pytest.param(b'{"config": {"dig', MANIFEST, id="cut"),
        pytest.param(b"<html>log in to the network</html>", "text/html", id="a captive portal"),
        pytest.param(b'\xff\xfe{"config"', MANIFEST, id="not UTF-8"),
        pytest.param(b"[]", MANIFEST, id="a list"),
        pytest.param(b'{"schemaVersion": 1, "fsLayers": []}', DOCKER, id="an image of the old kind"),
        pytest.param(b"[" * 100_000, MANIFEST, id="nested deep"),
        pytest.param(
            b'{"manifests": [{"platform": {"os": "linux", "architecture": "amd64"}}]}', INDEXES[0], id="no digest"
        ),
    ],
)
async def test_what_is_not_a_manifest_is_refused(small: SmallRegistry, body: bytes, media_type: str) -> None:
    small.hold("app:latest", body, media_type)
    async with refused(small, RegistryRefused, says="not an image") as registry:
        await registry.pull("app", "latest")


async def test_a_damaged_blob_is_refused(small: SmallRegistry, app: Image) -> None:
    small.hold_image("app", app)
    small.blobs[app.layers[0].digest] = app.layers[0].data[:-1]
    async with refused(small, RegistryRefused, says="arrived damaged") as registry:
        await registry.pull("app", "latest")


async def test_other_bytes_than_the_digest_names_are_refused(small: SmallRegistry, app: Image) -> None:
    small.hold(f"app:{app.digest}", b"{}")
    async with refused(small, RegistryRefused, says="other bytes than were asked for") as registry:
        await registry.digest("app", app.digest)


async def test_a_config_that_is_not_json_is_refused(small: SmallRegistry, app: Image) -> None:
    config = Blob(CONFIG, b"\x00")
    manifest = json.loads(app.manifest.data) | {"config": config.descriptor()}
    small.hold_image("app", replace(app, manifest=Blob(MANIFEST, json.dumps(manifest).encode()), config=config))
    async with refused(small, RegistryRefused, says="not an image") as registry:
        await registry.pull("app", "latest")


@pytest.mark.parametrize("location", [{}, {"location": "https://registry.test:port/"}], ids=["none", "no address"])
async def test_an_upload_without_a_place_is_refused(small: SmallRegistry, app: Image, location: dict[str, str]) -> None:
    small.script["POST /v2/app/blobs/uploads/"] = httpx.Response(202, headers=location)
    async with refused(small, RegistryRefused, says="where a blob goes") as registry:
        await registry.push("app", app, ("latest",))


@pytest.mark.req("B-11")
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(401), RegistryDenied),
        (httpx.Response(403, text="not authorized to perform: ecr:InitiateLayerUpload"), RegistryDenied),
        (httpx.Response(400, text="tag is immutable"), RegistryRefused),
        (httpx.Response(429), RegistryUnavailable),
        (httpx.Response(503, text="try later"), RegistryUnavailable),
        (httpx.ConnectError("refused"), RegistryUnavailable),
        (httpx.ReadTimeout(""), RegistryUnavailable),
        (
            httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
            RegistryUnavailable,
        ),
        (httpx.Response(302, headers={"location": "/v2/app/blobs/uploads/"}), RegistryUnavailable),
    ],
    ids=str,
)
async def test_each_failure_of_a_push_has_its_error(
    small: SmallRegistry, app: Image, answer: httpx.Response | Exception, kind: type[FerryError]
) -> None:
    small.script["POST /v2/app/blobs/uploads/"] = answer
    small.script["GET /v2/app/blobs/uploads/"] = answer
    async with refused(small, kind, says="registry") as registry:
        await registry.push("app", app, ("latest",))


async def test_the_state_of_an_upload_is_in_no_error(small: SmallRegistry, app: Image) -> None:
    small.script["POST /v2/app/blobs/uploads/"] = httpx.Response(202, headers={"location": "/up?state=planted"})
    small.script["PUT /up"] = httpx.ReadTimeout("")
    async with refused(small, RegistryUnavailable, says="cannot be reached") as registry:
        await registry.push("app", app, ("latest",))


async def test_nothing_is_tagged_before_every_blob_is_there(small: SmallRegistry, app: Image) -> None:
    small.script["PUT /upload/1"] = httpx.Response(500)
    async with refused(small, RegistryUnavailable, says="500") as registry:
        await registry.push("app", app, ("latest",))
    assert small.manifests == {}


def _headers(small: SmallRegistry, path: str) -> list[Any]:
    return [request.headers.get("authorization") for request in small.history if request.url.path == path]


async def test_the_login_goes_to_the_registry_and_to_no_other_host(small: SmallRegistry, app: Image) -> None:
    small.script["POST /v2/app/blobs/uploads/"] = httpx.Response(202, headers={"location": "https://other.test/up"})
    small.script["PUT /up"] = httpx.Response(201)
    async with small.client(Login("AWS", "planted")) as registry:
        await registry.push("app", app, ())
    assert _headers(small, "/v2/app/blobs/uploads/")[0].startswith("Basic ")
    assert set(_headers(small, "/up")) == {None}


async def test_a_redirect_takes_no_login_along(small: SmallRegistry, app: Image) -> None:
    small.hold_image("app", app)
    blob = app.layers[0]
    small.script[f"GET /v2/app/blobs/{blob.digest}"] = httpx.Response(
        307, headers={"location": "https://cdn.test/blob"}
    )
    small.script["GET /blob"] = httpx.Response(200, content=blob.data)
    async with small.client(Login("AWS", "planted")) as registry:
        assert await registry.pull("app", "latest") == app
    assert _headers(small, "/blob") == [None]


def test_a_login_is_not_printed() -> None:
    assert "planted" not in repr(Login("AWS", "planted"))
