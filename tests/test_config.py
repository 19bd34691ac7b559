import copy
import json
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ferry import shape
from ferry.config import Config, ImageArtifact, ZipArtifact, config_schema, fill, load, parse, schema_text
from ferry.errors import ConfigError
from ferry.model import Approval, Threshold

ROOT = Path(__file__).parent.parent
GOOD = (ROOT / "ferry.toml").read_text()
BROKEN = sorted((ROOT / "tests/broken_configs").glob("*.toml"))
# every message on one page, to be read as a user would
MESSAGES = (ROOT / "tests/broken_configs/messages.txt").read_text().splitlines()
FUZZ = settings(max_examples=200, deadline=None)
SCHEMA = Draft202012Validator(config_schema())

SYNTAX = {"duplicate_key", "nested_too_deep", "not_utf8", "number_huge", "quote_open"}
BETWEEN_FIELDS = {
    "account_of_another",
    "cache_among_images",
    "canary_is_no_zip",
    "deployer_shared",
    "dockerfile_without_inputs",
    "images_fewer_than_deployments",
    "packages_missing",
    "place_shared",
    "promotion_circle",
    "promotion_unknown",
    "source_same_name",
    "state_shared",
}


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return [str(mistake) for mistake in caught.value.mistakes]


def test_the_root_file_is_sound() -> None:
    config = load(ROOT / "ferry.toml")
    image = config.artifacts["sse-streaming"]

    assert isinstance(image, ImageArtifact)
    assert image.recipe
    assert image.recipe.port == 8080
    assert config.environments["prod"].promote_from == "preprod"
    assert [environment.account for environment in config.environments.values()] == ["111122223333", "444455556666"]


def test_what_an_environment_leaves_out_it_takes_from_the_project() -> None:
    config = parse(GOOD.replace('promote_from = "preprod"', 'promote_from = "preprod"\nregion = "eu-central-1"'))
    preprod, prod = config.environments["preprod"], config.environments["prod"]

    assert (preprod.name, preprod.region, preprod.state.region) == ("preprod", "us-east-1", "us-east-1")
    assert (prod.name, prod.region, prod.state.region) == ("prod", "eu-central-1", "eu-central-1")
    assert preprod.approval is Approval.BY_CHANGE


def test_prod_is_stopped_by_what_is_critical_and_preprod_by_nothing() -> None:
    environments = load(ROOT / "ferry.toml").environments

    assert environments["prod"].scan_stops_at is Threshold.CRITICAL
    assert environments["preprod"].scan_stops_at is Threshold.NEVER


def test_artifacts_may_share_a_cache() -> None:
    data = tomllib.loads((ROOT / "tests/broken_configs/cache_among_images.toml").read_text())
    data["artifacts"]["page"]["cache"] = "{env}-cache"

    images = shape.read(Config, data).artifacts.values()

    assert {image.cache for image in images if isinstance(image, ImageArtifact)} == {"{env}-cache"}


def test_the_kind_decides_which_keys_an_artifact_has() -> None:
    artifact = parse(GOOD).artifacts["ingestion"]

    assert isinstance(artifact, ZipArtifact)
    assert artifact.handler == "ingestion.handler.handle"
    assert fill(artifact.package, env="prod", project="x", name=artifact.name) == "prod/ingestion.zip"


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_broken_file_says_all_that_is_wrong(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path)

    messages = [str(mistake).removeprefix(f"{path.parent}/") for mistake in caught.value.mistakes]
    assert messages == [message for message in MESSAGES if message.startswith(f"{path.name}:")]


def test_every_message_belongs_to_a_file_that_says_what_is_wrong_with_it() -> None:
    assert {message.split(":")[0] for message in MESSAGES} == {path.name for path in BROKEN}
    assert all(path.read_bytes().startswith(b"# ") for path in BROKEN)


def test_a_secret_that_was_written_by_mistake_is_not_repeated() -> None:
    assert not any("planted" in message for message in MESSAGES)


def test_the_schema_is_current() -> None:
    committed = (ROOT / "docs/reference/ferry.schema.json").read_text()

    assert committed == schema_text(), "run: uv run ferry config schema > docs/reference/ferry.schema.json"


def test_the_schema_accepts_the_root_file() -> None:
    Draft202012Validator.check_schema(json.loads(schema_text()))
    SCHEMA.validate(tomllib.loads(GOOD))


