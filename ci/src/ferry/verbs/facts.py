"""facts: what guards need to know of AWS beside the plan. Asked for once the plan is made, and only where it matters.

Nothing here changes AWS or the state.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from ferry.guards import retention
from ferry.guards.context import Identity
from ferry.guards.images import BY_DIGEST, ECR, FUNCTION
from ferry.guards.keys import KEYS
from ferry.guards.retention import Image
from ferry.guards.values import resulting, text
from ferry.tfplan import Action
from ferry.verbs.together import together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ferry.guards.context import Context
    from ferry.model import Finding
    from ferry.tfplan import Change, Plan
    from ferry.verbs.hands import Hands

REPOSITORY = "aws_ecr_repository"


async def known(
    planned: Plan,
    context: Context,
    hands: Hands,
    *,
    now: datetime,
    kept: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Context, tuple[Finding, ...]]:
    """The context with all that the plan makes necessary, and what only the images themselves could tell.

    `kept` are digests that somebody may want to go back to, and who: "rollback to d-…".
    """
    return await _with_rights(planned, context, hands), await _lost(planned, hands, now, kept)


async def _with_rights(planned: Plan, context: Context, hands: Hands) -> Context:
    """The deployer's own policies decide where a key's leaves it to IAM, and a Deny in them decides anywhere."""
    keys = [one for one in planned.touched() if one.type in KEYS and one.action is not Action.DESTROY]
    if not keys or not context.deployer or context.identity:
        return context
    found = await hands.rights(context.deployer)
    return replace(context, identity=Identity(policies=found.policies, boundary=found.boundary)) if found else context


async def _lost(planned: Plan, hands: Hands, now: datetime, kept: Mapping[str, str]) -> tuple[Finding, ...]:
    stored: dict[str, Sequence[Image]] = {}

    async def look(repository: str) -> None:
        found = await hands.stored(repository)
        stored[repository] = [Image(digest=one.digest, tags=one.tags, pushed_at=one.pushed_at) for one in found]

    await together(look, sorted(_in_question(planned)))
    found = (
        finding
        for repository, images in stored.items()
        for finding in retention.lost(planned, {repository: images}, {**kept, **_needed(planned, repository)}, now)
    )
    # Of a policy that cannot be read, or is not known yet, the guard speaks by itself.
    return tuple(finding for finding in found if finding.verdict == "expires-needed")


def _in_question(planned: Plan) -> set[str]:
    """The repositories where this plan could lose an image: their rules, they themselves or what runs of them changes.

    A plan that changes none of that is not what an image is lost by: ECR runs its rules each day, plan or not, and to
    stop this one would keep nothing. What is published since is no exception: it is deployed by a plan that changes
    what runs, and that asks. So a plan without changes costs no call.
    """
    ruled = {text(policy, "repository") for policy in resulting(planned, retention.POLICY)} - {""}
    touched = planned.touched()
    own = {text(one, "repository") for one in touched if one.type == retention.POLICY}
    own |= {text(one, "name") for one in touched if one.type == REPOSITORY}
    moved = (one for one in touched if one.type == FUNCTION and len(set(_images(one))) > 1)
    return ruled & (own | {repository for one in moved for image in _images(one) if (repository := _repository(image))})


def _needed(planned: Plan, repository: str) -> dict[str, str]:
    """What runs of a repository, before this plan and after it: digest to what runs it."""
    runs: dict[str, str] = {}
    ran: dict[str, str] = {}
    for function in planned.changes.values():
        if function.type == FUNCTION:
            before, after = _images(function)
            ran[before] = f"{function.address} runs it now"
            runs[after] = f"{function.address} runs it"
    return {_digest(image): what for image, what in (ran | runs).items() if _of(image, repository)}


def _images(function: Change) -> tuple[str, str]:
    """Before and after. What is destroyed needs its image no more; what is only forgotten runs on."""
    before = function.before.get("image_uri")
    gone = function.action is Action.DESTROY and not function.forgets
    return (before if isinstance(before, str) and not gone else "", text(function, "image_uri"))


def _of(image: str, repository: str) -> bool:
    return BY_DIGEST.fullmatch(image) is not None and _repository(image) == repository


def _repository(image: str) -> str:
    found = ECR.fullmatch(image)
    return found["repository"] if found else ""


def _digest(image: str) -> str:
    return image.rpartition("@")[2]
