"""DistilBERT, tuned on SST-2: its graph runs in onnxruntime, its words are cut by tokenizers; no torch.

Imported only where it is the model that was chosen: its packages cost time and memory at every cold start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime  # type: ignore[import-untyped] # it ships no types
from tokenizers import Tokenizer

from analysis.models import sentiment
from sentiment.errors import Rejected, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tokenizers import Encoding

    from sentiment.articles import Sentiment

LONGEST = 512
"""Tokens: DistilBERT knows no further position. A text's beginning says what it is about."""
NEGATIVE, POSITIVE = 0, 1
"""Where SST-2's labels stand in the output."""
KNOWN = frozenset({"input_ids", "attention_mask", "token_type_ids"})
"""All that a graph of this kind may ask for; each gets what it asks for."""
ERRORS_ONLY = 3


class Transformer:
    name = "distilbert-sst2"

    def __init__(self, files: Mapping[str, Path]) -> None:
        """Tried out at once: a model that cannot work is found before it judges anything."""
        try:
            self._tokenizer = _tokenizer(files["tokenizer.json"])
            self._session = _session(files["model.onnx"])
            self._inputs = _inputs(self._session)
            self._score("A good day.")
        except Exception as error:  # neither package has an error class of its own
            raise SettingsError(f"the model's files fit their hashes and do not work: {error}") from error

    def judge(self, text: str) -> Sentiment:
        try:
            return sentiment(self._score(text), self.name)
        except Exception as error:  # as above; it has worked before, so it is this text that does not
            raise Rejected(f"{self.name} cannot read the text: {error}") from error

    def _score(self, text: str) -> float:
        known = _known(self._tokenizer.encode(text))
        fed = {name: np.array([known[name]], dtype=np.int64) for name in self._inputs}
        return _balance(self._session.run(None, fed)[0])


def _tokenizer(place: Path) -> Tokenizer:
    """The file may ask for other lengths: those of its training."""
    tokenizer = Tokenizer.from_file(str(place))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LONGEST)
    return tokenizer


def _session(place: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    return onnxruntime.InferenceSession(str(place), options, providers=["CPUExecutionProvider"])


def _inputs(session: onnxruntime.InferenceSession) -> list[str]:
    inputs = [node.name for node in session.get_inputs()]
    if unknown := set(inputs) - KNOWN:
        raise ValueError(f"its graph asks for {', '.join(sorted(unknown))}: it can have {', '.join(sorted(KNOWN))}")
    return inputs


def _known(encoding: Encoding) -> dict[str, list[int]]:
    return {
        "input_ids": encoding.ids,
        "attention_mask": encoding.attention_mask,
        "token_type_ids": encoding.type_ids,
    }


def _balance(logits: np.ndarray) -> float:
    """The softmax's positive part less its negative one."""
    if logits.shape != (1, 2):
        raise ValueError(f"its output has the shape {logits.shape}, and (1, 2) is two labels for one text")
    powers = np.exp(logits[0] - logits[0].max())
    score = float((powers[POSITIVE] - powers[NEGATIVE]) / powers.sum())
    if not np.isfinite(score):
        raise ValueError(f"its output is {logits[0].tolist()}")
    return score
