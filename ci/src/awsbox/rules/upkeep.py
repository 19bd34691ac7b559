"""What ECR does to images by itself: lifecycle policies, with their previews."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from awsbox.rules import lifecycle, shelves, stores
from awsbox.rules.inquiry import Asked, Refused, answering, asking, nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from awsbox.behind import Rules


def _may_keep(asked: Asked) -> None:
    try:
        lifecycle.rules(asked.arguments.get("lifecyclePolicyText", ""))
    except ValueError as error:
        why = "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation"
        raise Refused("InvalidParameterException", f"{why} failure: {error}'") from error


def _previewed(asked: Asked) -> Mapping[str, Any]:
    text = asked.arguments.get("lifecyclePolicyText") or _policy(asked)
    _may_keep(replace(asked, arguments={"lifecyclePolicyText": text}))
    gone = shelves.doomed(asked.name, text, time.time())
    results = [
        {
            "imageTags": one.get("imageTags", []),
            "imageDigest": one["imageDigest"],
            "imagePushedAt": one["imagePushedAt"],
            "action": {"type": "EXPIRE"},
            "appliedRulePriority": gone[one["imageDigest"]],
        }
        for one in shelves.images(asked.name)
        if one["imageDigest"] in gone
    ]
    record = shelves.repository(asked.name) or {}
    record["preview"] = {"lifecyclePolicyText": text, "previewResults": results}
    return asked.about | {"lifecyclePolicyText": text, "status": "IN_PROGRESS"}


def _policy(asked: Asked) -> str:
    text = stores.own("ecr", "lifecycle_policies").get(asked.name)
    if text is None:
        why = f"Lifecycle policy does not exist for the repository {asked.where}"
        raise Refused("LifecyclePolicyNotFoundException", why)
    return str(text)


def _preview(asked: Asked) -> Mapping[str, Any]:
    made: dict[str, Any] | None = (shelves.repository(asked.name) or {}).get("preview")
    if made is None:
        why = f"Lifecycle policy preview does not exist for the repository {asked.where}"
        raise Refused("LifecyclePolicyPreviewNotFoundException", why)
    summary = {"expiringImageTotalCount": len(made["previewResults"])}
    return asked.about | made | {"status": "COMPLETE", "summary": summary}


ANSWERS: dict[str, Callable[[Asked], Mapping[str, Any]]] = {
    "GetLifecyclePolicyPreview": _preview,
    "StartLifecyclePolicyPreview": _previewed,
}
RULES: Rules = {("ecr", operation): answering(answer) for operation, answer in ANSWERS.items()} | {
    ("ecr", "PutLifecyclePolicy"): asking(_may_keep, nothing),
}
