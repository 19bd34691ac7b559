"""What the function is told by its environment."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from sentiment.errors import SettingsError

if TYPE_CHECKING:
    from sentiment.settings import Reader

MODEL_FILES = ("model.onnx", "tokenizer.json")


class Kind(StrEnum):
    MOCK = "mock"
    TRANSFORMER = "transformer"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """Where the transformer's files are, and what they are: by hash, so that no other file is ever used."""

    bucket: str
    prefix: str
    """Empty, or with a slash at its end."""
    sha256s: dict[str, str]

    @classmethod
    def read(cls, reader: Reader) -> Self:
        uri = reader.text("MODEL_URI")
        found = re.fullmatch(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]+)(?:/(?P<prefix>.*))?", uri)
        if not found:
            raise SettingsError(f"MODEL_URI is {uri!r}: it must be like s3://bucket/prefix/")
        prefix = (found["prefix"] or "").strip("/")
        return cls(bucket=found["bucket"], prefix=f"{prefix}/" if prefix else "", sha256s=_sha256s(reader))

    def key(self, name: str) -> str:
        return self.prefix + name

    def uri(self, name: str) -> str:
        return f"s3://{self.bucket}/{self.key(name)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    environment: str
    table: str
    keep: timedelta
    dlq_url: str
    model: Kind
    files: ModelFiles | None
    """The transformer's; none for the mock."""

    @classmethod
    def read(cls, reader: Reader) -> Self:
        kind = _kind(reader.text("MODEL", Kind.MOCK))
        return cls(
            environment=reader.environment(),
            table=reader.text("TABLE"),
            keep=timedelta(days=reader.whole("RETENTION_DAYS", 30, least=1, most=3650)),
            dlq_url=reader.text("DLQ_URL"),
            model=kind,
            files=ModelFiles.read(reader) if kind is Kind.TRANSFORMER else None,
        )


def _kind(text: str) -> Kind:
    try:
        return Kind(text)
    except ValueError:
        raise SettingsError(f"MODEL is {text!r}: it must be one of {', '.join(Kind)}") from None


def _sha256s(reader: Reader) -> dict[str, str]:
    text = reader.text("MODEL_SHA256S")
    wanted = f'MODEL_SHA256S is {text!r}: it must be a JSON object {{"model.onnx": sha256, "tokenizer.json": sha256}}'
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise SettingsError(wanted) from None
    if not isinstance(said, dict) or set(said) != set(MODEL_FILES):
        raise SettingsError(wanted)
    if not all(isinstance(sha, str) and re.fullmatch(r"[0-9a-fA-F]{64}", sha) for sha in said.values()):
        raise SettingsError(f"{wanted}, each of 64 hexadecimal digits")
    return {name: sha.lower() for name, sha in said.items()}
