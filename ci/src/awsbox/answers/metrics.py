"""Metrics that CloudWatch makes from log lines: embedded metric format, and metric filters."""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from awsbox.rules import stores
from awsbox.seams import replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}
CONDITION = re.compile(r"\$\.(?P<field>[\w.-]+)\s*(?P<operator>!=|>=|<=|=|>|<)\s*(?P<value>\"[^\"]*\"|[^\s()&|]+)")
TERM = re.compile(r'(?P<sign>[-?]?)(?:"(?P<quoted>[^"]*)"|(?P<bare>\S+))')


@contextmanager
def seated() -> Iterator[None]:
    """Every line that reaches a log group passes the emulator's subscription filters: there it is read."""
    emulator = stores.own("cloudwatch_logs", "fanout_to_subscription_filters")

    def read(group: str, stream: str, events: list[dict[str, Any]]) -> None:
        emulator(group, stream, events)
        for event in events:
            embedded(event.get("message", ""))
            filtered(group, event.get("message", ""))

    with replaced(stores.service("cloudwatch_logs"), _fanout_to_subscription_filters=read):
        yield


def embedded(line: str) -> None:
    if '"_aws"' not in line:
        return
    said = _json(line)
    about = said.get("_aws") if said else None
    if not said or not isinstance(about, dict):
        return
    moment = about.get("Timestamp", time.time() * 1000) / 1000
    for directive in about.get("CloudWatchMetrics", []):
        for names in directive.get("Dimensions") or [[]]:
            dimensions = {name: str(said[name]) for name in names if name in said}
            for metric in directive.get("Metrics", []):
                _store(directive["Namespace"], metric, said.get(metric["Name"]), dimensions, moment)


def _store(namespace: str, metric: Mapping[str, Any], value: Any, dimensions: dict[str, str], moment: float) -> None:
    for number in value if isinstance(value, list) else [value]:
        if isinstance(number, int | float):
            unit = metric.get("Unit", "None")
            stores.own("cloudwatch", "store_datum")(
                *(namespace, metric["Name"], dimensions, moment, unit, number),
                values=None,
                counts=None,
                stat_values=None,
            )


def filtered(group: str, line: str) -> None:
    for (named, _), filter in list(stores.own("cloudwatch_logs", "metric_filters").items()):
        if named == group and matches(filter.get("filterPattern", ""), line):
            for transformation in filter.get("metricTransformations", []):
                _transform(transformation, line)


def _transform(transformation: Mapping[str, Any], line: str) -> None:
    said = _json(line) or {}
    value = _value(transformation.get("metricValue", "1"), said)
    if value is None:
        return
    chosen = {name: _field(said, path) for name, path in (transformation.get("dimensions") or {}).items()}
    dimensions = {name: str(value) for name, value in chosen.items() if value is not None}
    metric = {"Name": transformation["metricName"], "Unit": transformation.get("unit", "None")}
    _store(transformation["metricNamespace"], metric, value, dimensions, time.time())


def _value(wanted: str, said: Mapping[str, Any]) -> float | None:
    found = _field(said, wanted) if wanted.startswith("$.") else wanted
    try:
        return float(found)
    except (TypeError, ValueError):
        return None


def matches(pattern: str, line: str) -> bool:
    """AWS's filter patterns, but for those of space-delimited lines: terms, "phrases", -not, ?or, and { $.json }."""
    pattern = pattern.strip()
    if pattern.startswith("{"):
        said = _json(line)
        return said is not None and _conditions(pattern[1:-1], said)
    terms = [(match["sign"], match["quoted"] or match["bare"] or "") for match in TERM.finditer(pattern)]
    either = [text for sign, text in terms if sign == "?"]
    if any(text in line for sign, text in terms if sign == "-"):
        return False
    if either and not any(text in line for text in either):
        return False
    return all(text in line for sign, text in terms if not sign)


def _conditions(text: str, said: Mapping[str, Any]) -> bool:
    """`&&` binds before `||`; brackets are not read."""
    return any(all(_condition(one, said) for one in either.split("&&")) for either in text.split("||"))


def _condition(text: str, said: Mapping[str, Any]) -> bool:
    match = CONDITION.search(text)
    if not match:
        return False
    found, wanted = _field(said, f"$.{match['field']}"), match["value"]
    if isinstance(found, bool) or found is None:
        return match["operator"] == "=" and json.dumps(found) == wanted.strip('"').lower()
    if isinstance(found, int | float):
        try:
            return COMPARED[match["operator"]](found, float(wanted.strip('"')))
        except ValueError:
            return False
    glob = ".*".join(re.escape(part) for part in wanted.strip('"').split("*"))
    same = re.fullmatch(glob, str(found), re.DOTALL) is not None
    return same if match["operator"] == "=" else match["operator"] == "!=" and not same


def _field(said: Mapping[str, Any], path: str) -> Any:
    found: Any = said
    for name in path.removeprefix("$.").split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _json(line: str) -> dict[str, Any] | None:
    if "{" not in line:
        return None
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None
