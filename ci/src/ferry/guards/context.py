"""What guards know beside the plan: whose it is, who applies it, and who else there is. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

type Document = Mapping[str, Any]
"""A policy in IAM's language, parsed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What IAM lets a caller do: all policies that are attached to them, and the boundary over these."""

    policies: tuple[Document, ...]
    boundary: Document | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Another environment of the same system, which this plan has no business with."""

    name: str
    account: str
    deployer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Whatever is empty is not known, and a guard that would need it says so.

    `deployer` is the ARN of who applies, as AWS says it; `administrators` are all that must be able to administer the
    environment's keys. `identity` is None where nobody has read the deployer's policies. `state` says where the plan's
    state is kept, for people to check; `deployed_before` is None where nobody knows. `references` are what a release
    may deploy: artifact to an image by digest, or to the SHA-256 of a zip in base64. `kept_images` is what
    `[retention]` asks of a repository, and `caches` are repositories that nothing runs from.
    """

    environment: str = ""
    account: str = ""
    deployer: str = ""
    administrators: tuple[str, ...] = ()
    identity: Identity | None = None
    neighbours: tuple[Neighbour, ...] = ()
    stateful: tuple[str, ...] = ()
    region: str = ""
    state: str = ""
    deployed_before: bool | None = None
    references: Mapping[str, str] = field(default_factory=dict)
    kept_images: int = 0
    caches: tuple[str, ...] = ()
