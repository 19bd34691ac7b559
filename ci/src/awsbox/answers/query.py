"""The query protocol: a request's flat names as a document, and a document as XML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

WHOLE = frozenset({"Period", "EvaluationPeriods", "DatapointsToAlarm", "ActionsSuppressorWaitPeriod"})
WHOLE |= {"ActionsSuppressorExtensionPeriod", "MaxRecords"}
NUMBERS = frozenset({"Threshold"})
TRUTHS = frozenset({"ActionsEnabled", "ReturnData"})


def document(flat: Mapping[str, str]) -> dict[str, Any]:
    """`Metrics.member.1.MetricStat.Period=60` becomes {"Metrics": [{"MetricStat": {"Period": 60}}]}."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *way, last = name.split(".")
        at = tree
        for step in way:
            at = at.setdefault(step, {})
        at[last] = _typed(last, value)
    return {name: _listed(value) for name, value in tree.items() if name not in {"Action", "Version"}}


def _typed(name: str, value: str) -> Any:
    if name in WHOLE:
        return int(value)
    if name in NUMBERS:
        return float(value)
    return value == "true" if name in TRUTHS else value


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    members = value.get("member")
    if isinstance(members, dict):
        return [_listed(members[number]) for number in sorted(members, key=int)]
    return {name: _listed(inner) for name, inner in value.items()}


def xml(value: Any) -> str:
    if isinstance(value, dict):
        said = {name: inner for name, inner in value.items() if inner is not None}
        return "".join(f"<{name}>{xml(inner)}</{name}>" for name, inner in said.items())
    if isinstance(value, list):
        return "".join(f"<member>{xml(inner)}</member>" for inner in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(str(value))
