"""A model as small as one can be that is still of DistilBERT's kind: words have weights, and positions end at 512."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from onnx import NodeProto

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "mild", "the", "##ness", "broken", "endless")
FEELINGS = {"[PAD]": -0.5, "good": 1.0, "bad": -1.0, "mild": 0.1, "broken": float("nan")}
"""What each word adds to the positive logit, and takes from the negative one."""
USUAL = ("input_ids", "attention_mask")


def files(graph: bytes | None = None, tokenizer: str | None = None) -> dict[str, bytes]:
    return {
        "model.onnx": make_graph() if graph is None else graph,
        "tokenizer.json": (make_tokenizer() if tokenizer is None else tokenizer).encode(),
    }


def sha256s(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: sha256(content).hexdigest() for name, content in files.items()}


def make_tokenizer(*, truncated: int = 8, padded: int = 16) -> str:
    """Its file asks for lengths of its own, as published ones do."""
    model = models.WordPiece({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]")
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_truncation(truncated)
    tokenizer.enable_padding(length=padded)
    return tokenizer.to_str()


def make_graph(*, inputs: Sequence[str] = USUAL, labels: int = 2) -> bytes:
    weights = np.zeros((len(WORDS) - 1, labels), dtype=np.float32)  # the last word has no row: onnxruntime fails on it
    for word, feeling in FEELINGS.items():
        weights[WORDS.index(word), :2] = -feeling, feeling
    constants: dict[str, NDArray[Any]] = {
        "weights": weights,
        "positions": np.zeros((512, labels), dtype=np.float32),
        "types": np.zeros((2, labels), dtype=np.float32),
        "zero": np.array(0, dtype=np.int64),
        "one": np.array(1, dtype=np.int64),
        "second": np.array([1], dtype=np.int64),
        "third": np.array([2], dtype=np.int64),
    }
    shape = ["batch", "sequence"]
    graph = helper.make_graph(
        _nodes(inputs),
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in inputs],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", labels])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())


def _nodes(inputs: Sequence[str]) -> list[NodeProto]:
    nodes = [
        helper.make_node("Gather", ["weights", "input_ids"], ["words"]),
        helper.make_node("Shape", ["input_ids"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["length"]),
        helper.make_node("Range", ["zero", "length", "one"], ["places"]),
        helper.make_node("Gather", ["positions", "places"], ["placed"]),
        helper.make_node("Add", ["words", "placed"], ["0"]),
    ]
    last = "0"
    if "token_type_ids" in inputs:
        nodes.append(helper.make_node("Gather", ["types", "token_type_ids"], ["typed"]))
        nodes.append(helper.make_node("Add", [last, "typed"], ["1"]))
        last = "1"
    if "attention_mask" in inputs:
        nodes.append(helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Unsqueeze", ["mask", "third"], ["masks"]))
        nodes.append(helper.make_node("Mul", [last, "masks"], ["2"]))
        last = "2"
    return [*nodes, helper.make_node("ReduceSum", [last, "second"], ["logits"], keepdims=0)]


def as_setting(sha256s: Mapping[str, str]) -> str:
    return json.dumps(dict(sha256s))
