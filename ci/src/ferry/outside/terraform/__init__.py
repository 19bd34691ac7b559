"""Terraform, as the verbs need it: a prepared working folder, and four steps in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ferry.tfplan import Plan

PLAN_FILE = "ferry.tfplan"


class Terraform(Protocol):
    """A copy of the Terraform root with Ferry's own files beside it. `apply` carries out the plan that `plan` saved."""

    async def write(self, name: str, text: str) -> None: ...

    async def init(self, backend: Mapping[str, str]) -> None: ...

    async def plan(self, variables: str) -> Plan:
        """Save a plan, and answer what it says."""
        ...

    async def apply(self, say: Callable[[str], None]) -> None: ...

    async def outputs(self) -> Mapping[str, Any]: ...
