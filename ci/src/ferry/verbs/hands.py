"""What the verbs work with. Who calls them decides whose hands these are: this machine's, or Dagger's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ferry.outside.aws.packages import Packages
    from ferry.outside.canary import Verdict
    from ferry.outside.registry import Registry
    from ferry.outside.terraform import Terraform

type EnsureRepository = Callable[[str], Awaitable[bool]]
type Ask = Callable[[str, Mapping[str, str]], Awaitable[Verdict]]
"""A deployed canary, by its function's name, whether it finds what it is told to expect."""
type Probe = Callable[[str, Mapping[str, Any]], Awaitable[str | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """`stand_in`: AWS is a stand-in for itself, and terraform has to be told so."""

    registry: Registry
    packages: Packages
    ensure_repository: EnsureRepository
    terraform: Terraform
    probe: Probe
    ask: Ask
    stand_in: bool
