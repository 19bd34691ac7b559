"""What would destroy data, let go of it, or take away what protects it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ferry.guards.values import at, dotted, unknown
from ferry.model import Finding, Severity
from ferry.tfplan import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ferry.guards.context import Context
    from ferry.guards.values import Path
    from ferry.tfplan import Change, Plan

HOLDS_DATA = frozenset(
    {
        "aws_backup_vault",
        "aws_cloudwatch_log_group",
        "aws_cognito_user_pool",
        "aws_db_instance",
        "aws_docdb_cluster",
        "aws_dynamodb_table",
        "aws_ebs_volume",
        "aws_ecr_repository",
        "aws_efs_file_system",
        "aws_elasticache_replication_group",
        "aws_kinesis_stream",
        "aws_kms_external_key",
        "aws_kms_key",
        "aws_kms_replica_key",
        "aws_neptune_cluster",
        "aws_opensearch_domain",
        "aws_rds_cluster",
        "aws_redshift_cluster",
        "aws_s3_bucket",
        "aws_s3_directory_bucket",
        "aws_secretsmanager_secret",
        "aws_sqs_queue",
    }
)
"""What counts where nobody has said which types hold data: a plan of people who have no ferry.toml."""

DATABASES = ("aws_db_instance", "aws_rds_cluster", "aws_docdb_cluster", "aws_neptune_cluster")
KEYS = ("aws_kms_key", "aws_kms_external_key", "aws_kms_replica_key")
NEVER = 10**9
"""Days or seconds for what has no end."""


@dataclass(frozen=True, slots=True)
class Setting:
    """An attribute that protects data, and when a change of it does so no more.

    `weaker(before, after)` is asked with terraform's values, None where there is none.
    """

    types: tuple[str, ...]
    path: Path
    verdict: str
    weaker: Callable[[Any, Any], bool]
    why: str


def _off(before: object, after: object) -> bool:
    return before in {True, "ENABLED", "Enabled", "ACTIVE"} and after not in {True, "ENABLED", "Enabled", "ACTIVE"}


def _shorter(before: object, after: object, *, default: int = 0, endless: int | None = None) -> bool:
    """`default` is what AWS takes where nothing is said, `endless` the number that stands for no end."""
    was, will = (NEVER if value == endless else value for value in (before or default, after or default))
    return isinstance(was, int) and isinstance(will, int) and will < was


def _window(before: object, after: object) -> bool:
    """Windows are known to Terraform alone: AWS takes 30 days where it is not told, and 0 means at once."""
    was = 30 if before is None else before
    return isinstance(was, int) and isinstance(after, int) and after < was


def _other(before: object, after: object) -> bool:
    return bool(after) and before != after


_SETTINGS = (
    Setting(KEYS, ("deletion_window_in_days",), "shortens-window", _window, "the time to take a deletion back"),
    Setting(
        ("aws_secretsmanager_secret",),
        ("recovery_window_in_days",),
        "shortens-window",
        _window,
        "the time to take a deletion back; with 0 there is none",
    ),
    Setting(
        ("aws_cloudwatch_log_group",),
        ("retention_in_days",),
        "cuts-retention",
        partial(_shorter, endless=0),
        "AWS deletes what is older, for good",
    ),
    Setting(
        ("aws_sqs_queue",),
        ("message_retention_seconds",),
        "cuts-retention",
        partial(_shorter, default=345_600),
        "messages that are older go, unread",
    ),
    Setting(
        ("aws_kinesis_stream",),
        ("retention_period",),
        "cuts-retention",
        partial(_shorter, default=24),
        "records that are older go, unread",
    ),
    Setting(DATABASES, ("backup_retention_period",), "cuts-retention", _shorter, "older backups go; with 0 all do"),
    Setting(
        ("aws_elasticache_replication_group",),
        ("snapshot_retention_limit",),
        "cuts-retention",
        _shorter,
        "older snapshots go; with 0 all do",
    ),
    Setting(
        ("aws_dynamodb_table",),
        ("point_in_time_recovery", "0", "enabled"),
        "stops-backups",
        _off,
        "every point that the table could be taken back to is gone at once",
    ),
    Setting(
        ("aws_s3_bucket",),
        ("versioning", "0", "enabled"),
        "stops-backups",
        _off,
        "from then on what is overwritten or deleted is gone",
    ),
    Setting(
        ("aws_s3_bucket_versioning",),
        ("versioning_configuration", "0", "status"),
        "stops-backups",
        _off,
        "from then on what is overwritten or deleted is gone",
    ),
    Setting(
        ("aws_dynamodb_table",),
        ("deletion_protection_enabled",),
        "unprotects",
        _off,
        "the next destroy takes the table",
    ),
    Setting(DATABASES, ("deletion_protection",), "unprotects", _off, "the next destroy takes the database"),
    Setting(
        ("aws_cognito_user_pool",), ("deletion_protection",), "unprotects", _off, "the next destroy takes all accounts"
    ),
    Setting(KEYS, ("is_enabled",), "disables-key", _off, "nothing that the key sealed can be read while it is off"),
    Setting(
        ("aws_dynamodb_table",),
        ("ttl", "0", "attribute_name"),
        "expires-items",
        _other,
        "items whose attribute holds a time that has passed are deleted within days, without a trace",
    ),
    Setting(
        ("aws_dynamodb_table",),
        ("ttl", "0", "enabled"),
        "expires-items",
        lambda before, after: after is True and not before,
        "items whose attribute holds a time that has passed are deleted within days, without a trace",
    ),
)

FORCES = {
    "force_destroy": "a destroy takes everything that is in it along",
    "force_delete": "a destroy takes everything that is in it along",
    "skip_final_snapshot": "a destroy leaves no snapshot behind",
}
"""Attributes that disarm a later destroy, and what that means."""

KEEPERS = ("aws_s3_bucket_versioning",)
"""Resources that are a protection: without them AWS protects no more."""


def findings(plan: Plan, context: Context) -> tuple[Finding, ...]:
    types = frozenset(context.stateful) or HOLDS_DATA
    return tuple(found for change in plan.changes.values() for found in _judged(change, types))


def _judged(change: Change, types: frozenset[str]) -> Iterator[Finding]:
    if change.type in types and (change.forgets or change.action in {Action.DESTROY, Action.REPLACE}):
        yield _lost(change)
    elif change.type in KEEPERS and change.action in {Action.DESTROY, Action.REPLACE}:
        yield _blocked(
            change,
            "stops-backups",
            f"it is {'taken away' if change.action is Action.DESTROY else 'taken away and made again'}",
            "without it AWS keeps no versions: what is overwritten or deleted meanwhile is gone",
        )
    elif change.action is Action.UPDATE:
        yield from _weakened(change)
        yield from _forced(change, types)
    elif change.action is Action.CREATE:
        yield from _born_disarmed(change, types)


def _lost(change: Change) -> Finding:
    if change.forgets:
        verdict, what = "forgets", "Terraform lets go of it: it stays in AWS, and belongs to nobody"
        why = "what is forgotten is neither kept up nor found again by the next plan, or is made a second time"
    elif change.action is Action.DESTROY:
        verdict, what = "destroys", "it would be destroyed, with all that is in it"
        why = f"Terraform says: {change.reason}" if change.reason else "this type holds data"
    else:
        paths = ", ".join(change.replace_paths) or change.reason or "Terraform does not say what"
        verdict, what = "replaces", "it would be destroyed with all that is in it, and an empty one made in its place"
        why = f"cannot be changed in place: {paths}{_schema(change)}"
    return _blocked(change, verdict, what, why)


def _schema(change: Change) -> str:
    keyed = [path for path in change.replace_paths if path.partition(".")[0] in {"hash_key", "range_key"}]
    if change.type != "aws_dynamodb_table" or not keyed:
        return ""
    return " (a table's key cannot change: make a second table, copy the items, and then let the first go)"


def _weakened(change: Change) -> Iterator[Finding]:
    for setting in _SETTINGS:
        if change.type not in setting.types:
            continue
        before, after = at(change.before, setting.path), at(change.after, setting.path)
        if before and unknown(change, setting.path):
            what = f"{dotted(setting.path)} is {before!r}, and only the apply will know what it becomes"
            yield _said(change, Severity.WARN, "not-known", what, setting.why)
        elif setting.weaker(before, after):
            what = f"{dotted(setting.path)} goes from {_shown(before)} to {_shown(after)}"
            # What AWS does not keep is not known of what is adopted. A log group that Lambda made keeps logs for ever.
            first = change.imports and not before
            severity = Severity.WARN if first else Severity.BLOCK
            yield _said(change, severity, setting.verdict, what, setting.why)


def _forced(change: Change, types: frozenset[str]) -> Iterator[Finding]:
    for name, why in FORCES.items():
        if change.type in types and at(change.before, (name,)) is not True:
            if at(change.after, (name,)) is True:
                # Terraform alone knows these: of what is adopted, nobody can say what was set.
                severity = Severity.WARN if change.imports else Severity.BLOCK
                yield _said(change, severity, "disarms", f"{name} is turned on", why)
            elif unknown(change, (name,)):
                yield _said(change, Severity.WARN, "not-known", f"only the apply will know {name}", why)


def _born_disarmed(change: Change, types: frozenset[str]) -> Iterator[Finding]:
    """There is nothing in it yet: this plan loses nothing, and a later one will not be asked."""
    on = [name for name in FORCES if at(change.after, (name,)) is True]
    at_once = change.type == "aws_secretsmanager_secret" and at(change.after, ("recovery_window_in_days",)) == 0
    said = [*(f"{name} is on" for name in on), *(["recovery_window_in_days is 0"] if at_once else [])]
    if change.type in types and said:
        why = "nothing is lost now; from now on a destroy of it is one that cannot be taken back"
        yield _said(change, Severity.WARN, "made-disarmed", f"it is made with {' and '.join(said)}", why)


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(value)


def _blocked(change: Change, verdict: str, what: str, why: str) -> Finding:
    return _said(change, Severity.BLOCK, verdict, what, why)


def _said(change: Change, severity: Severity, verdict: str, what: str, why: str) -> Finding:
    """A change that is meant is allowed for its one address, with a reason and a last day."""
    return Finding(
        guard="stateful",
        severity=severity,
        verdict=verdict,
        address=change.address,
        what=what,
        why=why,
        next=f'take the change back, or allow it: [[allow]] guard = "stateful", address = {change.address!r}',
    )
