from __future__ import annotations

import json
import socket
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from ferry.errors import FerryError, RegistryDenied, RegistryRefused, RegistryUnavailable
from ferry.outside.blobs import Blob, digest_of
from ferry.outside.builder.assemble import DOCKER_LAYER, MANIFEST, Base, Image
from ferry.outside.registry import Login, Manifest, Registry, Sent, client
from ferry.outside.registry.client import DOCKER, INDEXES
from tests.outside.registry.small_registry import SmallRegistry, image_of, refusing, variant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio
OPEN = "POST /v2/app/blobs/uploads/"


@pytest.fixture
def small() -> SmallRegistry:
    return SmallRegistry()


@pytest.fixture
def app(tmp_path: Path) -> Image:
    return image_of(tmp_path / "app", b"dependencies", b"application")


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


# to look


async def test_what_is_pushed_is_there_bit_for_bit(small: SmallRegistry, app: Image) -> None:
    async with small.client() as registry:
        sent = await registry.push("app", app, ("latest", "one"))
        assert sent == Sent(3, len(b"dependencies" + b"application") + len(app.config))
        assert await registry.manifest("app", "one") == Manifest(app.manifest, MANIFEST, app.digest)
        assert await registry.document("app", digest_of(app.config)) == app.config
        assert await registry.digest("app", "latest") == app.digest
        assert [await registry.has("app", blob.digest) for blob in app.layers] == [True, True]


async def test_a_digest_takes_one_request_without_a_body(small: SmallRegistry, app: Image) -> None:
    small.hold_image("app", app)
    async with small.client() as registry:
        await registry.digest("app", "latest")
    assert small.asked == ["HEAD /v2/app/manifests/latest"]


@pytest.mark.parametrize("said", [{}, {"docker-content-digest": "md5:1"}], ids=["nothing", "another kind"])
async def test_a_registry_that_does_not_tell_the_digest_is_asked_for_the_manifest(
    small: SmallRegistry, app: Image, said: dict[str, str]
) -> None:
    small.hold_image("app", app)
    small.script["HEAD /v2/app/manifests/latest"] = httpx.Response(200, headers=said)
    async with small.client() as registry:
        assert await registry.digest("app", "latest") == app.digest


async def test_a_tag_that_names_nothing_has_no_digest(small: SmallRegistry) -> None:
    async with small.client() as registry:
        assert await registry.digest("app", "latest") is None
        assert await registry.manifest("app", "latest") is None


async def test_a_refusal_to_look_says_why(small: SmallRegistry) -> None:
    small.script["HEAD /v2/app/manifests/latest"] = httpx.Response(403)
    small.script["GET /v2/app/manifests/latest"] = refusing(403, "DENIED", "not authorized: ecr:BatchGetImage")
    async with refused(small, RegistryDenied, says="does not allow") as registry:
        await registry.digest("app", "latest")


@pytest.mark.parametrize("ask", ["digest", "manifest"])
async def test_other_bytes_than_the_digest_names_are_refused(small: SmallRegistry, app: Image, ask: str) -> None:
    small.hold(f"app:{app.digest}", b"{}")
    async with refused(small, RegistryRefused, says="other bytes than were asked for") as registry:
        await getattr(registry, ask)("app", app.digest)


async def test_blobs_are_asked_for_as_they_are_stored(small: SmallRegistry, app: Image) -> None:
    small.hold_image("app", app)
    async with small.client() as registry:
        await registry.base("app", "latest")
    assert {request.headers["accept-encoding"] for request in small.history} == {"identity"}


async def test_whether_a_blob_is_there_is_never_guessed(small: SmallRegistry, app: Image) -> None:
    small.script[f"HEAD /v2/app/blobs/{app.layers[0].digest}"] = httpx.Response(403)
    async with refused(small, RegistryDenied, says="does not allow") as registry:
        await registry.has("app", app.layers[0].digest)


# images to build on


async def test_a_base_is_known_without_its_layers_travelling(small: SmallRegistry, app: Image) -> None:
    small.hold_image("app", app)
    async with small.client() as registry:
        base = await registry.base("app", "latest")
    layers = tuple(Blob(blob.digest, blob.size) for blob in app.layers)
    assert base == Base(app.digest, app.config, layers, "registry.test", "app")
    assert len(small.asked) == 2


