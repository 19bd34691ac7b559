"""Settings come from environment variables, are read once, and are wrong loudly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sentiment.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEV = "dev"
"""The environment with nothing in AWS: a developer's machine, or an image that is tried out before it is published."""


class Reader:
    """Each function's `Settings` is a frozen dataclass that is filled from one of these."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def environment(self) -> str:
        return self.text("ENVIRONMENT", DEV)

    def text(self, name: str, default: str | None = None) -> str:
        value = self._environment.get(name, "").strip() or default
        if value is None:
            raise SettingsError(f"{name} is not set: the function needs it; see infrastructure/terraform")
        return value

    def words(self, name: str) -> tuple[str, ...]:
        """Separated by commas; each once."""
        words = tuple(dict.fromkeys(word.strip() for word in self.text(name).split(",") if word.strip()))
        if not words:
            raise SettingsError(f"{name} holds no word: list at least one, separated by commas")
        return words

    def number(self, name: str, default: float, *, least: float = 0, most: float) -> float:
        text = self.text(name, str(default))
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise SettingsError(f"{name} is {text!r}: it must be a number from {least:g} to {most:g}")
        return value

    def whole(self, name: str, default: int, *, least: int = 0, most: int) -> int:
        value = self.number(name, default, least=least, most=most)
        if not value.is_integer():
            raise SettingsError(f"{name} is {value:g}: it must be a whole number")
        return int(value)
