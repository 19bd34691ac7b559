from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferry import config as reading
from ferry.config import ImageArtifact
from ferry.errors import ConfigError
from ferry.lockfile import FILE, Lock, load, named, parse, render, stale

ROOT = Path(__file__).parent.parent
OURS = reading.load(ROOT / "ferry.toml")
SLIM, ADAPTER = "python:3.13-slim", "public.ecr.aws/awsguru/aws-lambda-adapter:0.9.1"
D1, D2 = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
GOOD = Lock(python="3.13.5", images={SLIM: D1, ADAPTER: D2})
TEXT = f"""\
# Written by `ferry lock`: what the names in ferry.toml stand for. Reviewed like any lock file, not edited.
version = 1
python = "3.13.5"

[images]
"{ADAPTER}" = "{D2}"
"{SLIM}" = "{D1}"
"""

DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256:{}".format)
NAMES = st.from_regex(
    r"[a-z][a-z0-9.-]{0,9}(/[a-z0-9._-]{1,9}){0,2}:[A-Za-z0-9_][A-Za-z0-9_.]{0,8}(@sha256:[0-9a-f]{64})?",
    fullmatch=True,
)
LOCKS = st.builds(Lock, python=st.sampled_from(["", "3.13.5", "3.9.100"]), images=st.dictionaries(NAMES, DIGESTS))


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert "ferry lock" in caught.value.next
    return caught.value


def mistakes(text: str) -> list[str]:
    return [str(mistake) for mistake in refusal(text).mistakes]


def test_it_is_a_text_that_people_can_review() -> None:
    assert render(GOOD) == TEXT
    assert parse(TEXT) == GOOD


@given(LOCKS, st.randoms())
def test_what_is_written_is_read_again_whatever_the_order(lock: Lock, random: object) -> None:
    pins = list(lock.images.items())
    random.shuffle(pins)  # type: ignore[attr-defined] # hypothesis types it as its own
    assert parse(render(lock)) == lock
    assert render(replace(lock, images=dict(pins))) == render(lock)


def test_no_file_is_an_empty_lock(tmp_path: Path) -> None:
    assert load(tmp_path) == Lock()
    (tmp_path / FILE).write_text(TEXT)
    assert load(tmp_path) == GOOD
    (tmp_path / FILE).write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert load(tmp_path) == GOOD


@pytest.mark.parametrize("version", ["2", '"1"', "true", "1.0", "[]", "-1"])
def test_a_lock_of_another_version_is_refused_by_name(version: str) -> None:
    error = refusal(TEXT.replace("version = 1", f"version = {version}"))
    [mistake] = error.mistakes
    assert (mistake.line, mistake.key) == (2, "version")
    assert mistake.found.startswith("version ")
    assert mistake.allowed == "1, the version that this Ferry reads"
    assert error.next == "use the Ferry that wrote it, or write it anew: ferry lock"


def test_a_lock_without_a_version_is_refused() -> None:
    assert mistakes("") == ["ferry.lock:1: version: found nothing; allowed: 1, the version that this Ferry reads"]


@pytest.mark.parametrize(
    ("good", "bad", "line", "says"),
    [
        (D1, "sha256:12", 7, "images.'python:3.13-slim': found 'sha256:12'; allowed: a digest"),
        (f'"{SLIM}" =', "python =", 7, "images.python: found the name 'python'; allowed: an image with its tag"),
        ('"3.13.5"', '"3.13"', 3, "python: found '3.13'; allowed: a full version of Python"),
        ("python =", "pythn =", 3, "pythn: found an unknown key; allowed: python, images (did you mean 'python'?)"),
        ("[images]", "images = 3", 5, "images: found 3; allowed: a table"),
    ],
)
def test_each_mistake_is_told_with_its_line(good: str, bad: str, line: int, says: str) -> None:
    text = TEXT.replace(good, bad) if good != "[images]" else TEXT.partition("[images]")[0] + bad
    assert len(mistakes(text)) == 1
    assert mistakes(text)[0].startswith(f"ferry.lock:{line}: {says}")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"version = 1\n<<<<<<< HEAD\n", id="a merge in the middle"),
        pytest.param(b"version = 1\npython = '\xff'\n", id="not UTF-8"),
        pytest.param(b"version = 1\nimages = " + b"[" * 100_000, id="nested too deep"),
        pytest.param(b"version = " + b"1" * 5000, id="a number too long"),
    ],
)
def test_what_is_not_toml_is_an_error_of_ours(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ConfigError, match=r"ferry\.lock has 1 mistake") as caught:
        load(tmp_path)
    assert caught.value.next == "write it anew: ferry lock"


def test_what_cannot_be_read_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(ConfigError, match=r"ferry\.lock has 1 mistake"):
        load(tmp_path)


# When it is out of date.


def with_images(base: str, adapter: str | None) -> reading.Config:
    image = OURS.artifacts["sse-streaming"]
    assert isinstance(image, ImageArtifact)
    assert image.recipe
    own = replace(image, recipe=None, dockerfile="Dockerfile", inputs=("src",))
    recipe = replace(image.recipe, base=base, adapter=adapter)
    return replace(OURS, artifacts={"a": replace(image, recipe=recipe), "b": replace(image, recipe=recipe), "c": own})


def test_what_ferry_toml_names_is_named_once() -> None:
    assert named(OURS) == (SLIM, ADAPTER)
    assert named(with_images(SLIM, ADAPTER)) == (SLIM, ADAPTER)
    assert named(with_images(SLIM, None)) == (SLIM,)


def test_a_lock_that_fits_is_not_stale() -> None:
    assert stale(GOOD, OURS) == ()


def test_what_the_lock_lacks_and_what_it_has_too_much_is_told() -> None:
    assert stale(GOOD, with_images("python:3.13-alpine", None)) == (
        "no pin of python:3.13-alpine",
        f"a pin of {ADAPTER}, which ferry.toml does not name",
        f"a pin of {SLIM}, which ferry.toml does not name",
    )


def test_an_empty_lock_lacks_everything() -> None:
    assert stale(Lock(), OURS) == ("no version of Python", f"no pin of {SLIM}", f"no pin of {ADAPTER}")


def test_what_names_its_digest_itself_needs_no_pin() -> None:
    exact = f"{SLIM}@{D1}"
    assert stale(Lock(python="3.13.5"), with_images(exact, None)) == ()
    assert stale(Lock(python="3.13.5", images={exact: D1}), with_images(exact, None)) == (
        f"a pin of {exact}, which ferry.toml does not name",
    )


@pytest.mark.parametrize("python", ["3.12.9", "3.14.0", "3.130.1"])
def test_a_python_that_ferry_does_not_build_for_is_stale(python: str) -> None:
    assert stale(replace(GOOD, python=python), OURS) == (f"Python {python}, where Ferry builds for 3.13",)
