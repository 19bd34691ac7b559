"""Registries that ask for a bearer token."""

from __future__ import annotations

import base64

import anyio
import httpx
import pytest

from ferry.errors import CredentialsError, FerryError, RegistryDenied, RegistryUnavailable
from ferry.outside.registry import Login
from tests.outside.registry.small_registry import SmallRegistry, refusing

pytestmark = pytest.mark.anyio
ASKS = 'Bearer realm="https://auth.test/token?tenant=7",service="hub",scope="repository:app:pull",error="insufficient"'
TOKEN = "planted-token"


class Asking(SmallRegistry):
    """Answers nobody who does not show the token that its token server gives."""

    def __init__(self, grant: httpx.Response, challenge: str = ASKS) -> None:
        super().__init__()
        self.hold("app:latest", b"{}")
        self.script["HEAD /v2/app/manifests/latest"] = self.script["GET /v2/app/manifests/latest"] = self._guarded
        self.script["GET /token"] = grant
        self.challenge = challenge
        self.token = TOKEN

    def _guarded(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("authorization") == f"Bearer {self.token}":
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
    small = Asking(granting())
    async with small.client() as registry:
        assert await registry.digest("app", "latest")
        small.token = "the next"
        small.script["GET /token"] = httpx.Response(200, json={"token": "the next"})
        assert await registry.digest("app", "latest")
    assert small.asked.count("GET /token") == 2


async def test_a_token_that_is_not_good_either_is_a_refusal() -> None:
    small = Asking(httpx.Response(200, json={"token": "old"}))
    async with small.client() as registry:
        with pytest.raises(RegistryDenied):
            await registry.digest("app", "latest")


async def test_requests_side_by_side_fetch_one_token() -> None:
    small = Asking(granting())
    async with small.client() as registry, anyio.create_task_group() as several:
        for _ in range(4):
            several.start_soon(registry.digest, "app", "latest")
    assert small.asked.count("GET /token") == 1


async def test_a_token_server_that_stumbles_is_asked_again() -> None:
    small = Asking(granting())
    grants = iter([httpx.Response(503), httpx.Response(429, headers={"retry-after": "2"}), granting()])
    small.script["GET /token"] = lambda _: next(grants)
    async with small.client() as registry:
        assert await registry.digest("app", "latest")
    assert len(small.paused) == 2
    assert small.paused[1] == 2


async def test_the_login_does_not_go_to_a_token_server_in_the_clear() -> None:
    small = Asking(granting(), ASKS.replace("https://auth", "http://auth"))
    async with small.client(Login("me", "secret")) as registry:
        await registry.digest("app", "latest")
    assert "authorization" not in small.history[1].headers


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
    stolen = httpx.Response(302, headers={"location": "https://cdn.test/stolen"})
    for method in ("HEAD", "GET"):
        small.script[f"{method} /v2/app/manifests/latest"] = stolen
        small.script[f"{method} /stolen"] = httpx.Response(401, headers={"www-authenticate": ASKS})
    async with small.client(Login("me", "secret")) as registry:
        with pytest.raises(RegistryDenied):
            await registry.digest("app", "latest")
    assert not any(path == "GET /token" for path in small.asked)


# a login that somebody gives anew


class Giving:
    """Gives these passwords, one after the other; remembers how often it was asked."""

    def __init__(self, *passwords: str) -> None:
        self._passwords = list(passwords)
        self.asked = 0

    async def __call__(self) -> Login:
        self.asked += 1
        return Login("AWS", self._passwords.pop(0))


class Closing(SmallRegistry):
    """Answers nobody whose password is another; ECR words an expired one as a refusal."""

    def __init__(self, password: str, refusal: httpx.Response) -> None:
        super().__init__()
        self.hold("app:latest", b"{}")
        self.password, self._refusal = password, refusal

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("authorization") != Login("AWS", self.password).header:
            self.history.append(request)
            return self._refusal
        return super().__call__(request)


EXPIRED = refusing(403, "DENIED", "Your authorization token has expired. Reauthenticate and try again.")


async def test_a_login_is_asked_for_when_it_is_needed_and_once() -> None:
    small, giving = Closing("first", EXPIRED), Giving("first")
    async with small.client(giving) as registry:
        assert giving.asked == 0
        async with anyio.create_task_group() as several:
            for _ in range(4):
                several.start_soon(registry.digest, "app", "latest")
    assert giving.asked == 1


@pytest.mark.req("B-04")
@pytest.mark.parametrize("refusal", [httpx.Response(401), EXPIRED], ids=["401", "as ECR does"])
async def test_a_login_that_expires_is_asked_for_once_more(refusal: httpx.Response) -> None:
    small, giving = Closing("first", refusal), Giving("first", "second")
    async with small.client(giving) as registry:
        assert await registry.manifest("app", "latest")
        small.password = "second"
        async with anyio.create_task_group() as several:
            for _ in range(4):
                several.start_soon(registry.manifest, "app", "latest")
    assert giving.asked == 2


@pytest.mark.req("B-11")
async def test_a_login_that_stays_expired_has_its_own_error() -> None:
    giving = Giving("first", "second")
    async with Closing("third", EXPIRED).client(giving) as registry:
        with pytest.raises(RegistryDenied, match="has expired") as caught:
            await registry.manifest("app", "latest")
    assert giving.asked == 2
    assert "credentials" in caught.value.next


async def test_a_refusal_that_is_not_about_the_login_asks_for_none() -> None:
    giving = Giving("first")
    async with Closing("other", refusing(403, "DENIED", "not authorized")).client(giving) as registry:
        with pytest.raises(RegistryDenied, match="does not allow"):
            await registry.manifest("app", "latest")
    assert giving.asked == 1


async def test_a_login_that_cannot_be_had_is_told_as_it_is() -> None:
    async def none() -> Login:
        raise CredentialsError("AWS refused a call: ExpiredToken")

    async with SmallRegistry().client(none) as registry:
        with pytest.raises(CredentialsError):
            await registry.digest("app", "latest")
