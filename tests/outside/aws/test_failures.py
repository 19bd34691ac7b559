from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from ferry.errors import AwsError, CredentialsError, FerryError
from ferry.outside.aws import failures
from tests.outside.aws.small_aws import small_aws


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "because"}}, "GetRole")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ExpiredToken", CredentialsError),
        ("InvalidClientTokenId", CredentialsError),
        ("InvalidAccessKeyId", CredentialsError),
        ("SignatureDoesNotMatch", CredentialsError),
        ("AccessDenied", AwsError),
        ("ThrottlingException", AwsError),
    ],
)
def test_a_refusal_says_whether_it_is_about_who_we_are(code: str, kind: type[FerryError]) -> None:
    with pytest.raises(kind, match=code) as caught, failures.translated("iam:GetRole app"):
        raise refusal(code)
    assert (caught.value.where, caught.value.why) == ("iam:GetRole app", "because")


def test_a_refusal_without_a_code_is_one_too() -> None:
    with pytest.raises(AwsError, match="no code"), failures.translated("iam"):
        raise ClientError({}, "GetRole")


def test_an_aws_that_does_not_answer_is_named() -> None:
    with pytest.raises(AwsError, match="could not be reached"), failures.translated("iam"):
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")


def test_a_mistake_of_ours_is_not_passed_off_as_theirs() -> None:
    with pytest.raises(ZeroDivisionError), failures.translated("iam"):
        1 / 0  # noqa: B018


def test_a_refusal_on_the_wire_is_translated() -> None:
    denied = {"__type": "AccessDeniedException", "message": "not authorized to perform: logs:DescribeLogGroups"}
    with small_aws(DescribeLogGroups=(400, denied)) as aws:
        client = aws.access().client("logs")
        with pytest.raises(AwsError, match="AccessDenied") as caught, failures.translated("logs"):
            client.describe_log_groups()
    assert caught.value.why == denied["message"]
