"""One call of AWS as the box sees it: which service, which operation, which parameters; and how AWS words an answer.

Everything that stands between a caller and the emulator (who may, what fails, what the emulator cannot answer) is a
`Layer`: it gets the call and the rest of the way, and answers by itself or lets the call go on.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape


@dataclass(frozen=True)
class Call:
    """`headers` have lower-case names. `service` and `operation` are AWS's own names: ("kms", "CreateKey")."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    service: str
    operation: str
    scope: Mapping[str, Any] = field(repr=False)
    """The ASGI scope that it came with."""

    @cached_property
    def arguments(self) -> Mapping[str, Any]:
        """What is asked for: the JSON body, the form fields of the query protocol, or else the query string."""
        if "x-amz-target" in self.headers or self.headers.get("content-type", "").startswith("application/json"):
            said = json.loads(self.body or b"{}")
            return said if isinstance(said, dict) else {}
        text = self.body.decode() if self.form else self.query
        return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}

    @property
    def form(self) -> bool:
        return "form-urlencoded" in self.headers.get("content-type", "")


@dataclass(frozen=True)
class Answer:
    """A body that is an iterator goes out as it comes."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes | AsyncIterator[bytes]


class Cut(Exception):
    """Raised by a body: the answer breaks off here, and its reader shall notice. By a layer: there is no answer.

    A reset tells the caller at once; without one the connection just ends.
    """

    def __init__(self, *why: object, reset: bool = False) -> None:
        super().__init__(*why)
        self.reset = reset


type Next = Callable[[Call], Awaitable[Answer]]
type Layer = Callable[[Call, Next], Awaitable[Answer]]


def refusal(call: Call, status: int, code: str, message: str) -> Answer:
    """An error in the shape that the service's clients parse: JSON target, query XML, S3 XML, or REST JSON."""
    named = ("x-amzn-errortype", code)
    if "x-amz-target" in call.headers:
        body = json.dumps({"__type": code, "message": message}).encode()
        return Answer(status, (("content-type", "application/x-amz-json-1.1"), named), body)
    kind = "Sender" if status < 500 else "Receiver"
    said = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if call.service == "s3":
        return Answer(status, (("content-type", "application/xml"),), f"<Error>{said}</Error>".encode())
    if call.form:
        text = f"<ErrorResponse><Error><Type>{kind}</Type>{said}</Error><RequestId>box</RequestId></ErrorResponse>"
        return Answer(status, (("content-type", "text/xml"),), text.encode())
    body = json.dumps({"Type": kind, "Code": code, "message": message, "Message": message}).encode()
    return Answer(status, (("content-type", "application/json"), named), body)