@pytest.mark.parametrize("path", [path for path in BROKEN if path.stem not in SYNTAX], ids=lambda path: path.stem)
def test_the_schema_sees_what_one_value_shows(path: Path) -> None:
    # JSON has no nan, so its schema cannot say that it is no number
    unseen = path.stem in BETWEEN_FIELDS | {"health_not_a_number"}

    assert SCHEMA.is_valid(tomllib.loads(path.read_text())) is unseen


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("none.toml", None, "{path}:1: the file: found a file that cannot be read: No such file or directory"),
        (".", None, "{path}:1: the file: found a file that cannot be read: Is a directory"),
        ("nul\0.toml", None, "{path}:1: the file: found a file that cannot be read: embedded null byte"),
        ("utf16.toml", "a = 1".encode("utf-16"), "{path}:1: the file: found the byte 0xff, which is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, expected: str) -> None:
    path = tmp_path / name
    if content:
        path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        load(path)

    assert caught.value.why == expected.format(path=path) + "; allowed: a TOML 1.0 file in UTF-8"


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "ferry.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())

    assert load(path) == parse(GOOD)


def test_an_environment_is_not_promoted_from_itself() -> None:
    text = GOOD.replace('promote_from = "preprod"', 'promote_from = "prod"')
    line = text.splitlines().index('promote_from = "prod"') + 1
    found = "found 'prod', which leads back here; allowed: a chain that has a beginning"

    assert mistakes(text) == [f"ferry.toml:{line}: environments.prod.promote_from: {found}"]


def test_lines_are_right_behind_everything_that_toml_can_hold() -> None:
    text = GOOD.replace('["python", "-m", "sse_streaming"]', '[ # ]\n"""\n]\n""",\n\'x\',\n3]')

    assert mistakes(text) == [
        "ferry.toml:21: artifacts.sse-streaming.recipe.command[2]: found 3; allowed: text in quotes"
    ]


def test_nothing_slow_is_imported() -> None:
    code = "import sys, ferry.config; print([name for name in sys.argv[1:] if name in sys.modules])"
    slow = ["asyncio", "boto3", "dagger", "httpx", "pydantic", "rich", "typer", "subprocess", "urllib.request"]
    done = subprocess.run([sys.executable, "-c", code, *slow], capture_output=True, check=True, text=True)

    assert done.stdout == "[]\n"


JUNK = st.sampled_from(
    [
        '""',
        "-1",
        "{}",
        "[]",
        "true",
        '"../x"',
        "1979-05-27",
        "nan",
        "[[",
        "'",
        '"""',
        "0x" + "f" * 20,
        "[a.b]",
        "#",
        "=",
        "\\",
    ]
) | st.text(st.characters(), max_size=6)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    lines = GOOD.splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        line, junk = lines[at], draw(JUNK)
        middle = draw(st.integers(0, len(line)))
        changes = [
            "",
            lines[other],
            f"{line[:middle]}{junk}{line[middle:]}",
            f"{line.split('=')[0]}= {junk}",
            line[:middle],
        ]
        lines[at] = draw(st.sampled_from(changes))
    return "\n".join(lines)


def parsed(text: str) -> Config | ConfigError:
    try:
        return parse(text)
    except ConfigError as error:
        return error


@FUZZ
@given(mutated() | st.text(st.characters()) | st.lists(JUNK).map("\n".join) | st.lists(JUNK).map("".join))
def test_any_text_is_a_config_or_mistakes_with_lines(text: str) -> None:
    outcome = parsed(text)

    if isinstance(outcome, Config):
        SCHEMA.validate(tomllib.loads(text))
        return
    assert outcome.mistakes
    for mistake in outcome.mistakes:
        assert 1 <= mistake.line <= text.count("\n") + 1
        assert str(mistake).isprintable()
        assert str(mistake).encode()


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=3)
    ),
)


@FUZZ
@given(st.data())
def test_any_data_in_any_place_is_a_config_or_misfits(data: st.DataObject) -> None:
    tree: Any = copy.deepcopy(tomllib.loads(GOOD))
    table = tree
    while isinstance(table[key := data.draw(st.sampled_from(sorted(table)))], dict) and data.draw(st.booleans()):
        table = table[key]
    table[key] = data.draw(PLAIN)
    with suppress(shape.Misshapen):
        shape.read(Config, tree)