async def test_of_an_index_our_platform_is_taken(small: SmallRegistry, app: Image) -> None:
    small.hold_image("app", app)
    attestation = {"digest": f"sha256:{'1' * 64}", "platform": {"os": "unknown", "architecture": "unknown"}}
    arm = {"digest": f"sha256:{'2' * 64}", "platform": {"os": "linux", "architecture": "arm64"}}
    ours = {"digest": app.digest, "platform": {"os": "linux", "architecture": "amd64"}}
    variants = [{"digest": f"sha256:{'3' * 64}", "platform": None}, attestation, arm, ours]
    small.hold("app:latest", json.dumps({"manifests": variants}).encode(), INDEXES[0])
    async with small.client() as registry:
        assert (await registry.base("app", "latest")).digest == app.digest


async def test_an_index_without_our_platform_is_refused(small: SmallRegistry) -> None:
    small.hold("app:latest", b'{"manifests": []}', INDEXES[1])
    async with refused(small, RegistryRefused, says="no linux/amd64 variant") as registry:
        await registry.base("app", "latest")


async def test_a_single_image_of_another_platform_is_refused(small: SmallRegistry, app: Image) -> None:
    small.hold_image("app", variant(app, app.config.replace(b'"amd64"', b'"arm64"')))
    async with refused(small, RegistryRefused, says="no linux/amd64 variant") as registry:
        await registry.base("app", "latest")


async def test_dockers_name_for_a_gzip_layer_is_taken(small: SmallRegistry, app: Image) -> None:
    small.hold_image("app", app)
    said = json.loads(app.manifest)
    said["layers"][0]["mediaType"] = DOCKER_LAYER
    small.hold("app:latest", json.dumps(said).encode(), DOCKER)
    async with small.client() as registry:
        assert len((await registry.base("app", "latest")).layers) == 2


async def test_a_layer_that_lambda_does_not_take_is_refused(small: SmallRegistry, app: Image) -> None:
    small.hold_image("app", app)
    small.hold("app:latest", app.manifest.replace(b"tar+gzip", b"tar+zstd"))
    async with refused(small, RegistryRefused, says="Lambda does not take") as registry:
        await registry.base("app", "latest")


async def test_a_tag_that_names_no_image_is_no_base(small: SmallRegistry) -> None:
    async with refused(small, RegistryRefused, says="the image does not exist") as registry:
        await registry.base("app", "latest")


@pytest.mark.req("B-11")
async def test_a_locked_digest_that_is_gone_says_how_to_lock_another(small: SmallRegistry) -> None:
    async with small.client() as registry:
        with pytest.raises(RegistryRefused, match="locked is gone") as caught:
            await registry.base("app", f"sha256:{'0' * 64}")
    assert caught.value.where == f"registry.test/app@sha256:{'0' * 64}"
    assert "ferry lock" in caught.value.next


OURS = {"os": "linux", "architecture": "amd64"}
PATH = "sha256:../../../../etc/passwd"


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
        pytest.param(json.dumps({"manifests": [{"platform": OURS}]}).encode(), INDEXES[0], id="no digest"),
        pytest.param(
            json.dumps({"manifests": [{"platform": OURS, "digest": PATH}]}).encode(), INDEXES[0], id="a path in it"
        ),
        pytest.param(json.dumps({"config": {"digest": PATH}}).encode(), MANIFEST, id="a path as config"),
    ],
)
async def test_what_is_not_a_manifest_is_refused(small: SmallRegistry, body: bytes, media_type: str) -> None:
    small.hold("app:latest", body, media_type)
    async with refused(small, RegistryRefused, says="not an image") as registry:
        await registry.base("app", "latest")
    assert len(small.asked) == 1


async def test_a_layer_named_by_a_path_is_refused(small: SmallRegistry, app: Image) -> None:
    small.hold_image("app", app)
    small.hold("app:latest", app.manifest.replace(app.layers[0].digest.encode(), PATH.encode()))
    async with refused(small, RegistryRefused, says="not an image") as registry:
        await registry.base("app", "latest")


async def test_a_damaged_config_is_refused(small: SmallRegistry, app: Image) -> None:
    small.hold_image("app", app)
    small.blobs[digest_of(app.config)] = app.config[:-1]
    async with refused(small, RegistryRefused, says="arrived damaged") as registry:
        await registry.base("app", "latest")


