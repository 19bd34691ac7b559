"""drift: what is in AWS otherwise than Terraform left it, and is somebody's doing.

Only what somebody did is told. What AWS and the provider do by themselves after an apply is left out: results of other
changes, what is written otherwise and means the same, and what a resource repeats of others that the state has too.
Values that may be secrets are never told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ferry.guards.adoption import RESULTS
from ferry.guards.parity import SECRET
from ferry.guards.values import document, dotted
from ferry.shape import show
from ferry.tfplan import Action

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ferry.guards.values import Path
    from ferry.tfdrift import Held, Moved, Refreshed
    from ferry.tfplan import Plan

type Values = Mapping[str, Any]

LONGEST = 100
"""How much of a table or a list is shown."""
BY_ITSELF: Mapping[str, frozenset[str]] = {
    **RESULTS,
    "aws_sns_topic_subscription": frozenset({"confirmation_was_authenticated", "pending_confirmation"}),
}
"""What changes with nobody's doing, or as the result of a change that is told anyway."""
NAMES = ("Sid", "name", "id", "key", "attribute_name", "metric_name")
"""What an item of a list is called by, where it has a name: lists of AWS have no order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place of a resource, in words: as Terraform left it, and as it is now; empty for not there.

    `hidden`: it may be a secret, and what is in it is not told.
    """

    attribute: str
    was: str
    now: str
    hidden: bool
    path: Path = field(repr=False)

    def __str__(self) -> str:
        if self.hidden:
            return f"{self.attribute} is another" if self.was and self.now else f"{self.attribute} {self._moved}"
        if self.was and self.now:
            return f"{self.attribute} is {self.now}, was {self.was}"
        return f"{self.attribute} {self.was or self.now} {self._moved}"

    @property
    def _moved(self) -> str:
        return "is new" if self.now else "is gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """A resource that was deleted, or differs. `before` and `after` may hold secrets; `differences` hold none."""

    address: str
    deleted: bool
    differences: tuple[Difference, ...]
    before: Values = field(repr=False)
    after: Values = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """`looked` is how many resources Terraform knows."""

    resources: tuple[Drifted, ...]
    looked: int


def found(refreshed: Refreshed) -> Drift:
    """What somebody changed, of all that differs."""
    drifted = [_drifted(moved, refreshed.held) for moved in refreshed.moved]
    told = tuple(one for one in drifted if one.deleted or one.differences)
    return Drift(resources=told, looked=len(refreshed.held))


def consequence(drifted: Drifted, planned: Plan) -> str:
    """What a deployment does about it, which is what its plan says."""
    change = planned.changes.get(drifted.address)
    action = change.action if change else Action.NO_OP
    if drifted.deleted:
        return "makes it again" if action is Action.CREATE else "does without it: the configuration does not name it"
    if change is None or action is Action.NO_OP:
        return "leaves it as it is"
    if action is not Action.UPDATE:
        return "replaces it" if action is Action.REPLACE else "destroys it: the configuration does not name it"
    against = [[path for path, _, _ in differing(side, change.after)] for side in (drifted.after, drifted.before)]
    left = [one for one in drifted.differences if not _touches(one.path, against[0])]
    other = [one for one in drifted.differences if one not in left and _touches(one.path, against[1])]
    back = [one for one in drifted.differences if one not in left and one not in other]
    if not left and not other:
        return "undoes it"
    parts = {"undoes": back, "leaves": left, "changes": other}
    return "; ".join(f"{verb} {', '.join(one.attribute for one in some)}" for verb, some in parts.items() if some)


def differing(before: Values, after: Values, left_out: frozenset[str] = frozenset()) -> list[tuple[Path, Any, Any]]:
    """The smallest places that differ, each with both values."""
    # Both say the same of tags; the second has the provider's own among them.
    both = frozenset({"tags"} if "tags_all" in {*before, *after} else ())
    names = sorted({*before, *after} - left_out - both - {"timeouts"})
    return [found for name in names for found in _differing(before.get(name), after.get(name), (name,))]


def _touches(path: Path, places: list[Path]) -> bool:
    return any(path[: len(place)] == place or place[: len(path)] == path for place in places)


def _drifted(moved: Moved, held: Sequence[Held]) -> Drifted:
    before, after = (_own(moved.type, values, held) for values in (moved.before, moved.after))
    places = [] if moved.deleted else differing(before, after, BY_ITSELF.get(moved.type, frozenset()))
    return Drifted(
        address=moved.address,
        deleted=moved.deleted,
        differences=tuple(_difference(*one, moved.sensitive) for one in places),
        before=moved.before,
        after=moved.after,
    )


def _difference(path: Path, was: Any, now: Any, masks: tuple[object, ...]) -> Difference:
    hidden = any(_masked(mask, path) for mask in masks) or _secret(path, was) or _secret(path, now)
    told = ("tags" if path[0] == "tags_all" else path[0], *path[1:])
    return Difference(
        attribute=dotted(told),
        was="" if was is None else "a value" if hidden else _shown(was),
        now="" if now is None else "a value" if hidden else _shown(now),
        hidden=hidden,
        path=path,
    )


def _masked(mask: object, path: Path) -> bool:
    """Whether the provider calls anything there sensitive. Which item of a list is meant is not known: any."""
    match mask:
        case bool():
            return mask
        case Mapping():
            inside = [mask.get(path[0])] if path else list(mask.values())
            return any(_masked(one, path[1:]) for one in inside)
        case list():
            return any(_masked(one, path) or _masked(one, path[1:]) for one in mask)
        case _:
            return False


def _secret(path: Path, value: object) -> bool:
    """A text in a place that sounds like one, or with such a place in it."""
    match value:
        case str():
            return any(SECRET.search(key) for key in path)
        case Mapping():
            return any(_secret((*path, str(key)), inside) for key, inside in value.items())
        case list():
            return any(_secret(path, inside) for inside in value)
        case _:
            return False


def _shown(value: object) -> str:
    if isinstance(value, list) and len(value) == 1:
        return _shown(value[0])
    if not isinstance(value, dict | list):
        return show(value)
    text = json.dumps(_parsed(value), sort_keys=True)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _parsed(value: Any) -> Any:
    """With the documents inside of texts as what they are."""
    value = _read(value)
    if isinstance(value, dict):
        return {key: _parsed(inside) for key, inside in value.items()}
    return [_parsed(inside) for inside in value] if isinstance(value, list) else value


def _differing(was: Any, now: Any, path: Path) -> Iterator[tuple[Path, Any, Any]]:
    if _same(was, now):
        return
    was, now = _read(was), _read(now)
    if isinstance(was, dict) and isinstance(now, dict):
        for key in sorted(was.keys() | now.keys()):
            yield from _differing(was.get(key), now.get(key), (*path, str(key)))
    elif isinstance(was, list) and isinstance(now, list):
        yield from _in_lists(_without(was, now), _without(now, was), path, alone=max(len(was), len(now)) == 1)
    else:
        yield path, None if _nothing(was) else was, None if _nothing(now) else now


def _in_lists(was: list[Any], now: list[Any], path: Path, *, alone: bool) -> Iterator[tuple[Path, Any, Any]]:
    """Of the items that only one side has: those of one name are one item, which differs."""
    if alone and len(was) == len(now):
        yield from _differing(was[0], now[0], path)
        return
    before, after = _by_name(was), _by_name(now)
    if before.keys() | after.keys() and len(before) == len(was) and len(after) == len(now):
        for name in sorted(before.keys() | after.keys()):
            yield from _differing(before.get(name), after.get(name), (*path, name))
    else:
        yield path, was or None, now or None


def _by_name(items: list[Any]) -> dict[str, Any]:
    tables = [item for item in items if isinstance(item, dict)]
    return {name: item for item in tables if (name := next((str(item[it]) for it in NAMES if item.get(it)), ""))}


def _same(was: object, now: object) -> bool:
    """To AWS: lists have no order, one item is a list of it, and what is not there is what is empty, or zero."""
    if was == now or (_nothing(was) and _nothing(now)):
        return True
    was, now = _read(was), _read(now)
    if isinstance(was, dict) and isinstance(now, dict):
        return all(_same(was.get(key), now.get(key)) for key in was.keys() | now.keys())
    if isinstance(was, list) and isinstance(now, list):
        return len(was) == len(now) and not _without(was, now)
    if isinstance(was, list) != isinstance(now, list):
        was, now = (side if isinstance(side, list) else [side] for side in (was, now))
        return len(was) == len(now) == 1 and _same(was[0], now[0])
    return (was is None and now in (0, False)) or (now is None and was in (0, False))


def _read(value: object) -> Any:
    inner = document(value)
    return value if inner is None else inner


def _nothing(value: object) -> bool:
    return value is None or value in ("", [], {})


def _without(items: list[Any], others: list[Any]) -> list[Any]:
    """What is left when each that the others have too is taken out once."""
    left, paired = [], list(others)
    for item in items:
        found = next((number for number, other in enumerate(paired) if _same(item, other)), None)
        if found is None:
            left.append(item)
        else:
            del paired[found]
    return left


type Explained = Callable[[Values, Values], bool]
"""Whether the second resource is there for something of the first."""


def _own(type: str, values: Values, held: Sequence[Held]) -> Values:
    """Without what repeats other resources. An item of a list that no other is there for is somebody's doing."""
    own = dict(values)
    for name, (part, belongs, called) in REPEATED.get(type, {}).items():
        parts = [it.values for it in held if it.type == part and belongs(values, it.values)]
        if called:
            known = {str(it.get(called)) for it in parts}
            own[name] = [item for item in values.get(name) or [] if _called(item) not in known]
        elif parts:
            own.pop(name, None)
    return own


