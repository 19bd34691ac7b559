"""The table of failures: over recorded streams, and over what AWS is known to say where a box says nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ferry.errors import CredentialsError, TerraformFailed
from ferry.outside.terraform import events, failure
from ferry.outside.terraform.events import Diagnostic
from ferry.outside.terraform.failure import Kind
from tests.outside.terraform.test_events import heard


def aws(code: str, message: str, *, call: str = "X: Do", status: int = 400) -> str:
    answer = f"https response error StatusCode: {status}, RequestID: 1-a, {code}: {message}"
    return f"creating it: operation error {call}, {answer}"


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        ("exists", [(Kind.EXISTS, "RepositoryAlreadyExistsException", "aws_ecr_repository.app")]),
        (
            "denied",
            [
                (Kind.DENIED, "AccessDenied", "aws_sqs_queue.q"),
                (Kind.DENIED, "AuthorizationError", "aws_sns_topic.t"),
                (Kind.REFUSED, "ValidationException", "aws_dynamodb_table.t"),
                (Kind.AWS_DOWN, "InternalFailure", "aws_cloudwatch_log_group.l"),
            ],
        ),
        (
            "kms",
            [
                (Kind.PRINCIPAL, "MalformedPolicyDocumentException", "aws_kms_key.k"),
                (Kind.IMAGE, "InvalidParameterValueException", "aws_lambda_function.f"),
            ],
        ),
        ("stale", [(Kind.STALE, "", "")]),
        ("locked", [(Kind.LOCKED, "PreconditionFailed", "")]),
        ("push", [(Kind.STATE_LOST, "InternalError", ""), (Kind.STATE_LOST, "", "")]),
        ("provider", [(Kind.PROVIDER, "", "")]),
        ("badkey", [(Kind.CREDENTIALS, "InvalidClientTokenId", "")]),
        ("invalid", [(Kind.CONFIGURATION, "", "")]),
        ("nobucket", [(Kind.REFUSED, "NoSuchBucket", "")]),
    ],
)
def test_what_terraform_really_says_is_understood(stream: str, told: list[tuple[Kind, str, str]]) -> None:
    listener, _ = heard(f"{stream}.jsonl")
    found = [failure.classify(error) for error in listener.errors]
    assert [(one.kind, one.code, one.address) for one in found] == told


TABLE: list[tuple[str, str, Kind]] = [
    ("aws_kms_alias", aws("AlreadyExistsException", "An alias with the name exists"), Kind.EXISTS),
    ("aws_iam_role", aws("EntityAlreadyExists", "Role with name r already exists.", status=409), Kind.EXISTS),
    ("aws_dynamodb_table", aws("ResourceInUseException", "Table already exists: t"), Kind.EXISTS),
    ("aws_dynamodb_table", aws("ResourceInUseException", "Table is being created: t"), Kind.BUSY),
    ("aws_s3_bucket", "creating S3 Bucket (page): BucketAlreadyExists", Kind.EXISTS),
    ("aws_cloudwatch_log_group", aws("ResourceAlreadyExistsException", "The specified log group"), Kind.EXISTS),
    ("aws_secretsmanager_secret", aws("ResourceExistsException", "a secret with this name"), Kind.EXISTS),
    (
        "aws_secretsmanager_secret",
        aws("InvalidRequestException", "a secret with this name is already scheduled for deletion."),
        Kind.EXISTS,
    ),
    ("aws_secretsmanager_secret", aws("InvalidRequestException", "You can't do that."), Kind.REFUSED),
    ("aws_sqs_queue", aws("QueueAlreadyExists", "with different attributes"), Kind.EXISTS),
    ("aws_sqs_queue", aws("AWS.SimpleQueueService.QueueDeletedRecently", "You must wait 60 seconds"), Kind.BUSY),
    ("aws_sns_topic", aws("InvalidParameter", "Topic already exists with different tags"), Kind.EXISTS),
    ("aws_sns_topic", aws("InvalidParameter", "Invalid parameter: TopicName"), Kind.REFUSED),
    ("aws_lambda_function", aws("ResourceConflictException", "Function already exist: f", status=409), Kind.EXISTS),
    (
        "aws_lambda_function",
        aws("ResourceConflictException", "The operation cannot be performed: an update is in progress", status=409),
        Kind.BUSY,
    ),
    ("aws_budgets_budget", aws("DuplicateRecordException", "the budget already exists"), Kind.EXISTS),
    (
        "aws_kms_key",
        aws(
            "MalformedPolicyDocumentException",
            "The new key policy will not allow you to update the key policy in the future.",
        ),
        Kind.KEY_LOCKOUT,
    ),
    ("aws_s3_bucket_policy", aws("MalformedPolicy", "Invalid principal in policy"), Kind.PRINCIPAL),
    ("aws_kms_key", aws("MalformedPolicyDocumentException", "Syntax errors in policy."), Kind.REFUSED),
    (
        "aws_lambda_function",
        aws("InvalidParameterValueException", "The image manifest or layer media type is not supported."),
        Kind.IMAGE,
    ),
    ("aws_lambda_function", aws("InvalidParameterValueException", "The role cannot be assumed"), Kind.REFUSED),
    ("aws_iam_role", aws("LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000"), Kind.LIMIT),
    ("aws_dynamodb_table", aws("ThrottlingException", "Rate exceeded"), Kind.THROTTLED),
    (
        "aws_lambda_function",
        aws("TooManyRequestsException", "Rate exceeded", call="Lambda: X, exceeded maximum number of attempts, 25"),
        Kind.THROTTLED,
    ),
    ("aws_s3_bucket", "ThrottlingException: Rate exceeded\n\tstatus code: 400, request id: 1", Kind.THROTTLED),
    ("aws_sqs_queue", "waiting for SQS Queue: timeout while waiting for state to become 'equal'", Kind.TIMEOUT),
    ("aws_sqs_queue", aws("ExpiredTokenException", "The security token is expired"), Kind.CREDENTIALS),
    ("aws_sqs_queue", "Put https://sqs: dial tcp: lookup sqs: no such host", Kind.UNREACHABLE),
    ("aws_sqs_queue", "something nobody has seen", Kind.UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(("type", "text", "kind"), TABLE, ids=[f"{type}-{text[-25:]}" for type, text, _ in TABLE])
def test_type_code_and_message_decide_together(type: str, text: str, kind: Kind) -> None:
    said = failure.classify(Diagnostic(summary=text, address=f"{type}.it"))
    assert said.kind is kind
    assert said.cause
    assert said.next


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Inconsistent dependency lock file", Kind.PROVIDER),
        ("Failed to install provider", Kind.PROVIDER),
        ("Saved plan does not match the given state", Kind.STALE),
        ("No valid credential sources found", Kind.CREDENTIALS),
        ("execution halted", Kind.STOPPED),
    ],
)
def test_terraforms_own_errors_are_known_by_their_words(text: str, kind: Kind) -> None:
    assert failure.classify(Diagnostic(summary=text)).kind is kind


def test_who_may_not_do_what_is_named() -> None:
    message = "User: arn:u is not authorized to perform: kms:PutKeyPolicy on resource: arn:k because no"
    said = failure.classify(Diagnostic(summary=aws("AccessDeniedException", message), address="aws_kms_key.k"))
    assert (said.action, said.cause) == ("kms:PutKeyPolicy", "the deployer may not kms:PutKeyPolicy")
    assert "kms:PutKeyPolicy on arn:k" in said.next


def test_where_aws_names_no_action_the_call_is_it() -> None:
    text = aws("AccessDenied", "Access Denied", call="S3: PutObject", status=403)
    assert failure.classify(Diagnostic(summary=text)).action == "s3:PutObject"


def test_who_holds_the_lock_is_read_from_the_words() -> None:
    listener, _ = heard("locked.jsonl")
    said = failure.classify(listener.errors[0])
    assert said.holder is not None
    assert (said.holder.who, said.holder.operation) == ("root@vm", "apply")
    assert said.holder.created == datetime(2026, 11, 21, 19, 38, 50, tzinfo=UTC)
    assert f"terraform force-unlock -force {said.holder.id}" in said.next
    assert "root@vm holds it since 2026-11-21 19:38:50 UTC (6.0 s), for terraform apply" in said.cause


def test_a_mistake_in_the_configuration_has_its_line() -> None:
    listener, _ = heard("syntax.jsonl")
    error = listener.error("init", 1, "")
    assert isinstance(error, TerraformFailed)
    assert error.where == "main.tf:11"
    assert error.what == "terraform init failed: Unclosed configuration block"
    assert "Missing name for resource" in error.why


def test_credentials_have_an_error_of_their_own() -> None:
    listener, _ = heard("badkey.jsonl")
    assert isinstance(listener.error("init", 1, ""), CredentialsError)


def test_what_others_wrote_is_no_template() -> None:
    said = failure.classify(Diagnostic(summary="unexpected {address} in {0}"))
    assert said.cause == "unexpected {address} in {0}"


def test_every_rule_says_what_to_do() -> None:
    assert all(rule.cause and rule.next and (rule.codes or rule.says) for rule in failure.RULES)
    assert {rule.kind for rule in failure.RULES} | {Kind.REFUSED, Kind.CONFIGURATION, Kind.UNKNOWN} == set(Kind)


def test_another_error_comes_from_no_event() -> None:
    assert failure.of(TerraformFailed("x")) == ()
    assert not failure.is_stale(TerraformFailed("x"))


def test_the_log_is_enough_to_classify() -> None:
    said = events.logged(f'[ERROR] vertex "aws_iam_role.r" error: {aws("EntityAlreadyExists", "it is there")}')
    assert said is not None
    assert failure.classify(said).kind is Kind.EXISTS
