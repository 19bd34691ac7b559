"""Who asks for data names the environment's API key in a header."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentiment.secrets import Secret

HEADER = "x-api-key"
REREAD = 30.0
"""Seconds: a key that does not fit may be a new one, but guessing does not make us ask for the secret all the time."""


def open_secret(name: str) -> Secret | None:
    """None: the setting is empty, which it may be in dev alone."""
    if not name:
        return None
    # The SDK is slow to import: only who has a secret pays for it.
    from sentiment.aws import client  # noqa: PLC0415
    from sentiment.secrets import Secret  # noqa: PLC0415

    return Secret(client("secretsmanager"), name)


class Keys:
    """No secret: the dev environment, in which everybody may ask."""

    def __init__(self, secret: Secret | None) -> None:
        self._secret = secret

    def fits(self, given: str | None) -> bool:
        if self._secret is None:
            return True
        if not given:
            return False
        if _same(given, self._secret.value()):
            return True
        return self._secret.age > REREAD and _same(given, self._secret.value(fresh=True))


def _same(given: str, key: str) -> bool:
    """In the same time, wherever they differ."""
    return hmac.compare_digest(given.encode(), key.encode())
