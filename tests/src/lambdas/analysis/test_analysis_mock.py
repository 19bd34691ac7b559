from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.models import NEUTRAL, sentiment
from analysis.models.mock import GLAD, NOT, SAD, Mock
from sentiment.articles import Label, Sentiment

HEADLINES = {
    "Banking crisis spreads": Label.NEGATIVE,
    "Markets rally as inflation eases": Label.POSITIVE,
    "Company publishes its annual report": Label.NEUTRAL,
    "Shares fall, then recover": Label.NEUTRAL,
    "This isn\N{RIGHT SINGLE QUOTATION MARK}t good": Label.NEGATIVE,
    "No recession in sight": Label.POSITIVE,
    "CRISIS!": Label.NEGATIVE,
    "crisiswear": Label.NEUTRAL,
    "\N{GRINNING FACE}": Label.NEUTRAL,
    "": Label.NEUTRAL,
}


@pytest.mark.req("R-12")
@pytest.mark.parametrize(("text", "label"), HEADLINES.items())
def test_headlines_are_judged_as_a_reader_would_expect(text: str, label: Label) -> None:
    assert Mock().judge(text).label is label


def test_more_words_of_a_kind_are_surer() -> None:
    scores = [Mock().judge(text).score for text in ("loss", "loss and fear", "loss, fear and panic")]
    assert scores == [-0.5, -0.6667, -0.75]


def test_no_word_means_both() -> None:
    assert not GLAD & SAD
    assert not (GLAD | SAD) & NOT


@given(st.text())
def test_any_text_gets_a_score_that_fits_its_label(text: str) -> None:
    said = Mock().judge(text)
    assert -1 < said.score < 1
    assert said == Mock().judge(text)
    assert said == sentiment(said.score, "mock-1")


@pytest.mark.parametrize("seed", ["1", "2"])
def test_another_process_says_the_same(seed: str) -> None:
    told = "from analysis.models.mock import Mock; print([Mock().judge(text).score for text in sys.argv[1:]])"
    path = f"import sys; sys.path[:0] = {sys.path!r}; "
    process = subprocess.run(
        [sys.executable, "-c", path + told, *HEADLINES],
        env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert process.stdout.strip() == str([Mock().judge(text).score for text in HEADLINES])


@pytest.mark.parametrize(
    ("score", "label", "kept"),
    [
        (1, Label.POSITIVE, 1),
        (NEUTRAL, Label.POSITIVE, 0.25),
        (0.249_96, Label.POSITIVE, 0.25),
        (0.249_94, Label.NEUTRAL, 0.2499),
        (0, Label.NEUTRAL, 0),
        (-0.249_94, Label.NEUTRAL, -0.2499),
        (-NEUTRAL, Label.NEGATIVE, -0.25),
    ],
)
def test_the_label_is_that_of_the_score_as_it_is_kept(score: float, label: Label, kept: float) -> None:
    assert sentiment(score, "any") == Sentiment(label=label, score=kept, model="any")