async def test_a_config_that_is_not_json_is_refused(small: SmallRegistry, app: Image) -> None:
    small.hold_image("app", variant(app, b"\x00"))
    async with refused(small, RegistryRefused, says="not an image") as registry:
        await registry.base("app", "latest")


# to push


async def test_what_is_there_is_not_pushed_again(small: SmallRegistry, app: Image) -> None:
    small.hold_image("app", app)
    async with small.client() as registry:
        assert await registry.push("app", app, ("latest",)) == Sent(0, 0)
    assert [asked for asked in small.asked if asked.startswith(("POST", "PUT"))] == ["PUT /v2/app/manifests/latest"]


async def test_a_layer_that_is_in_an_image_twice_travels_once(small: SmallRegistry, tmp_path: Path) -> None:
    twice = image_of(tmp_path, b"same", b"same")
    async with small.client() as registry:
        assert (await registry.push("app", twice, ("latest",))).blobs == 2
    assert small.asked.count(OPEN) == 2


async def test_an_upload_goes_where_the_registry_says_with_its_query(small: SmallRegistry, app: Image) -> None:
    async with small.client() as registry:
        await registry.upload("app", app.layers[0])
    put = next(request for request in small.history if request.method == "PUT")
    assert put.url.path == "/upload/1"
    assert dict(put.url.params) == {"state": "a+b", "digest": app.layers[0].digest}


async def test_a_layer_is_taken_over_from_another_repository(small: SmallRegistry, app: Image) -> None:
    first = app.layers[0].digest
    small.mountable = {("cache", first)}
    async with small.client() as registry:
        assert await registry.mount("app", first, "cache")
        small.blobs.clear()
        sent = await registry.push("app", app, ("latest",), mounts=("elsewhere", "cache"))
    assert sent == Sent(2, app.layers[1].size + len(app.config))
    assert first in small.blobs


async def test_a_registry_that_does_not_take_over_has_opened_an_upload(small: SmallRegistry, app: Image) -> None:
    async with small.client() as registry:
        assert not await registry.mount("app", app.layers[0].digest, "cache")
        small.history.clear()
        await registry.push("app", app, (), mounts=("cache",))
    assert small.asked.count(OPEN) == 3, "one for each blob, and none beside it"
    assert set(small.blobs) == {digest_of(app.config), *(blob.digest for blob in app.layers)}


async def test_a_layer_that_is_not_here_comes_from_where_it_is(small: SmallRegistry, app: Image) -> None:
    hub, data = SmallRegistry(), b"of the base"
    hub.blobs[digest_of(data)] = data
    based = Image(app.manifest, app.config, (Blob(digest_of(data), len(data)), *app.layers))
    async with small.client() as registry, hub.client() as other:
        sent = await registry.push("app", based, (), others={digest_of(data): (other, "library/python")})
        again = await registry.push("app", based, (), others={digest_of(data): (other, "library/python")})
    assert small.blobs[digest_of(data)] == data
    assert hub.asked == [f"GET /v2/library/python/blobs/{digest_of(data)}"]
    assert (sent.blobs, again.blobs) == (4, 0)


