"""How AWS is asked: one client a service, shared by threads. An absence is what AWS calls one, and no refusal is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property, lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from ferry.outside.aws import failures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ferry.errors import AwsError
    from ferry.outside.aws import Access
    from ferry.tfplan import Plan

MAKING = Lock()
THROTTLES = {
    "LimitExceededException",
    "RequestLimitExceeded",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}


class State(Enum):
    """READY can be imported. BUSY will be, by itself. LEAVING has to be restored first. STUCK needs a person."""

    READY = "ready"
    BUSY = "busy"
    LEAVING = "leaving"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`id` is what Terraform imports it by. `tags` is None for what has none of its own, as parts of other things do.

    `arn` is empty where no answer says it. What is not READY says why in `note`; what is STUCK has a verdict, and the
    step that helps. `blocks`: nothing may be made in its place either.
    """

    id: str
    arn: str = ""
    tags: Mapping[str, str] | None = field(default=None, repr=False)
    state: State = State.READY
    verdict: str = ""
    note: str = ""
    next: str = ""
    blocks: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Account and partition as AWS says them: ARNs of what has a name are made of these."""

    partition: str
    account: str


@dataclass(frozen=True, kw_only=True)
class Question:
    """One resource that a plan would create. `plan` is for what has no name, and is found by what goes with it."""

    access: Access
    after: Mapping[str, Any]
    needs: tuple[str, ...]
    plan: Plan

    def __getitem__(self, name: str) -> str:
        return str(self.after[name])

    def get(self, name: str) -> str:
        return str(self.after.get(name) or "")

    @cached_property
    def here(self) -> Whereabouts:
        return _whereabouts(self.access)

    def arn(self, service: str, resource: str) -> str:
        region = "" if service == "iam" else self.access.region
        return f"arn:{self.here.partition}:{service}:{region}:{self.here.account}:{resource}"

    @property
    def tags(self) -> Mapping[str, str]:
        """What the plan would tag it with, the provider's own defaults among them."""
        said = self.after.get("tags_all") or self.after.get("tags") or {}
        return {name: value for name, value in said.items() if value is not None}

    def ask(self, service: str, operation: str, absent: tuple[str, ...] = (), **arguments: Any) -> Any:
        """The answer; None where AWS says with one of these codes that there is no such thing."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 - slow, and most calls of Ferry need none

        client = _client(self._home(service), service)
        with failures.translated(self._call(client, service, operation)):
            try:
                return getattr(client, operation)(**arguments)
            except ClientError as error:
                if _code(error) not in absent:
                    raise
                return None

    def ask_all(self, service: str, operation: str, key: str, absent: tuple[str, ...] = (), **arguments: Any) -> Any:
        """As `ask`, every page of it: nothing is missing because there was more of it than one answer holds."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 - as above

        client = _client(self._home(service), service)
        with failures.translated(self._call(client, service, operation)):
            try:
                return client.get_paginator(operation).paginate(**arguments).build_full_result().get(key, [])
            except ClientError as error:
                if _code(error) not in absent:
                    raise
                return []

    def in_costs_home(self) -> Question:
        """Cost Explorer and its tags are in one region, whichever the environment's is."""
        return replace(self, access=replace(self.access, region=HOMES["ce"]))

    def _home(self, service: str) -> Access:
        return replace(self.access, region=HOMES[service]) if service in HOMES else self.access

    def _call(self, client: Any, service: str, operation: str) -> str:
        what = " ".join(self.get(name) for name in self.needs)
        return f"{PREFIXES.get(service, service)}:{client.meta.method_to_api_mapping[operation]} {what}".strip()


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How one type is looked for. `needs`: attributes that have to be known, or it collides with nothing yet.

    `parent` is the type without which there is none of it, by the name in the first of `needs`. `given`: those of
    `needs` that name other things, and that a configuration has to give: no provider makes one up where it does not.
    """

    read: Callable[[Question], Found | None]
    needs: tuple[str, ...]
    parent: str = ""
    given: tuple[str, ...] = ()


HOMES = {"ce": "us-east-1", "budgets": "us-east-1"}
PREFIXES = {"resourcegroupstaggingapi": "tag"}


def tagged(said: Any, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """AWS writes tags as a list of pairs, under one of two spellings."""
    return {str(tag[key]): str(tag[value]) for tag in said or []}


def alone(needs: str, read: Callable[[Question], Found | None], *, given: str = "") -> Reader:
    return Reader(read=read, needs=tuple(needs.split()), given=tuple(given.split()))


def part(parent: str, needs: str, read: Callable[[Question], Found | None], *, given: str = "") -> Reader:
    """Its parent is always given."""
    named = tuple(needs.split())
    return Reader(read=read, needs=named, parent=parent, given=(named[0], *given.split()))


def throttled(error: AwsError) -> bool:
    return _code(error.__cause__) in THROTTLES


def _code(error: BaseException | None) -> str:
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def _client(access: Access, service: str) -> Any:
    # Clients may be shared by threads; making them may not.
    with MAKING:
        return _kept(access, service)


@lru_cache(maxsize=64)
def _kept(access: Access, service: str) -> Any:
    return access.client(service)


@lru_cache(maxsize=16)
def _whereabouts(access: Access) -> Whereabouts:
    with failures.translated("sts:GetCallerIdentity"):
        said = _client(access, "sts").get_caller_identity()
    return Whereabouts(partition=str(said["Arn"]).split(":")[1], account=str(said["Account"]))
