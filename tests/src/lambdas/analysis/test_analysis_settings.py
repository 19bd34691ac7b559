from __future__ import annotations

from datetime import timedelta

import pytest

from analysis.settings import Kind, Settings
from sentiment.errors import SettingsError
from sentiment.settings import Reader

LEAST = {"TABLE": "dev-sentiment", "DLQ_URL": "https://sqs/dlq"}
HASHES = f'{{"model.onnx": "{"A1" * 32}", "tokenizer.json": "{"b2" * 32}"}}'
TRANSFORMER = {**LEAST, "MODEL": "transformer", "MODEL_URI": "s3://models/sst2/1/", "MODEL_SHA256S": HASHES}


def test_nobody_who_says_nothing_gets_a_transformer() -> None:
    settings = Settings.read(Reader(LEAST))
    assert (settings.environment, settings.model, settings.files) == ("dev", Kind.MOCK, None)
    assert settings.keep == timedelta(days=30)


def test_the_mock_asks_for_no_files() -> None:
    assert Settings.read(Reader({**LEAST, "MODEL": "mock", "MODEL_URI": "nonsense"})).files is None


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("s3://models/sst2/1/", "s3://models/sst2/1/model.onnx"),
        ("s3://models/sst2/1", "s3://models/sst2/1/model.onnx"),
        ("s3://models/", "s3://models/model.onnx"),
        ("s3://models", "s3://models/model.onnx"),
    ],
)
def test_a_place_is_read_with_and_without_its_last_slash(uri: str, found: str) -> None:
    files = Settings.read(Reader({**TRANSFORMER, "MODEL_URI": uri})).files
    assert files
    assert files.uri("model.onnx") == found


def test_hashes_are_compared_in_small_letters() -> None:
    files = Settings.read(Reader(TRANSFORMER)).files
    assert files
    assert files.sha256s == {"model.onnx": "a1" * 32, "tokenizer.json": "b2" * 32}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TABLE", "", "TABLE is not set"),
        ("DLQ_URL", " ", "DLQ_URL is not set"),
        ("MODEL", "tranformer", "MODEL is 'tranformer': it must be one of mock, transformer"),
        ("RETENTION_DAYS", "0", "RETENTION_DAYS is '0'"),
        ("MODEL_URI", "", "MODEL_URI is not set"),
        ("MODEL_URI", "https://models/sst2/", "it must be like s3://bucket/prefix/"),
        ("MODEL_URI", "s3:///sst2/", "it must be like s3://bucket/prefix/"),
        ("MODEL_SHA256S", "", "MODEL_SHA256S is not set"),
        ("MODEL_SHA256S", "model.onnx=12", "it must be a JSON object"),
        ("MODEL_SHA256S", "[" * 100_000, "it must be a JSON object"),
        ("MODEL_SHA256S", "[]", "it must be a JSON object"),
        ("MODEL_SHA256S", '{"model.onnx": "12"}', "it must be a JSON object"),
        ("MODEL_SHA256S", HASHES.replace("b2", "zz"), "64 hexadecimal digits"),
        ("MODEL_SHA256S", '{"model.onnx": 1, "tokenizer.json": null}', "64 hexadecimal digits"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        Settings.read(Reader({**TRANSFORMER, name: value}))
