"""Web identity: an issuer of signed tokens, as GitHub is one, and the check that STS makes of them.

One key stands for every issuer that the box plays. It is drawn when the first token is wanted, with nothing but the
standard library: cryptography is not among the box's dependencies. What reads the policies afterwards is the emulator.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from awsbox.authority import state

if TYPE_CHECKING:
    from collections.abc import Mapping

GITHUB = "https://token.actions.githubusercontent.com"
BITS = 2048
EXPONENT = 65537
LIFE_SECONDS = 300
SKEW_SECONDS = 60
INVALID = "InvalidIdentityToken"
MALFORMED = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
FORGED = "Couldn't verify the signature of the token with the keys of your identity provider"
STRANGER = "No OpenIDConnect provider found in your account for {}"
OUTLIVED = "Token expired: current date/time {} must be before the expiration date/time {}"
# RFC 8017, 9.2: what stands between the padding and a SHA-256.
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
SMALL = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]
ROUNDS = 8

type Refusal = tuple[str, str]
"""Code and message."""


@dataclass(frozen=True)
class Key:
    modulus: int
    private: int

    @staticmethod
    def drawn() -> Key:
        while True:
            one, two = _prime(BITS // 2), _prime(BITS // 2)
            order = (one - 1) * (two - 1)
            if one != two and order % EXPONENT:
                return Key(one * two, pow(EXPONENT, -1, order))

    def sign(self, said: bytes) -> bytes:
        return pow(_padded(said), self.private, self.modulus).to_bytes(BITS // 8)

    def signed(self, said: bytes, signature: bytes) -> bool:
        return len(signature) == BITS // 8 and pow(int.from_bytes(signature), EXPONENT, self.modulus) == _padded(said)


class Issuer:
    """Issues tokens as any issuer that its account trusts, and tells its own from others'."""

    @cached_property
    def key(self) -> Key:
        return Key.drawn()

    @property
    def jwks(self) -> dict[str, Any]:
        """What an issuer publishes at its `jwks_uri`."""
        modulus = _encoded(self.key.modulus.to_bytes(BITS // 8))
        return {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "box", "n": modulus, "e": "AQAB"}]}

    def token(
        self, *, sub: str, aud: str = "sts.amazonaws.com", iss: str = GITHUB, exp: float = 0, **claims: Any
    ) -> str:
        """`exp` is the time when it ends, in seconds since 1970; in five minutes unless said."""
        now = int(time.time())
        body = {
            "sub": sub,
            "aud": aud,
            "iss": iss,
            "iat": now,
            "nbf": now,
            "exp": int(exp or now + LIFE_SECONDS),
        } | claims
        said = f"{_json({'alg': 'RS256', 'typ': 'JWT', 'kid': 'box'})}.{_json(body)}"
        return f"{said}.{_encoded(self.key.sign(said.encode()))}"

    def refused(self, arguments: Mapping[str, Any], account: str) -> Refusal | None:
        """Why STS does not take the token; policies are not asked here."""
        parts = str(arguments.get("WebIdentityToken", "")).split(".")
        try:
            head, claims = _read(parts[0]), _read(parts[1])
            signature = _decoded(parts[2])
        except (ValueError, IndexError):
            return INVALID, MALFORMED
        provider = self._provider(str(claims.get("iss", "")), str(arguments.get("RoleArn", "")), account)
        if provider is None:
            return INVALID, STRANGER.format(claims.get("iss"))
        if head.get("alg") != "RS256" or not self.key.signed(".".join(parts[:2]).encode(), signature):
            return INVALID, FORGED
        return _outlived(claims) or _meant_for_others(claims, provider)

    @staticmethod
    def _provider(issuer: str, role: str, account: str) -> Mapping[str, Any] | None:
        owner = role.split(":")[4] if role.count(":") > 4 else account
        arn = f"arn:aws:iam::{owner}:oidc-provider/{issuer.partition('://')[2].rstrip('/')}"
        found: Mapping[str, Any] | None = state.service("iam")._oidc_providers.get_scoped(owner, None, arn)  # noqa: SLF001
        return found


def _outlived(claims: Mapping[str, Any]) -> Refusal | None:
    now, end, start = time.time(), claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(end, (int, float)):
        return INVALID, "Missing a required claim: exp"
    if now >= end:
        return "ExpiredTokenException", OUTLIVED.format(int(now), int(end))
    if isinstance(start, (int, float)) and now < start - SKEW_SECONDS:
        return INVALID, "Token is not yet valid"
    return None


def _meant_for_others(claims: Mapping[str, Any], provider: Mapping[str, Any]) -> Refusal | None:
    said = claims.get("aud")
    audience = said if isinstance(said, list) else [said]
    return None if set(audience) & set(provider.get("ClientIDList") or ()) else (INVALID, "Incorrect token audience")


def _padded(said: bytes) -> int:
    info = DIGEST_INFO + hashlib.sha256(said).digest()
    return int.from_bytes(b"\x00\x01" + b"\xff" * (BITS // 8 - len(info) - 3) + b"\x00" + info)


def _prime(bits: int) -> int:
    while True:
        # The two highest bits set: the product of two such has its full length.
        number = secrets.randbits(bits) | 3 << bits - 2 | 1
        if all(number % small for small in SMALL) and all(_witness(number) for _ in range(ROUNDS)):
            return number


def _witness(number: int) -> bool:
    """One round of Miller and Rabin."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    power = pow(secrets.randbelow(number - 3) + 2, odd, number)
    if power in (1, number - 1):
        return True
    return any((power := pow(power, 2, number)) == number - 1 for _ in range(twos - 1))


def _json(said: Mapping[str, Any]) -> str:
    return _encoded(json.dumps(said).encode())


def _read(part: str) -> dict[str, Any]:
    said = json.loads(_decoded(part))
    if not isinstance(said, dict):
        raise ValueError("no claims")  # noqa: TRY004 - one kind of bad token is as bad as another
    return said


def _encoded(said: bytes) -> str:
    return base64.urlsafe_b64encode(said).rstrip(b"=").decode()


def _decoded(said: str) -> bytes:
    return base64.urlsafe_b64decode(said + "=" * (-len(said) % 4))
