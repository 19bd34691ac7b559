"""KMS. A key has no name: its alias leads to it, and where a run died before it made one, its tags do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferry.outside.aws.probes import tags
from ferry.outside.aws.probes.questions import Found, Question, State, alone, tagged

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING = ("NotFoundException",)
LEAVING = {"PendingDeletion", "PendingReplicaDeletion"}


@dataclass(frozen=True)
class Key:
    id: str
    arn: str
    description: str
    state: str
    ends: str
    named: bool
    """Whether an alias leads to it."""


def alias(asked: Question) -> Found | None:
    target = _targets(asked).get(asked["name"])
    if target is None:
        return None
    key = _key(asked, target, named=True)
    if key is not None and key.state in LEAVING:
        return _leaving(asked["name"], key)
    return Found(id=asked["name"], tags=_tags(asked, target))


def key(asked: Question) -> Found | None:
    """The key that the plan's alias leads to; or else the one with the plan's tags and description."""
    found = list(_candidates(asked))
    well = [one for one in found if one.state not in LEAVING]
    best = [one for one in well if one.named] or well
    if len(best) > 1:
        return Found(
            id=best[0].id,
            state=State.STUCK,
            verdict="ambiguous",
            note=f"several keys could be this one: {', '.join(sorted(one.id for one in best))}",
            next=f"find the one that seals the data, and give it its alias: aws kms create-alias "
            f"--alias-name {_an_alias(asked)} --target-key-id KEY",
        )
    if best:
        return Found(id=best[0].id, arn=best[0].arn, tags=_tags(asked, best[0].id))
    # One with a name is in use by it. One without is what a destroyed environment leaves, and says so.
    ending = sorted(found, key=lambda one: not one.named)
    return _leaving(ending[0].id, ending[0]) if ending else None


def _leaving(id: str, key: Key) -> Found:
    return Found(
        id=id,
        state=State.STUCK,
        verdict="pending-deletion",
        note=f"the key {key.id} will be deleted on {key.ends}, and with it all that it seals",
        next=f"aws kms cancel-key-deletion --key-id {key.id} && aws kms enable-key --key-id {key.id}",
        blocks=key.named,
    )


def _candidates(asked: Question) -> Iterator[Key]:
    targets = _targets(asked)
    named = {targets[name] for name in _aliases(asked) if name in targets}
    arns = {arn.rpartition("/")[2] for arn in tags.carrying(asked, "kms:key")}
    for id in sorted(named | arns):
        found = _key(asked, id, named=id in named)
        if found is not None and found.description == asked.get("description"):
            yield found


def _aliases(asked: Question) -> list[str]:
    """Those in the plan that would lead to a new key, or to one that is only known after the apply."""
    aliases = [change for change in asked.plan.changes.values() if change.type == "aws_kms_alias"]
    return [str(one.after["name"]) for one in aliases if "target_key_id" not in one.after and one.after.get("name")]


def _an_alias(asked: Question) -> str:
    return next(iter(_aliases(asked)), "alias/NAME")


def _targets(asked: Question) -> dict[str, str]:
    """Alias to key. There is no way to ask for one."""
    found = asked.ask_all("kms", "list_aliases", "Aliases")
    return {str(one["AliasName"]): str(one["TargetKeyId"]) for one in found if "TargetKeyId" in one}


def _key(asked: Question, id: str, *, named: bool) -> Key | None:
    said: Any = asked.ask("kms", "describe_key", MISSING, KeyId=id)
    if said is None:
        return None
    about = said["KeyMetadata"]
    ends = f"{about.get('DeletionDate', 'a day')}"
    return Key(id, about.get("Arn", ""), about.get("Description", ""), about["KeyState"], ends, named)


def _tags(asked: Question, id: str) -> dict[str, str]:
    said = asked.ask_all("kms", "list_resource_tags", "Tags", KeyId=id)
    return tagged(said, "TagKey", "TagValue")


READERS = {"aws_kms_alias": alone("name", alias), "aws_kms_key": alone("", key)}