def _called(item: object) -> str:
    """A policy of a role: by name where it is written into it, or its ARN."""
    return str(item.get("name")) if isinstance(item, dict) else str(item)


def _of_bucket(bucket: Values, part: Values) -> bool:
    return bool(part.get("bucket") == bucket.get("id"))


def _of_arn(whole: Values, part: Values) -> bool:
    return whole.get("arn") in (part.get("arn"), part.get("secret_arn"))


def _of_queue(queue: Values, part: Values) -> bool:
    return bool(part.get("queue_url") == queue.get("id"))


def _of_key(key: Values, part: Values) -> bool:
    return part.get("key_id") in (key.get("key_id"), key.get("arn"))


def _of_role(role: Values, part: Values) -> bool:
    return bool(part.get("role") == role.get("name"))


REPEATED: Mapping[str, Mapping[str, tuple[str, Explained, str]]] = {
    "aws_s3_bucket": {
        "acceleration_status": ("aws_s3_bucket_accelerate_configuration", _of_bucket, ""),
        "cors_rule": ("aws_s3_bucket_cors_configuration", _of_bucket, ""),
        "grant": ("aws_s3_bucket_acl", _of_bucket, ""),
        "lifecycle_rule": ("aws_s3_bucket_lifecycle_configuration", _of_bucket, ""),
        "logging": ("aws_s3_bucket_logging", _of_bucket, ""),
        "object_lock_configuration": ("aws_s3_bucket_object_lock_configuration", _of_bucket, ""),
        "policy": ("aws_s3_bucket_policy", _of_bucket, ""),
        "replication_configuration": ("aws_s3_bucket_replication_configuration", _of_bucket, ""),
        "request_payer": ("aws_s3_bucket_request_payment_configuration", _of_bucket, ""),
        "server_side_encryption_configuration": (
            "aws_s3_bucket_server_side_encryption_configuration",
            _of_bucket,
            "",
        ),
        "versioning": ("aws_s3_bucket_versioning", _of_bucket, ""),
        "website": ("aws_s3_bucket_website_configuration", _of_bucket, ""),
        "website_domain": ("aws_s3_bucket_website_configuration", _of_bucket, ""),
        "website_endpoint": ("aws_s3_bucket_website_configuration", _of_bucket, ""),
    },
    "aws_iam_role": {
        "inline_policy": ("aws_iam_role_policy", _of_role, "name"),
        "managed_policy_arns": ("aws_iam_role_policy_attachment", _of_role, "policy_arn"),
    },
    "aws_kms_key": {"policy": ("aws_kms_key_policy", _of_key, "")},
    "aws_secretsmanager_secret": {"policy": ("aws_secretsmanager_secret_policy", _of_arn, "")},
    "aws_sns_topic": {"policy": ("aws_sns_topic_policy", _of_arn, "")},
    "aws_sqs_queue": {
        "policy": ("aws_sqs_queue_policy", _of_queue, ""),
        "redrive_allow_policy": ("aws_sqs_queue_redrive_allow_policy", _of_queue, ""),
        "redrive_policy": ("aws_sqs_queue_redrive_policy", _of_queue, ""),
    },
}
"""By type and attribute: the type that is there for it, how the two belong together, and what names one of several."""
