"""Terraform, as the verbs need it: a prepared working folder, and the steps in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ferry.outside.terraform.lock import Holder
    from ferry.outside.terraform.saved import Saved
    from ferry.tfdrift import Refreshed
    from ferry.tfplan import Plan

PLAN_FILE = "ferry.tfplan"


class Terraform(Protocol):
    """A copy of the Terraform root with Ferry's own files beside it.

    Errors of terraform are TerraformFailed, or CredentialsError; `failure.of` has what is known of each.
    """

    async def write(self, name: str, text: str) -> None: ...

    async def init(self, backend: Mapping[str, str]) -> None:
        """Begin anew with this state: imports and plans of earlier ones are gone after it."""
        ...

    async def plan(self, variables: str) -> Plan:
        """Save a plan, and answer what it says."""
        ...

    async def drift(self, variables: str) -> Refreshed:
        """What is in AWS otherwise than the state says. A plan that was saved is gone after it."""
        ...

    async def saved(self) -> Saved:
        """What the plan that was saved last is bound to."""
        ...

    async def apply(self, saved: Saved, say: Callable[[str], None]) -> Mapping[str, float]:
        """Carry out that plan and no other; how many seconds each resource took. `failure.is_stale`: plan again.

        `say` hears what happens to which resource, and of an error when it happens: what terraform has begun elsewhere
        is let finish, for minutes at times, before the error is raised.
        """
        ...

    async def outputs(self) -> Mapping[str, Any]: ...

    async def lock_holder(self) -> Holder | None:
        """Who holds the lock of the state that `init` named; None when nobody does."""
        ...

    async def release(self, id: str) -> None:
        """Take the lock with this id away from whoever holds it: only when that run is over for certain."""
        ...
