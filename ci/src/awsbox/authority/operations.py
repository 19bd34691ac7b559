"""Which operation of AWS an HTTP request is, and its arguments under the names that the API reference gives them.

Two protocols carry the name with them. For the REST ones (S3, Lambda) method, path, query and headers decide, by the
routes in botocore's models. A request that could be read as two operations is none: the emulator would choose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from awsbox.calls import Call

REST = frozenset({"lambda", "s3"})
LABEL = re.compile(r"\{(\w+)(\+?)\}")
DIGITS = re.compile(r"\d+")
LEVELS = ("member", "entry")  # words of the query protocol that carry no meaning

type Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Asked:
    operation: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Route:
    """One operation of a REST service. `query` and `headers` say under which name an argument goes on the wire."""

    operation: str
    method: str
    path: re.Pattern[str]
    literals: int
    """Parts of the path that are no label."""
    fixed: Mapping[str, str]
    """What the query must say; "" is a name without value."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    needed: frozenset[str]
    """Arguments outside the path without which there is no such call."""
    payload: str

    def read(self, path: str, query: Query, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]] | None:
        """How well the request fits, and what it says outside its body."""
        found = self.path.fullmatch(path)
        if not found or any(name not in query or value not in ("", *query[name]) for name, value in self.fixed.items()):
            return None
        said: dict[str, Any] = found.groupdict()
        said |= {name: _one(query[wire]) for wire, name in self.query.items() if wire in query}
        said |= {name: headers[wire] for wire, name in self.headers.items() if wire in headers}
        if not self.needed <= said.keys():
            return None
        return self.literals + len(self.fixed) + len(self.needed), said


def asked(call: Call) -> Asked | None:
    """None: nobody can say which operation this is."""
    fields = parse_qs(call.query, keep_blank_values=True)
    target = call.headers.get("x-amz-target", "")
    if call.service in REST:
        return None if target or "Action" in fields else _rest(call, fields)
    form = parse_qs(call.body.decode(errors="replace"), keep_blank_values=True) if call.form else {}
    said = [source for source in (fields, form) if "Action" in source]
    if target:
        arguments = None if said else _json(call.body)
        return None if arguments is None else Asked(target.rpartition(".")[2], arguments)
    if len(said) != 1 or (fields and form):
        return None
    arguments = nested(said[0])
    return None if arguments is None else Asked(arguments.pop("Action"), arguments)


def _one(values: Sequence[str]) -> Any:
    return values[0] if len(values) == 1 else list(values)


def _json(body: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(body or b"{}")
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _rest(call: Call, query: Query) -> Asked | None:
    found = [(route.read(call.path, query, call.headers), route) for route in routes(call.service)]
    fits = sorted(
        ((*fit, route) for fit, route in found if fit and route.method == call.method),
        key=lambda one: one[0],
        reverse=True,
    )
    if not fits or (len(fits) > 1 and fits[0][0] == fits[1][0]):
        return None
    _, said, route = fits[0]
    # S3's bodies are XML or the object itself: those who need them read them.
    if call.service == "lambda" and call.body and not route.payload:
        more = _json(call.body)
        if more is None:
            return None
        said = {**more, **said}
    return Asked(route.operation, said)


def nested(form: Query) -> dict[str, Any] | None:
    """`Tags.member.1.Key=a` as {"Tags": [{"Key": "a"}]}. None: something is said twice."""
    tree: dict[str, Any] = {}
    for name, values in form.items():
        way = [part for part in name.split(".") if part not in LEVELS] or [""]
        branch: Any = tree
        for part in way[:-1]:
            branch = branch.setdefault(part, {})
            if not isinstance(branch, dict):
                return None
        if len(values) != 1 or way[-1] in branch:
            return None
        branch[way[-1]] = values[0]
    return {name: _listed(value) for name, value in tree.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    below = {name: _listed(found) for name, found in value.items()}
    if below and all(DIGITS.fullmatch(name) for name in below):
        return [below[name] for name in sorted(below, key=int)]
    return below


@cache
def routes(service: str) -> Sequence[Route]:
    from ministack.core import iam_actions  # noqa: PLC0415 - it reads its settings when it is imported

    model = iam_actions._load_botocore_model(service)  # noqa: SLF001 - it finds the newest model, without a client
    operations = model["operations"].items()
    # Directory buckets are listed at an endpoint of their own, by what reads as ListBuckets here.
    left_out = {"ListDirectoryBuckets"} | {name for name, said in operations if said.get("deprecated")}
    return [_route(name, said, model["shapes"]) for name, said in operations if name not in left_out]


def _route(name: str, said: Mapping[str, Any], shapes: Mapping[str, Any]) -> Route:
    path, _, query = said["http"]["requestUri"].partition("?")
    shape = shapes.get(said.get("input", {}).get("shape"), {})
    members = shape.get("members", {})

    def wire(location: str) -> dict[str, str]:
        found = {member["locationName"]: name for name, member in members.items() if member.get("location") == location}
        return {key.lower(): name for key, name in found.items()} if location == "header" else found

    outside = {*wire("querystring").values(), *wire("header").values()}
    pattern = "".join(_pattern(part) for part in re.split(r"(\{\w+\+?\})", path.rstrip("/")))
    return Route(
        operation=name,
        method=said["http"]["method"],
        path=re.compile(pattern + "/?" if "+}" not in path else pattern, re.DOTALL),
        literals=sum(1 for part in path.split("/") if part and not LABEL.fullmatch(part)),
        fixed={key: values[0] for key, values in parse_qs(query, keep_blank_values=True).items()},
        query=wire("querystring"),
        headers=wire("header"),
        needed=frozenset(outside & set(shape.get("required", ()))),
        payload=shape.get("payload", ""),
    )


def _pattern(part: str) -> str:
    label = LABEL.fullmatch(part)
    if not label:
        return re.escape(part)
    return f"(?P<{label[1]}>.+)" if label[2] else f"(?P<{label[1]}>[^/]+)"