async def test_only_so_many_blobs_travel_side_by_side(tmp_path: Path) -> None:
    many = image_of(tmp_path, *(bytes([number]) for number in range(20)))
    under_way, most, small = 0, 0, SmallRegistry()

    async def slowly(request: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        await request.aread()
        under_way += 1
        most = max(most, under_way)
        await anyio.lowlevel.checkpoint()
        under_way -= 1
        return small(request)

    async with Registry("registry.test", transport=httpx.MockTransport(slowly)) as registry:
        await registry.push("app", many, ("latest",))
    assert most == client.AT_ONCE
    assert len(small.blobs) == 21


async def test_two_pushes_of_one_image_at_once_both_succeed(small: SmallRegistry, app: Image) -> None:
    async with small.client() as one, small.client() as two, anyio.create_task_group() as both:
        for registry in (one, two):
            both.start_soon(registry.push, "app", app, ("latest", "one"))
    assert small.manifests["app:latest"] == (MANIFEST, app.manifest)
    assert small.sessions == {}


async def test_nothing_is_tagged_before_every_blob_is_there(small: SmallRegistry, app: Image) -> None:
    small.script["PUT /upload/1"] = httpx.Response(500)
    async with refused(small, RegistryUnavailable, says="500") as registry:
        await registry.push("app", app, ("latest",))
    assert small.manifests == {}


async def test_a_tag_that_cannot_be_moved_and_names_the_image_is_a_success(small: SmallRegistry, app: Image) -> None:
    small.hold_image("app", app, tag="one")
    small.script["PUT /v2/app/manifests/one"] = refusing(400, "TAG_INVALID", "the repository is immutable")
    async with small.client() as registry:
        await registry.push("app", app, ("one",))


async def test_a_tag_that_cannot_be_moved_and_names_another_image_is_refused(small: SmallRegistry, app: Image) -> None:
    small.hold("app:one", b"{}")
    small.script["PUT /v2/app/manifests/one"] = refusing(400, "TAG_INVALID", "the repository is immutable")
    async with refused(small, RegistryRefused, says="answered 400") as registry:
        await registry.push("app", app, ("one",))


@pytest.mark.parametrize("location", [{}, {"location": "https://registry.test:port/"}], ids=["none", "no address"])
async def test_an_upload_without_a_place_is_refused(small: SmallRegistry, app: Image, location: dict[str, str]) -> None:
    small.script[OPEN] = httpx.Response(202, headers=location)
    async with refused(small, RegistryRefused, says="where a blob goes") as registry:
        await registry.push("app", app, ("latest",))


async def test_the_state_of_an_upload_is_in_no_error(small: SmallRegistry, app: Image) -> None:
    small.script[OPEN] = httpx.Response(202, headers={"location": "/up?state=planted"})
    small.script["PUT /up"] = small.script["GET /up"] = httpx.ReadTimeout("")
    async with refused(small, RegistryUnavailable, says="does not answer") as registry:
        await registry.push("app", app, ("latest",))


# what goes wrong


def _unknown_host() -> httpx.ConnectError:
    error = httpx.ConnectError("[Errno -2] Name or service not known")
    error.__context__ = socket.gaierror(-2, "Name or service not known")
    return error


FULL = "The repository with name 'app' already has the maximum allowed number of images which is '10000'"


@pytest.mark.req("B-11")
@pytest.mark.parametrize(
    ("answer", "kind", "says", "then"),
    [
        (httpx.Response(401), RegistryDenied, "does not accept our login", "get-caller-identity"),
        (refusing(403, "DENIED", "not authorized: ecr:PutImage"), RegistryDenied, "does not allow us", "policy"),
        (
            refusing(403, "DENIED", "Your authorization token has expired. Reauthenticate and try again."),
            RegistryDenied,
            "login to the image registry has expired",
            "get new AWS credentials",
        ),
        (httpx.Response(400, text="tag is immutable"), RegistryRefused, "answered 400", "check"),
        (refusing(404, "NAME_UNKNOWN", "no repository"), RegistryRefused, "no such repository", "region"),
        (refusing(403, "LIMIT_EXCEEDED", "LimitExceededException"), RegistryRefused, "quota", "Service Quotas"),
        (refusing(400, "DENIED", FULL), RegistryRefused, "quota", "Service Quotas"),
        (refusing(400, "TOOMANYREQUESTS", "Rate exceeded"), RegistryUnavailable, "asked too often", "in a while"),
        (refusing(429, "toomanyrequests", "pull rate limit"), RegistryUnavailable, "asked too often", "log in"),
        (httpx.Response(503, text="quota exceeded"), RegistryUnavailable, "answered 503", "in a while"),
        (httpx.ConnectError("refused"), RegistryUnavailable, "cannot be reached", "network"),
        (_unknown_host(), RegistryUnavailable, "name is not known", "DNS"),
        (httpx.ReadTimeout(""), RegistryUnavailable, "does not answer", "firewall"),
        (httpx.RemoteProtocolError("peer closed"), RegistryUnavailable, "cannot be reached", "network"),
        (
            httpx.Response(302, headers={"location": "/v2/app/blobs/uploads/"}),
            RegistryUnavailable,
            "cannot be reached",
            "name",
        ),
    ],
    ids=str,
)
async def test_each_failure_has_its_error(
    app: Image, answer: httpx.Response | Exception, kind: type[FerryError], says: str, then: str
) -> None:
    small = SmallRegistry()
    small.script[OPEN] = answer
    small.script["GET /v2/app/blobs/uploads/"] = answer
    async with small.client(Login("AWS", "planted-password")) as registry:
        with pytest.raises(kind, match=says) as caught:
            await registry.push("app", app, ("latest",))
    assert then in caught.value.next
    assert small.manifests == {}


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.ReadTimeout(""),
        httpx.Response(429),
        httpx.Response(500),
        httpx.Response(503),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT"])
async def test_what_passes_is_not_told(
    small: SmallRegistry, app: Image, method: str, fault: httpx.Response | Exception
) -> None:
    small.faults[method] = [fault, fault]
    async with small.client() as registry:
        await registry.push("app", app, ("latest",))
    assert small.manifests["app:latest"] == (MANIFEST, app.manifest)
    assert len(small.paused) == 2


@pytest.mark.req("B-11")
async def test_an_outage_is_told_in_time_however_often_it_is_asked(small: SmallRegistry) -> None:
    small.script["HEAD /v2/app/manifests/latest"] = httpx.Response(503)
    async with refused(small, RegistryUnavailable, says="503") as registry:
        await registry.digest("app", "latest")
    assert 4 <= len(small.paused) <= 20
    assert sum(small.paused) <= 20
    assert small.paused[0] < 1, "the first try follows at once: most failures pass"
    assert len(set(small.paused)) == len(small.paused), "runs that fail together do not come back together"


@pytest.mark.parametrize("as_a_date", [False, True], ids=["in seconds", "as a date"])
async def test_a_registry_that_asks_for_time_gets_it(small: SmallRegistry, *, as_a_date: bool) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=10), usegmt=True)
    small.faults["HEAD"] = [httpx.Response(429, headers={"retry-after": until if as_a_date else "10"})]
    async with small.client() as registry:
        await registry.digest("app", "latest")
    assert len(small.paused) == 1
    assert 1 < small.paused[0] <= 10


