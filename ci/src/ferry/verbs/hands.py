"""What the verbs work with. Who calls them decides whose hands these are: this machine's, or Dagger's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from ferry.config import Config
    from ferry.model import Environment
    from ferry.outside.aws.bucket import Bucket
    from ferry.outside.aws.probes import Found
    from ferry.outside.aws.rights import Rights
    from ferry.outside.blobs import Blob
    from ferry.outside.canary import Verdict
    from ferry.outside.registry import Registry
    from ferry.outside.registry.ecr import Described, Stored
    from ferry.outside.terraform import Terraform
    from ferry.report import Report
    from ferry.tfplan import Change, Plan
    from ferry.verbs.build import BuiltImage

type Describe = Callable[[str, str], Awaitable[Described | None]]
"""What ECR says of an image beside the registry protocol: repository, digest."""
type Scanned = Callable[[str, str], Awaitable[Mapping[str, int] | None]]
"""What a scan found, by severity, where the description does not say; None while none is finished."""
type Fetch = Callable[[Blob], Awaitable[Path]]
"""Where a layer is on this machine, brought here if it was not."""
type Run = Callable[[BuiltImage, Fetch], AbstractAsyncContextManager[str | None]]
"""An image that runs for as long as the block lasts, and its address; None where it cannot run here."""
type Ask = Callable[[str, Mapping[str, str]], Awaitable[Verdict]]
"""A deployed canary, by its function's name, whether it finds what it is told to expect."""
type Probe = Callable[[Change, Plan], Awaitable[Found | None]]
"""What exists already of a resource that the plan would create."""
type Restore = Callable[[str], Awaitable[None]]
"""Brings back what is on its way out, by its id."""
type Agree = Callable[[str], Awaitable[str]]
"""Who agrees to the plan with this fingerprint; empty for nobody."""

type StoredImages = Callable[[str], Awaitable[Sequence[Stored]]]
"""All images of a repository; none where there is no such repository."""
type ReadRights = Callable[[str], Awaitable[Rights | None]]
"""What IAM lets somebody do, by their ARN; None where not all of it can be read."""


class EnsureRepository(Protocol):
    """`scanned`: what is pushed there is looked at. True when it had to be made."""

    def __call__(self, name: str, *, scanned: bool = True) -> Awaitable[bool]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Depot:
    """Where an environment's artifacts are. `stand_in`: the AWS behind it stands in for the real one."""

    registry: Registry
    bucket: Bucket
    ensure_repository: EnsureRepository
    described: Describe
    scanned: Scanned
    stand_in: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a release is published to, and who is told."""

    config: Config
    environment: Environment
    depot: Depot
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """`ledger`: the state's bucket, where it is written down who deploys, what was deployed, and what is there now."""

    depot: Depot
    ledger: Bucket
    run: Run
    terraform: Terraform
    probe: Probe
    restore: Restore
    stored: StoredImages
    rights: ReadRights
    ask: Ask
    agree: Agree
