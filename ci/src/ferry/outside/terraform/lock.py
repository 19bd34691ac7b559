"""Who holds the state's lock. It is an object beside the state; what is in it, terraform also prints when it waits."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ferry.errors import RecordError
from ferry.report import words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ferry.outside.aws import Access

SUFFIX = ".tflock"
PRINTED = re.compile(r"^\s*(ID|Operation|Who|Version|Created):[ \t]*(.*?)\s*$", re.MULTILINE)
CREATED = re.compile(r"(?P<day>\d{4}-\d\d-\d\d)[T ](?P<time>\d\d:\d\d:\d\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """`who` is user@machine as terraform saw it; `operation` is plan, apply …; `created` is in UTC, if it is known."""

    id: str
    who: str
    operation: str
    version: str
    created: datetime | None

    def __str__(self) -> str:
        return self.told("")

    def told(self, at: str) -> str:
        """With how long they have it, for whoever says when that is asked."""
        since, now = f" since {self.created:%Y-%m-%d %H:%M:%S} UTC" if self.created else "", _created(at)
        age = f" ({words.duration((now - self.created).total_seconds())})" if now and self.created else ""
        return f"{self.who} holds it{since}{age}, for terraform {self.operation} (lock {self.id})"


def read(text: str) -> Holder:
    """Of the lock object's JSON."""
    try:
        said = json.loads(text)
        return _holder({name: str(said.get(name, "")) for name in ("ID", "Operation", "Who", "Version", "Created")})
    except (ValueError, AttributeError, KeyError) as error:
        raise RecordError(
            "the state's lock does not say who holds it",
            where="the object beside the state that ends in .tflock",
            why=f"{type(error).__name__}: {error}",
            next="see that nobody applies, then delete that object",
        ) from error


def printed(text: str) -> Holder | None:
    """Of the words with which terraform says that it could not get the lock."""
    try:
        return _holder(dict(PRINTED.findall(text.partition("Lock Info:")[2])))
    except KeyError:
        return None


def _holder(said: Mapping[str, str]) -> Holder:
    if not said["ID"]:
        raise KeyError("ID")
    operation = said.get("Operation", "").removeprefix("OperationType").lower()
    return Holder(
        id=said["ID"],
        who=said.get("Who") or "nobody knows who",
        operation=operation or "something",
        version=said.get("Version", ""),
        created=_created(said.get("Created", "")),
    )


def _created(text: str) -> datetime | None:
    # RFC 3339 in the object, Go's own form in print, both in UTC and both finer than Python reads.
    found = CREATED.match(text)
    return datetime.fromisoformat(f"{found['day']}T{found['time']}").replace(tzinfo=UTC) if found else None


def holder(access: Access, backend: Mapping[str, str]) -> Holder | None:
    """Who holds the lock of this state now, as the state's bucket says; None when nobody does."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - slow, and most calls need none

    from ferry.outside.aws import failures  # noqa: PLC0415

    bucket, key = backend["bucket"], backend["key"] + SUFFIX
    client = access.client("s3")
    with failures.translated(f"s3:GetObject {bucket}/{key}"):
        try:
            return read(client.get_object(Bucket=bucket, Key=key)["Body"].read().decode())
        except ClientError as error:
            if failures.is_absent(error):
                return None
            raise
