"""What a function's answer looks like to its callers: at a function URL, and as an event stream.

With RESPONSE_STREAM bytes go out as they come. With BUFFERED nothing goes out before the function has ended; whether
AWS reads the prelude of a function that streams into a BUFFERED URL is not documented: here it does.
A function URL answers 502 for a function that failed and 504 for one that took too long; after the first bytes there
is no status left to change, and the connection breaks off.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from awsbox.calls import Cut
from awsbox.lambdas.host import TIMED_OUT
from awsbox.lambdas.stand_in import PRELUDE_END, PRELUDE_TYPE
from awsbox.rules import stores

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from awsbox.lambdas.invocation import Failure, Invocation

    type Headers = dict[str, str | list[str]]
    type Spoken = tuple[int, Headers, bytes]

LONGEST_PRELUDE = 64 * 1024
STREAM = "application/octet-stream"
JSON = "application/json"
EVENT_STREAM = "application/vnd.amazon.eventstream"


def failed(failure: Failure) -> Spoken:
    status = 504 if failure.type == TIMED_OUT else 502
    return status, {"Content-Type": JSON}, b"Internal Server Error"


def throttled() -> Spoken:
    reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
    said = {"Reason": reason, "Type": "User", "message": "Rate Exceeded."}
    return 429, {"Content-Type": JSON, "x-amzn-ErrorType": "TooManyRequestsException"}, json.dumps(said).encode()


async def streamed(invocation: Invocation) -> tuple[int, Headers, AsyncIterator[bytes]] | Spoken:
    """As soon as the status is known."""
    if failure := await invocation.answered():
        invocation.leave()
        return failed(failure)
    chunks = invocation.chunks()
    if invocation.content_type != PRELUDE_TYPE:
        raw: Headers = {"Content-Type": STREAM}
        return 200, raw, chunks
    try:
        head, rest = await _prelude(chunks)
    except Cut:
        await invocation.over()
        return failed(invocation.failure) if invocation.failure else (502, {}, b"")
    return _status(head), _headers(head), _joined(rest, chunks)


async def buffered(invocation: Invocation) -> Spoken:
    body = await invocation.whole()
    if invocation.failure:
        return failed(invocation.failure)
    if invocation.content_type == PRELUDE_TYPE:
        text, _, rest = body.partition(PRELUDE_END)
        head = json.loads(text)
        return _status(head), _headers(head), rest
    document, _ = stores.service("lambda_svc").lambda_execute_result_to_api_proxy_response({"body": body})
    spoken: Spoken = stores.own("lambda_svc", "function_url_proxy_response")(document, {})
    return spoken


async def event_stream(invocation: Invocation) -> AsyncIterator[bytes]:
    """The answer of InvokeWithResponseStream."""
    ending: dict[str, str] = {}
    try:
        async for chunk in invocation.chunks():
            yield _frame("PayloadChunk", STREAM, chunk)
    except Cut:
        pass
    await invocation.over()
    if failure := invocation.failure:
        ending = {"ErrorCode": failure.type, "ErrorDetails": failure.message}
    yield _frame("InvokeComplete", JSON, json.dumps(ending).encode())


def _frame(kind: str, content_type: str, payload: bytes) -> bytes:
    headers = {":message-type": "event", ":event-type": kind, ":content-type": content_type}
    frame: bytes = stores.own("lambda_svc", "es_encode_message")(headers, payload)
    return frame


async def _prelude(chunks: AsyncIterator[bytes]) -> tuple[Mapping[str, Any], bytes]:
    read = b""
    async for chunk in chunks:
        read += chunk
        text, end, rest = read.partition(PRELUDE_END)
        if end:
            return json.loads(text), rest
        if len(read) > LONGEST_PRELUDE:
            break
    # Without one, all of it is the body.
    return {"headers": {"content-type": STREAM}}, read


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for chunk in rest:
        yield chunk


def _status(head: Mapping[str, Any]) -> int:
    return int(head.get("statusCode", 200))


def _headers(head: Mapping[str, Any]) -> Headers:
    said: Headers = {}
    for name, value in (head.get("headers") or {}).items():
        # Lambda says how long a body is, or streams it; a function's own word on it is dropped.
        if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
            said[name] = value if isinstance(value, str) else str(value)
    if cookies := head.get("cookies"):
        said["set-cookie"] = list(cookies)
    return said
