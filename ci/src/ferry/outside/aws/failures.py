"""botocore's errors become Ferry's here, and nowhere else."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ferry.errors import AwsError, CredentialsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.exceptions import ClientError

UNKNOWN_CALLER = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "InvalidToken",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}


def is_absent(error: ClientError) -> bool:
    """S3 says so by its status alone: a HEAD has no body for a code."""
    return bool(error.response["ResponseMetadata"]["HTTPStatusCode"] == 404)


def code(error: AwsError) -> str:
    """What AWS called it; nothing where it was not AWS that said so."""
    return str(getattr(error.__cause__, "response", {}).get("Error", {}).get("Code", ""))


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Wrap calls of boto3. Only botocore's own errors are caught: anything else is a mistake of ours."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow, and most calls need none

    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        kind = CredentialsError if said.get("Code") in UNKNOWN_CALLER else AwsError
        raise kind(
            f"AWS refused a call: {said.get('Code', 'no code')}",
            where=where,
            why=said.get("Message", str(error)),
            next="check who you are (aws sts get-caller-identity) and what that identity may do",
        ) from error
    except BotoCoreError as error:
        raise AwsError(
            "AWS could not be reached", where=where, why=str(error), next="check the network and the endpoint"
        ) from error
