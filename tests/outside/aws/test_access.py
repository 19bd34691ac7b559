from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ferry.errors import CredentialsError
from ferry.outside.aws import Access, Credentials, failures
from ferry.outside.aws.access import without_aws
from tests.outside.aws.small_aws import NOBODY, SECRET, small_aws

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {"AccessKeyId": "AKIA", "SecretAccessKey": "planted"}
TOKEN = "planted-token"


def test_credentials_are_read_as_the_aws_cli_prints_them() -> None:
    printed = json.dumps({"Version": 1, **KEYS, "SessionToken": TOKEN, "Expiration": "2026-01-01T00:00:00Z"})
    assert Credentials.read(f"\n{printed}\n") == Credentials(key="AKIA", secret="planted", token=TOKEN)


def test_credentials_of_a_user_have_no_token() -> None:
    assert Credentials.read(json.dumps({**KEYS, "SessionToken": None})).secrets() == ("planted",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "planted",
        '["planted"]',
        '"planted"',
        "null",
        '{"AccessKeyId": "planted"}',
        '{"AccessKeyId": null, "SecretAccessKey": "planted"}',
        '{"AccessKeyId": "AKIA", "SecretAccessKey": null}',
        '{"AccessKeyId": "planted", "SecretAccessKey": " "}',
        "[" * 100_000,
    ],
)
def test_what_are_no_credentials_is_not_shown(text: str) -> None:
    with pytest.raises(CredentialsError, match="not the JSON of a credential process") as caught:
        Credentials.read(text)
    assert "planted" not in f"{caught.value} {caught.value.why} {caught.value.__context__} {caught.value.__cause__}"


def test_no_secret_is_printed() -> None:
    credentials = Credentials(key="AKIA", secret="planted", token=TOKEN)
    assert "planted" not in f"{credentials!r} {Access(region='eu-central-1', credentials=credentials)!r}"


def test_a_program_gets_what_it_needs_and_nothing_empty() -> None:
    assert Access(region="eu-central-1", credentials=NOBODY).environment() == {
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": NOBODY.key,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def test_of_the_callers_aws_nothing_is_handed_on() -> None:
    caller = {"AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "theirs", "PATH": "/bin", "LAWS_": "x"}
    assert without_aws(caller) == {"PATH": "/bin", "LAWS_": "x"}


def test_a_profile_that_does_not_exist_stops_no_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\nregion = nowhere\n[profile work]\nregion = elsewhere\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    assert Access(region="eu-central-1", credentials=NOBODY).client("ecr").meta.region_name == "eu-central-1"


def test_a_stand_in_is_asked_directly_whatever_proxy_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with small_aws(DescribeLogGroups=(200, {"logGroups": []})) as aws, failures.translated("logs"):
        aws.access().client("logs").describe_log_groups()
    assert aws.history == ["DescribeLogGroups"]
