"""Planted secrets, in every field of every event, through every reader."""

from __future__ import annotations

import base64
import html
import json
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferry.errors import ConfigError, Mistake, TerraformFailed
from ferry.model import Artifact, Finding, Kind, Severity
from ferry.report import Mask, Report
from ferry.report.events import Changes, Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Tell

READERS = ("tty", "plain", "github", "markdown", "html", "record", "error")
SECRET = 'c0rrect-h&rse"battery<staple>'


def plant(text: str) -> Callable[[Report], None]:
    def story(report: Report) -> None:
        with report.step("build", text) as step:
            step.say(text)
            step.done(text)
        with report.step("zips", text) as step:
            step.skip(text)
        report.found(
            Finding(guard=text, severity=Severity.BLOCK, verdict=text, address=text, what=text, why=text, next=text)
        )
        report.made(Artifact(name=text, kind=Kind.ZIP, key=text, digest=text, size=1, stand_ins=(text,)))
        report.changed(Changes(create=1), [Row(text, text, text)], diff=text)
        for error in errors(text):
            report.failed(error)

    return story


def errors(text: str) -> tuple[Exception, ...]:
    mistake = Mistake(file=text, line=1, key=text, found=text, allowed=text, nearest=text)
    return (
        TerraformFailed(text, where=text, why=text, next=text),
        ConfigError(text, (mistake,)),
        ZeroDivisionError(text),
    )


def basic(secret: str, user: str) -> str:
    return base64.b64encode(f"{user}:{secret}".encode()).decode()


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": lambda secret: json.dumps({"password": secret}),
    "json in json": lambda secret: json.dumps(json.dumps(secret)),
    "url": lambda secret: f"https://x.example/?p={quote(secret, safe='')}",
    "form": lambda secret: f"p={quote_plus(secret)}",
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "url-safe base64": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "AWS:password": lambda secret: basic(secret, "AWS"),
    "a:password": lambda secret: basic(secret, "a"),
    "me:password": lambda secret: basic(secret, "me"),
}


def leaks(secret: str) -> set[str]:
    """The ways a secret could be read in a report, whatever the reader did to it."""
    plain = {secret, json.dumps(secret)[1:-1], quote(secret, safe=""), quote_plus(secret)}
    coded = {base64.b64encode(b"\0" * before + secret.encode()).decode()[4:-4] for before in range(3)}
    return {html.escape(form) for form in plain | coded} | plain | coded


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("reader", READERS)
def test_a_registered_secret_is_in_no_report(tell: Tell, reader: str, encoding: str) -> None:
    mask = Mask()
    mask.register(SECRET)
    told = tell(reader, plant(ENCODINGS[encoding](SECRET)), mask=mask)
    assert "***" in told
    assert [leak for leak in leaks(SECRET) if leak in told] == []


CREDENTIALS = {
    "AKIAIOSFODNN7EXAMPLE": "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY": "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "FwoGZXIvYXdzEBYaDKexample123456": '{"SessionToken": "FwoGZXIvYXdzEBYaDKexample123456"}',
    "abc.def.ghi": "Authorization: Bearer abc.def.ghi",
    "QVdTOmV4YW1wbGU=": "authorization: Basic QVdTOmV4YW1wbGU=",
    "fe5f80f77d5fa3beca": "Authorization: AWS4-HMAC-SHA256 Credential=x, Signature=fe5f80f77d5fa3beca",
}


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("reader", READERS)
def test_a_credential_nobody_registered_is_in_no_report(tell: Tell, reader: str, credential: str) -> None:
    told = tell(reader, plant(CREDENTIALS[credential]))
    assert "***" in told
    assert credential not in told


@pytest.mark.parametrize("reader", READERS)
def test_a_key_of_many_lines_is_in_no_report(tell: Tell, reader: str) -> None:
    key = "MIIEvQIBADANBg\n  kqhkiG9w0BAQ\nEFAASCBKcwggSj"
    mask = Mask()
    mask.register(key)
    for text in (key, f"last line: {key.splitlines()[2]}", json.dumps(key)):
        told = tell(reader, plant(text), mask=mask)
        assert not any(line.strip() in told for line in key.splitlines())


SECRETS = st.text(min_size=12, max_size=40).filter(lambda text: len(text.strip()) >= 12)


@pytest.mark.parametrize("reader", READERS)
def test_no_secret_whatever_gets_into_a_report(tell: Tell, reader: str) -> None:
    @settings(max_examples=15, deadline=None)
    @given(secret=SECRETS, encoding=st.sampled_from(sorted(ENCODINGS)))
    def holds(secret: str, encoding: str) -> None:
        mask = Mask()
        mask.register(secret)
        text = ENCODINGS[encoding](secret)
        told = tell(reader, plant(text), mask=mask)
        assert not [leak for leak in leaks(secret) if len(leak) >= 12 and leak in told]

    holds()
