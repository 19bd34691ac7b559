from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest

from ferry.report import Mask

if TYPE_CHECKING:
    from collections.abc import Callable
from hypothesis import given
from hypothesis import strategies as st

SECRET = 'p&ss/w"rd+<é>=~1'


LIKE_EACH_OTHER = ("hunter2-token", "~~~~~~~~~~~~~", "\x7f?>?>?>?>?>?\x7f")


def masking(*secrets: str) -> Mask:
    mask = Mask()
    for secret in secrets:
        mask.register(secret)
    return mask


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"password is {SECRET}!", "password is ***!"),
        (json.dumps({"password": SECRET}), '{"password": "***"}'),
        (json.dumps({"password": SECRET}, ensure_ascii=False), '{"password": "***"}'),
        (json.dumps(json.dumps({"password": SECRET})), r'"{\"password\": \"***\"}"'),
        (
            r"{\"password\":\"p\u0026ss/w\"rd+\u003cé\u003e=~1\"}".replace('\\"', '"').replace('w"', r"w\""),
            '{"password":"***"}',
        ),
        (f"https://example.com/?p={quote(SECRET, safe='')}&x=1", "https://example.com/?p=***&x=1"),
        (f"https://example.com/?p={quote_plus(SECRET).lower()}", "https://example.com/?p=***"),
        (repr(SECRET + "'"), r"'***\''"),
    ],
)
def test_a_registered_secret_is_blank_however_it_is_written(text: str, masked: str) -> None:
    assert masking(SECRET).mask(text) == masked


@pytest.mark.parametrize("before", ["", "A", "AW", "AWS", "AWS:"])
@pytest.mark.parametrize("after", ["", "!", "!!"])
def test_base64_hides_it_at_every_alignment(before: str, after: str) -> None:
    """What is left does not depend on the secret: not one bit of it is there."""
    left = {masking(secret).mask(f"auth {b64(before + secret + after)} end") for secret in LIKE_EACH_OTHER}
    assert len(left) == 1
    assert "***" in left.pop()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("as AKIAIOSFODNN7EXAMPLE now", "as *** now"),
        ("role ASIAQWERTYUIOP123456", "role ***"),
        ("aws_secret_access_key = wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00", "aws_secret_access_key = ***"),
        ('{"SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}', '{"SecretAccessKey": "***"}'),
        ("got wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY back", "got *** back"),
        ('"SessionToken": "FwoGZXIvYXdzEBYaDKexample1234567890=="', '"SessionToken": "***"'),
        ("AWS_SESSION_TOKEN=IQoJb3JpZ2luX2VjEXAMPLE0123456789", "AWS_SESSION_TOKEN=***"),
        ("https://s3/x?X-Amz-Signature=0123456789abcdef0123&a=1", "https://s3/x?X-Amz-Signature=***&a=1"),
        ("Authorization: Bearer abcd", "Authorization: Bearer ***"),
        ("authorization: basic QVdTOnB3", "authorization: basic ***"),
        (
            "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/x, Signature=00\nnext",
            "Authorization: AWS4-HMAC-SHA256 ***\nnext",
        ),
        ("{'Authorization': 'Bearer a.b.c.d', 'Accept': '*/*'}", "{'Authorization': 'Bearer ***', 'Accept': '*/*'}"),
        ("[(b'Authorization', b'Basic QVdTOnB3'), 1]", "[(b'Authorization', b'Basic ***'), 1]"),
        ("Authorization: 0123456789abcdef", "Authorization: ***"),
        ("clone https://me:pa55word@github.com/x", "clone https://me:***@github.com/x"),
        ("GH_TOKEN=ghs_0123456789abcdefghijKLMNOP", "GH_TOKEN=***"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nok", "***\nok"),
    ],
)
def test_what_looks_like_a_credential_is_blank(text: str, masked: str) -> None:
    assert Mask().mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "commit 1f0e8a7c5b3d9e2f4a6b8c0d1e2f3a4b5c6d7e8f",
        "sha256:4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e",
        "CodeSha256 n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=",
        "arn:aws:iam::111122223333:role/sentiment-analyzer-preprod-deployer",
        "the basic authentication of a bearer of tokens",
        "infrastructure/terraform/modules/alarms/main.tf",
    ],
)
def test_what_people_need_to_read_stays(text: str) -> None:
    assert Mask().mask(text) == text


def test_every_line_of_a_secret_is_one() -> None:
    key = "first-half-of-it\n  second-half-of-it\nend"
    mask = masking(key)
    assert mask.mask(f"[{key}]") == "[***]"
    assert mask.mask("log: second-half-of-it") == "log: ***"
    assert mask.mask(json.dumps(key)) == '"***"'


@pytest.mark.parametrize("short", ["", " ", "abc", "\n\n\n\n", "a\nb\nc"])
def test_what_is_too_short_to_hide_blanks_nothing(short: str) -> None:
    assert masking(short).mask("abc a b c") == "abc a b c"


def test_secrets_that_overlap_leave_no_end() -> None:
    assert masking("abcdef", "defghi").mask("-abcdefghi-") == "-***-"
    assert masking("aaaa").mask("aaaaaa") == "***"


def test_a_blank_cannot_complete_another_secret() -> None:
    assert masking("x***y", "first-secret").mask("xfirst-secrety") == "***"


def test_colours_cannot_hide_a_secret() -> None:
    assert masking("hunter22").masked("pass hunt\x1b[1mer22\x1b[0m\a \u202ex") == "pass *** x"


SECRETS = st.text(min_size=4).filter(lambda secret: len(secret.strip()) >= 4)
ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda secret: secret,
    "json": json.dumps,
    "url": lambda secret: quote(secret, safe=""),
    "form": quote_plus,
    "base64": b64,
    "base64 of AWS:": lambda secret: b64("AWS:" + secret + "x"),
}


@given(secret=SECRETS, before=st.text(), after=st.text(), encoding=st.sampled_from(sorted(ENCODINGS)))
def test_no_secret_gets_out_and_masking_again_changes_nothing(
    secret: str, before: str, after: str, encoding: str
) -> None:
    mask = masking(secret)
    written = ENCODINGS[encoding](secret)
    masked = mask.mask(before + written + after)
    assert written not in masked
    assert secret not in masked
    assert mask.mask(masked) == masked


@given(secrets=st.lists(st.text(alphabet="ab*", min_size=4, max_size=8), max_size=4), text=st.text(alphabet="ab*"))
def test_secrets_made_of_each_other_do_not_get_out_either(secrets: list[str], text: str) -> None:
    masked = masking(*secrets).mask(text)
    assert not any(secret in masked for secret in secrets)


def test_a_hundred_thousand_lines_take_seconds_at_most() -> None:
    mask = masking(*(f"secret-number-{number}" for number in range(10)))
    line = "2026-11-20T10:00:00Z aws_lambda_function.sse: Still creating... [id=preprod-sse, 00m10s elapsed] token"
    start = time.perf_counter()
    for _ in range(20_000):
        mask.masked(line)
    assert time.perf_counter() - start < 2


def test_one_huge_hostile_text_is_quick() -> None:
    mask = masking("aaaa", "hunter22")
    start = time.perf_counter()
    for text in (
        "a" * 300_000,
        "Authorization: " * 20_000,
        "A" * 300_000 + "eyJ" * 50_000,
        "\x1b[" * 100_000,
        "://" * 50_000,
    ):
        mask.masked(text)
    assert time.perf_counter() - start < 3
