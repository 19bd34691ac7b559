"""A secret, read once and kept for a while; read again at once when somebody finds that it no longer works."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sentiment.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from types_boto3_secretsmanager import SecretsManagerClient

KEPT = 300.0
"""Seconds: a rotated secret is in use after this long at the latest."""


class Secret:
    def __init__(
        self,
        client: SecretsManagerClient,
        name: str,
        *,
        kept: float = KEPT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._name = name
        self._kept = kept
        self._clock = clock
        self._value = ""
        self._read_at = 0.0

    def value(self, *, fresh: bool = False) -> str:
        """`fresh`: what was kept did not work, so ask again."""
        if fresh or not self._value or self._clock() - self._read_at > self._kept:
            self._value, self._read_at = self._read(), self._clock()
        return self._value

    @property
    def age(self) -> float:
        """Seconds since it was read."""
        return self._clock() - self._read_at

    def _read(self) -> str:
        try:
            text = self._client.get_secret_value(SecretId=self._name).get("SecretString", "").strip()
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"the secret {self._name} cannot be read: {error}") from error
        if not text:
            raise Unavailable(f"the secret {self._name} has no text: put the key in with put-secret-value")
        return text
