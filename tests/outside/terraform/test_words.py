from __future__ import annotations

import json

import pytest

from ferry.errors import TerraformFailed, ToolError
from ferry.outside.terraform import words

FAILED = """
│ Warning: Deprecated
╷
│ Error: creating S3 Bucket (page): BucketAlreadyExists
│
│   with aws_s3_bucket.page,
│   on main.tf line 1, in resource "aws_s3_bucket" "page":
╵
Error: second
"""


def test_a_lock_file_that_is_there_is_law() -> None:
    assert "-lockfile=readonly" in words.init({}, locked=True)
    assert "-lockfile=readonly" not in words.init({}, locked=False)


def test_the_state_is_locked_and_encrypted() -> None:
    settings = words.backend(bucket="state", key="a/b", region="eu-central-1", stand_in=False)
    assert settings == {
        "bucket": "state",
        "key": "a/b",
        "region": "eu-central-1",
        "use_lockfile": "true",
        "encrypt": "true",
    }
    assert words.init(settings, locked=True)[-5:-3] == ("-backend-config=bucket=state", "-backend-config=key=a/b")


def test_a_state_with_a_key_of_its_own_is_encrypted_with_it() -> None:
    said = words.backend(bucket="s", key="k", region="r", kms_key="alias/state", stand_in=False)
    assert said["kms_key_id"] == "alias/state"


def test_only_an_apply_holds_the_states_lock() -> None:
    assert "-lock=false" in words.plan("plan", "")
    assert "-lock=false" not in words.apply("plan")


def test_a_stand_in_is_told_apart_in_files_of_ferrys_own() -> None:
    assert words.backend(bucket="s", key="k", region="r", stand_in=True)["use_path_style"] == "true"
    assert json.loads(words.override())["provider"]["aws"]["s3_use_path_style"] is True


def test_an_environment_without_variables_has_no_file_of_them() -> None:
    assert not any("var-file" in word for word in words.plan("plan", ""))
    assert "-var-file=a.tfvars" in words.plan("plan", "a.tfvars")


def test_nothing_waits_for_an_answer() -> None:
    for said in (words.init({}, locked=True), words.plan("plan", ""), words.apply("plan")):
        assert {"-input=false", "-no-color"} <= set(said)


def test_what_changes_something_tells_of_it_as_it_happens() -> None:
    for said in (words.init({}, locked=True), words.plan("plan", ""), words.apply("plan")):
        assert "-json" in said


def test_inputs_are_the_same_text_for_the_same_release() -> None:
    one, two = {"b": "2", "a": "1"}, {"a": "1", "b": "2"}
    assert words.inputs("prod", "arn", one, {}) == words.inputs("prod", "arn", two, {})


def test_each_import_has_its_exact_address() -> None:
    address = 'module.web["a b"].aws_s3_bucket.page[0]'
    assert json.loads(words.imports({address: "page"})) == {"import": [{"to": address, "id": "page"}]}


def test_outputs_are_name_to_value() -> None:
    assert words.outputs('{"url": {"sensitive": true, "type": "string", "value": "x"}}') == {"url": "x"}
    assert words.outputs("{}") == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '{"url": "planted"}',
        '{"url": {"sensitive": "planted"}}',
        '\nWarning: Deprecated Parameter\n{"url": {"value": "planted"}}',
    ],
)
def test_outputs_that_are_no_json_are_an_error_that_shows_none_of_them(text: str) -> None:
    with pytest.raises(TerraformFailed, match="terraform output is not JSON") as caught:
        words.outputs(text)
    assert "planted" not in caught.value.why


def test_the_first_error_names_the_failure() -> None:
    failure = words.failed("apply", 1, "Error: no such bucket\n\n  with aws_s3_bucket.page\n")
    assert failure.what == "terraform apply failed: no such bucket"
    assert failure.why == "Error: no such bucket\nwith aws_s3_bucket.page"


def test_terraforms_frames_are_taken_off() -> None:
    failure = words.failed("apply", 1, FAILED)
    assert failure.what == "terraform apply failed: creating S3 Bucket (page): BucketAlreadyExists"
    assert failure.why.startswith("Error: creating S3 Bucket (page): BucketAlreadyExists\nwith aws_s3_bucket.page,")
    assert not any(frame in failure.why for frame in "│╷╵")


def test_a_failure_without_a_word_has_its_exit_code() -> None:
    assert words.failed("plan", -9, "").what == "terraform plan failed: exit code -9"


@pytest.mark.parametrize("version", ["1.11.0", "1.11.4", "1.20.1", "2.0.0", "1.12.0-beta1"])
def test_a_terraform_that_is_new_enough_is_taken(version: str) -> None:
    text = json.dumps({"terraform_version": version, "platform": "linux_amd64"}, indent=2)
    assert words.version(text) == version


@pytest.mark.parametrize("version", ["0.12.31", "1.1.9", "1.10.5"])
def test_a_terraform_that_is_too_old_is_refused(version: str) -> None:
    with pytest.raises(ToolError, match=r"1\.11 or newer") as caught:
        words.version(json.dumps({"terraform_version": version}))
    assert caught.value.why == f"found {version}"


@pytest.mark.parametrize("text", ["", "{}", "Terraform v1.11.4\non linux_amd64\n", '{"terraform_version": "?"}'])
def test_a_terraform_that_does_not_say_its_version_is_refused(text: str) -> None:
    with pytest.raises(ToolError, match=r"1\.11 or newer"):
        words.version(text)


@pytest.mark.parametrize(
    ("name", "steers"),
    [("TF_WORKSPACE", True), ("TF_DATA_DIR", True), ("TF_CLI_ARGS_plan", True), ("TF_VAR_a", False), ("TF_LOG", False)],
)
def test_what_would_change_the_state_or_the_words_is_known(name: str, *, steers: bool) -> None:
    assert bool(words.STEERING.fullmatch(name)) is steers