async def test_a_registry_that_asks_for_more_time_than_there_is_ends_the_run_at_once(small: SmallRegistry) -> None:
    small.script["HEAD /v2/app/manifests/latest"] = httpx.Response(429, headers={"retry-after": "3600"})
    async with small.client() as registry:
        with pytest.raises(RegistryUnavailable, match="asked too often") as caught:
            await registry.digest("app", "latest")
    assert small.paused == []
    assert "wait for 3600 s" in caught.value.why


# the login


def _logins(small: SmallRegistry, path: str) -> list[str | None]:
    return [request.headers.get("authorization") for request in small.history if request.url.path == path]


async def test_the_login_goes_to_the_registry_and_to_no_other_host(small: SmallRegistry, app: Image) -> None:
    small.script[OPEN] = httpx.Response(202, headers={"location": "https://other.test/up"})
    small.script["PUT /up"] = httpx.Response(201)
    async with small.client(Login("AWS", "planted")) as registry:
        await registry.upload("app", app.layers[0])
    assert str(_logins(small, "/v2/app/blobs/uploads/")[0]).startswith("Basic ")
    assert _logins(small, "/up") == [None]


async def test_the_login_does_not_go_over_a_line_that_is_in_the_clear(small: SmallRegistry, app: Image) -> None:
    small.script[OPEN] = httpx.Response(202, headers={"location": "http://registry.test/up"})
    small.script["PUT /up"] = httpx.Response(201)
    async with small.client(Login("AWS", "planted")) as registry:
        await registry.upload("app", app.layers[0])
    assert _logins(small, "/up") == [None]


async def test_a_redirect_takes_no_login_along(small: SmallRegistry, app: Image) -> None:
    config = digest_of(app.config)
    small.script[f"GET /v2/app/blobs/{config}"] = httpx.Response(307, headers={"location": "https://cdn.test/blob"})
    small.script["GET /blob"] = httpx.Response(200, content=app.config)
    async with small.client(Login("AWS", "planted")) as registry:
        assert await registry.document("app", config) == app.config
    assert _logins(small, "/blob") == [None]


def test_a_login_is_not_printed() -> None:
    assert "planted" not in repr(Login("AWS", "planted"))
