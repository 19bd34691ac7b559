"""What a plan would create although it may exist already, and what taking it over would change.

Three kinds of things exist already (measured with an empty state): *loud* ones, of which AWS says so when they are made
again; *silent* ones, which are overwritten without a word, whosever they are; *anonymous* ones, of which there is then
one more. Loud is what is in neither list: the apply at least stops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ferry import ownership
from ferry.model import Finding, Severity
from ferry.tfplan import Action, Change, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ferry.guards.context import Context

SILENT = frozenset(
    {
        "aws_cloudwatch_dashboard",
        "aws_cloudwatch_event_rule",
        "aws_cloudwatch_event_target",
        "aws_cloudwatch_metric_alarm",
        "aws_ecr_lifecycle_policy",
        "aws_ecr_repository_policy",
        "aws_iam_role_policy",
        "aws_iam_role_policy_attachment",
        "aws_iam_user_policy_attachment",
        "aws_lambda_function_event_invoke_config",
        "aws_s3_bucket_policy",
        "aws_s3_bucket_public_access_block",
        "aws_s3_bucket_server_side_encryption_configuration",
        "aws_s3_bucket_versioning",
        "aws_sns_topic",
        "aws_sns_topic_policy",
        "aws_sns_topic_subscription",
        "aws_sqs_queue",
        "aws_sqs_queue_policy",
    }
)
ANONYMOUS = frozenset({"aws_ce_anomaly_monitor", "aws_ce_anomaly_subscription", "aws_kms_key"})

NEVER_SENT: Mapping[str, frozenset[str]] = {
    "aws_ecr_repository": frozenset({"force_delete"}),
    "aws_iam_role": frozenset({"force_detach_policies"}),
    "aws_iam_user": frozenset({"force_destroy"}),
    "aws_kms_key": frozenset({"bypass_policy_lockout_safety_check", "deletion_window_in_days"}),
    "aws_lambda_function": frozenset({"publish", "skip_destroy"}),
    "aws_lambda_permission": frozenset({"statement_id_prefix"}),
    "aws_cloudwatch_event_rule": frozenset({"force_destroy"}),
    "aws_cloudwatch_event_target": frozenset({"force_destroy"}),
    "aws_cloudwatch_log_group": frozenset({"skip_destroy"}),
    "aws_s3_bucket": frozenset({"force_destroy"}),
    "aws_secretsmanager_secret": frozenset({"force_overwrite_replica_secret", "recovery_window_in_days"}),
    "aws_sns_topic_subscription": frozenset({"confirmation_timeout_in_minutes", "endpoint_auto_confirms"}),
}
"""What only Terraform knows of: an adoption always sets it, and AWS never hears of it."""

RESULTS: Mapping[str, frozenset[str]] = {
    "aws_lambda_function": frozenset({"last_modified", "qualified_arn", "qualified_invoke_arn", "version"}),
}
"""What AWS makes of a change, and is none itself."""


def candidates(plan: Plan) -> Sequence[Change]:
    """Each holds its physical name in `after`: no list of names is kept anywhere."""
    return [change for change in plan.changes.values() if change.action is Action.CREATE]


def findings(plan: Plan, context: Context) -> tuple[Finding, ...]:
    """One for each adopted resource. Adoption that would destroy what it takes over is blocked: it is not adoption."""
    return tuple(_finding(change, context) for change in plan.changes.values() if change.imports)


def not_ours(change: Change, tags: Mapping[str, str] | None, context: Context) -> Finding | None:
    """Something of this name exists, and its tags say that it is somebody else's."""
    theirs = ownership.another(tags or {}, tags_of(change.after), context.environment)
    if not theirs:
        return None
    said = ", ".join(f"{name}={value}" for name, value in sorted(theirs.items()))
    return Finding(
        guard="adoption",
        severity=Severity.BLOCK,
        verdict="not-ours",
        address=change.address,
        what=f"something of this name exists already, and it is not ours to take: it is tagged {said}",
        why="another project or environment relies on it",
        next="give the resource a name of its own; if it is this environment's after all, mend its tags first",
    )


def tags_of(values: Mapping[str, Any]) -> dict[str, str]:
    said = values.get("tags_all") or values.get("tags") or {}
    return {name: value for name, value in said.items() if isinstance(value, str)}


def changed(change: Change) -> tuple[str, ...]:
    """The attributes that AWS would see change."""
    left_out = NEVER_SENT.get(change.type, frozenset()) | RESULTS.get(change.type, frozenset()) | {"timeouts"}
    # Both say the same of tags; the second has the provider's own among them.
    both = {"tags"} if "tags_all" in change.after or "tags_all" in change.unknown else set()
    names = sorted({*change.before, *change.after, *change.unknown} - left_out - both)
    return tuple(name for name in names if _differs(change, name))


def _differs(change: Change, name: str) -> bool:
    if change.unknown.get(name) is True:
        return True
    before, after = change.before.get(name), change.after.get(name)
    # What is empty and what is not there are the same to AWS.
    return bool(before or after) and before != after


def _finding(change: Change, context: Context) -> Finding:
    if change.action in {Action.REPLACE, Action.DESTROY}:
        return _would_replace(change)
    strange = not_ours(change, tags_of(change.before), context)
    if strange:
        return strange
    different = () if change.action is Action.NO_OP else changed(change)
    if change.type in SILENT and (different or _unmarked(change)):
        return _take_over(change, different)
    return _adopted(change, different)


def _would_replace(change: Change) -> Finding:
    return Finding(
        guard="adoption",
        severity=Severity.BLOCK,
        verdict="would-replace",
        address=change.address,
        what=f"{change.imports} exists already, and taking it into state would destroy it and make it again",
        why=f"cannot be changed in place: {', '.join(change.replace_paths) or 'terraform does not say what'}",
        next="bring the configuration into line with what exists, or remove the object by hand",
    )


def _take_over(change: Change, different: tuple[str, ...]) -> Finding:
    return Finding(
        guard="adoption",
        severity=Severity.WARN,
        verdict="silent-take-over",
        address=change.address,
        what=f"{change.imports} exists already; without the adoption it would have been overwritten without a word",
        why=" ".join(_said(change, different)),
        next="look at it before you apply, if somebody else may rely on it",
    )


def _adopted(change: Change, different: tuple[str, ...]) -> Finding:
    return Finding(
        guard="adoption",
        severity=Severity.INFO,
        verdict="changed-in-place" if different else "adopted-clean",
        address=change.address,
        what=f"{change.imports} exists already and is taken into state",
        why=" ".join(_said(change, different)),
    )


def _said(change: Change, different: tuple[str, ...]) -> Iterator[str]:
    named = [f"{name} (known after the apply)" if change.unknown.get(name) is True else name for name in different]
    yield f"Then it is changed in place: {', '.join(named)}." if named else "Nothing about it changes."
    if _unmarked(change):
        yield "No tag says whose it is: it is an orphan of this environment, or was made by hand."


def _unmarked(change: Change) -> bool:
    """The plan would write whose it is, and it does not say so. A part of something has no tags to say it with."""
    return bool(ownership.marks(tags_of(change.after))) and not ownership.marks(tags_of(change.before))
