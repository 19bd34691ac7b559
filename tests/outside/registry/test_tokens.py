"""Registries that ask for a bearer token."""

from __future__ import annotations

import base64

import httpx
import pytest

from ferry.errors import FerryError, RegistryDenied, RegistryUnavailable
from ferry.outside.registry import Login
from tests.outside.registry.small_registry import SmallRegistry

pytestmark = pytest.mark.anyio
ASKS = 'Bearer realm="https://auth.test/token?tenant=7",service="hub",scope="repository:app:pull",error="insufficient"'
TOKEN = "planted-token"


class Asking(SmallRegistry):
    """Answers nobody who does not show the token that its token server gives."""

    def __init__(self, grant: httpx.Response, challenge: str = ASKS) -> None:
        super().__init__()
        self.hold("app:latest", b"{}")
        self.script["GET /v2/app/manifests/latest"] = self._guarded
        self.script["GET /token"] = grant
        self.challenge = challenge

    def _guarded(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("authorization") == f"Bearer {TOKEN}":
            return self._answer(request, "app", "manifests", "latest")
        return httpx.Response(401, headers={"www-authenticate": self.challenge}, text="who are you")


def granting(field: str = "token") -> httpx.Response:
    return httpx.Response(200, json={field: TOKEN, "expires_in": 300})


@pytest.mark.parametrize("field", ["token", "access_token"])
async def test_a_token_is_fetched_once_and_shown_from_then_on(field: str) -> None:
    small = Asking(granting(field))
    async with small.client() as registry:
        assert await registry.digest("app", "latest")
        assert await registry.digest("app", "latest")
    assert [path.rpartition("/")[2] for path in small.asked] == ["latest", "token", "latest", "latest"]


async def test_the_token_server_hears_what_the_registry_says_and_who_asks() -> None:
    small = Asking(granting())
    async with small.client(Login("me", "secret")) as registry:
        await registry.digest("app", "latest")
    asked = small.history[1]
    assert dict(asked.url.params) == {"tenant": "7", "service": "hub", "scope": "repository:app:pull"}
    assert asked.headers["authorization"] == f"Basic {base64.b64encode(b'me:secret').decode()}"


async def test_a_token_that_is_no_longer_good_is_fetched_anew() -> None:
    small = Asking(httpx.Response(200, json={"token": "old"}))
    async with small.client() as registry:
        with pytest.raises(RegistryDenied):
            await registry.digest("app", "latest")
        small.script["GET /token"] = granting()
        assert await registry.digest("app", "latest")


@pytest.mark.parametrize(
    ("grant", "kind"),
    [
        pytest.param(httpx.Response(401, text="wrong password"), RegistryDenied, id="wrong login"),
        pytest.param(httpx.Response(404), RegistryUnavailable, id="no such page"),
        pytest.param(httpx.Response(500), RegistryUnavailable, id="broken"),
        pytest.param(httpx.Response(200, text="<html>"), RegistryUnavailable, id="a page"),
        pytest.param(httpx.Response(200, json={}), RegistryUnavailable, id="no token"),
        pytest.param(httpx.Response(200, json=["t"]), RegistryUnavailable, id="a list"),
    ],
)
async def test_a_token_server_that_fails_is_not_an_image_that_is_missing(
    grant: httpx.Response, kind: type[FerryError]
) -> None:
    async with Asking(grant).client() as registry:
        with pytest.raises(kind, match="token server") as caught:
            await registry.digest("app", "latest")
    assert caught.value.where == "auth.test"


@pytest.mark.parametrize(
    "challenge", ["Bearer", 'Bearer service="hub"', 'Basic realm="x"', "", 'Bearer realm="no-address"']
)
async def test_a_challenge_that_leads_nowhere_is_an_error_of_ours(challenge: str) -> None:
    async with Asking(granting(), challenge).client() as registry:
        with pytest.raises((RegistryDenied, RegistryUnavailable)):
            await registry.digest("app", "latest")


async def test_another_host_is_told_nothing() -> None:
    small = Asking(granting())
    small.script["GET /v2/app/manifests/latest"] = httpx.Response(302, headers={"location": "https://cdn.test/stolen"})
    small.script["GET /stolen"] = httpx.Response(401, headers={"www-authenticate": ASKS})
    async with small.client(Login("me", "secret")) as registry:
        with pytest.raises(RegistryDenied):
            await registry.digest("app", "latest")
    assert not any(path == "GET /token" for path in small.asked)
