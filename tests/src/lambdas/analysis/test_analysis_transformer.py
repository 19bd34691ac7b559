"""The code that runs DistilBERT, on a model of its kind that is small enough to be made here."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from analysis.models.transformer import Transformer
from sentiment.articles import Label, Sentiment
from sentiment.errors import Rejected, SettingsError
from tests.src.lambdas.analysis.tiny_model import USUAL, files, make_graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ANALYSIS = Path(__file__).parents[4] / "src/lambdas/analysis"


def written(folder: Path, files: Mapping[str, bytes]) -> dict[str, Path]:
    places = {name: folder / name for name in files}
    for name, place in places.items():
        place.write_bytes(files[name])
    return places


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> Transformer:
    return Transformer(written(tmp_path_factory.mktemp("model"), files()))


@pytest.mark.parametrize(
    ("text", "label", "logit"),
    [
        ("Good", Label.POSITIVE, 1),
        ("the goodness", Label.POSITIVE, 1),
        ("bad bad", Label.NEGATIVE, -2),
        ("good, bad", Label.NEUTRAL, 0),
        ("mild", Label.NEUTRAL, 0.1),
        ("mild mild mild", Label.POSITIVE, 0.3),
        ("a word it never saw", Label.NEUTRAL, 0),
        ("", Label.NEUTRAL, 0),
        ("\N{GRINNING FACE}\0\u200f", Label.NEUTRAL, 0),
    ],
)
@pytest.mark.req("R-12")
def test_the_score_is_what_the_softmax_makes_of_the_logits(
    transformer: Transformer, text: str, label: Label, logit: float
) -> None:
    # Of two logits, -x and x, the softmax's parts differ by the hyperbolic tangent of x.
    score = round(math.tanh(logit), 4)
    assert transformer.judge(text) == Sentiment(label=label, score=score, model="distilbert-sst2")


def test_logits_of_any_size_have_a_score(transformer: Transformer) -> None:
    assert transformer.judge("bad " * 500).score == -1
    assert transformer.judge("good " * 500).score == 1


def test_a_long_text_is_judged_by_its_first_512_tokens(transformer: Transformer) -> None:
    """Two of them are the model's own marks. Beyond, the tiny model has no position, as the real one has none."""
    assert transformer.judge("the " * 509 + "good").label is Label.POSITIVE
    assert transformer.judge("the " * 510 + "good").label is Label.NEUTRAL
    assert transformer.judge("bad " * 510 + "good " * 100_000).score == -1


@pytest.mark.parametrize("inputs", [("input_ids",), USUAL, (*USUAL, "token_type_ids"), ("token_type_ids", "input_ids")])
def test_a_graph_is_fed_what_it_asks_for(tmp_path: Path, inputs: Sequence[str]) -> None:
    transformer = Transformer(written(tmp_path, files(make_graph(inputs=inputs))))
    assert transformer.judge("good").score == round(math.tanh(1), 4)


@pytest.mark.parametrize("word", ["broken", "endless"])
def test_a_text_that_the_model_fails_on_is_rejected_and_the_next_is_not(transformer: Transformer, word: str) -> None:
    """The first makes it say no number; the second is a word that the tokenizer has and the graph has not."""
    with pytest.raises(Rejected, match="distilbert-sst2 cannot read the text: "):
        transformer.judge(word)
    assert transformer.judge("good").label is Label.POSITIVE


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (files(b"no graph"), "fit their hashes and do not work: .*"),
        (files(b""), "fit their hashes and do not work: .*"),
        (files(tokenizer="{}"), "fit their hashes and do not work: .*"),
        (files(tokenizer="\N{GRINNING FACE}"), "fit their hashes and do not work: .*"),
        (files(make_graph(labels=3)), r"its output has the shape \(1, 3\)"),
        (files(make_graph(inputs=("input_ids", "pixels"))), "its graph asks for pixels: it can have attention_mask, "),
    ],
)
def test_a_model_that_cannot_work_is_found_when_it_is_loaded(
    tmp_path: Path, broken: Mapping[str, bytes], says: str
) -> None:
    with pytest.raises(SettingsError, match=says):
        Transformer(written(tmp_path, broken))


IMPORTED_AS = {
    "huggingface-hub": "huggingface_hub",
    "flatbuffers": "flatbuffers",
    "packaging": "packaging",
    "protobuf": "google.protobuf",
}
WITHOUT = """
import sys
from pathlib import Path

path, names, folder = sys.argv[1:]
sys.path[:0] = path.split(":")
sys.modules |= dict.fromkeys(names.split(","))  # None there: importing it fails
import analysis.handler
from analysis.models.transformer import Transformer
files = {name: Path(folder) / name for name in ("model.onnx", "tokenizer.json")}
print(Transformer(files).judge("good").label)
"""


@pytest.mark.slow  # an interpreter of its own
def test_what_the_lock_leaves_out_is_not_missed(tmp_path: Path) -> None:
    lines = (ANALYSIS / "requirements.excludes").read_text().splitlines()
    left_out = [line for line in lines if not line.startswith("#")]
    assert left_out
    locked = [line.partition("==")[0] for line in (ANALYSIS / "requirements.lock").read_text().splitlines()]
    assert not set(left_out) & set(locked)
    written(tmp_path, files())
    names = ",".join(IMPORTED_AS[name] for name in left_out)
    process = subprocess.run(
        [sys.executable, "-c", WITHOUT, ":".join(sys.path), names, str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (process.stdout.strip(), process.stderr, process.returncode) == ("positive", "", 0)
