"""A call as the tables see it, and the words in which they say what it needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FIELD = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True)
class Request:
    """`prefix` is how IAM calls the service; `arguments` are named as in the API reference."""

    prefix: str
    operation: str
    arguments: Mapping[str, Any]
    account: str
    region: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    caller: str = ""

    def get(self, *names: str) -> Any:
        """The first of these arguments that was given."""
        return next((self.arguments[name] for name in names if self.arguments.get(name)), None)

    def arn(self, resource: str, service: str = "", region: str | None = None) -> str:
        region = self.region if region is None else region
        return f"arn:aws:{service or self.prefix}:{region}:{self.account}:{resource}"

    def listed(self, name: str) -> list[Any]:
        said = self.arguments.get(name) or []
        return said if isinstance(said, list) else [said]


@dataclass(frozen=True)
class Check:
    """One thing that the caller must be allowed. `keys` are condition keys that only this check has."""

    action: str
    resource: str
    keys: Mapping[str, Any] = field(default_factory=dict)
    instead: Check | None = None
    """Being allowed this one is as good."""


type Where = Callable[[Request], Sequence[str]]
"""The ARNs that a call is about."""
type Also = Callable[[Request], Iterable[Check]]
"""What a call needs beside its own action."""
type Keys = Callable[[Request], Mapping[str, Any]]
"""Condition keys that a call sets; None is an absent one."""


@dataclass(frozen=True)
class Service:
    """What the box knows of one service. An operation that is in no row of `about` is unknown."""

    prefix: str
    about: Mapping[Where, str]
    """Where a call happens → the operations, separated by blanks."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Operation → action, where IAM calls it something else."""
    also: Mapping[str, Sequence[Also]] = field(default_factory=dict)
    keys: Keys = lambda _: {}
    operations: Mapping[str, Where] = field(init=False)

    def __post_init__(self) -> None:
        found = {name: where for where, names in self.about.items() for name in names.split()}
        object.__setattr__(self, "operations", found)

    def action(self, operation: str) -> str:
        return f"{self.prefix}:{self.renamed.get(operation, operation)}"


def anywhere(_: Request) -> Sequence[str]:
    """Calls that AWS lets nobody narrow to a resource."""
    return ("*",)


def at(resource: str, *, region: str | None = None) -> Where:
    """`at("repository/{repositoryName}")`. What the call leaves out is `*`, as AWS asks for it then."""

    def where(request: Request) -> Sequence[str]:
        return (request.arn(FIELD.sub(lambda name: str(request.get(name[1]) or "*"), resource), region=region),)

    return where


def each(resource: str, name: str, *, region: str | None = None) -> Where:
    """One ARN for each value of a list, or one for all when there is none: `each("repository/{}", "names")`."""

    def where(request: Request) -> Sequence[str]:
        return [request.arn(resource.format(value), region=region) for value in request.listed(name) or ["*"]]

    return where


def given(*names: str) -> Where:
    """The call says the ARN itself."""
    return lambda request: (str(request.get(*names) or "*"),)


def tags_of(request: Request) -> dict[str, str]:
    """Every service spells tags in its own way."""
    said = request.get("Tags", "tags", "ResourceTags", "TagList") or {}
    if isinstance(said, Mapping):
        return {str(key): str(value) for key, value in said.items()}
    pairs = [{name.lower(): value for name, value in tag.items()} for tag in said if isinstance(tag, Mapping)]
    return {str(t.get("key", t.get("tagkey", ""))): str(t.get("value", t.get("tagvalue", ""))) for t in pairs}


def tag_keys(request: Request) -> dict[str, Any]:
    """`aws:RequestTag/…` and `aws:TagKeys`: of the tags that the call sets, and of those that it takes away."""
    tags = tags_of(request)
    names = [*tags, *map(str, request.get("TagKeys", "tagKeys", "ResourceTagKeys") or ())]
    said: dict[str, Any] = {f"aws:RequestTag/{name}": value for name, value in tags.items()}
    return said | ({"aws:TagKeys": names} if names else {})
