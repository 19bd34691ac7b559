"""What stands in for the AWS Lambda Web Adapter where its binary is not at hand.

It takes events from the same place as the adapter, asks the application on its port, and answers in the adapter's
words: a document, or with AWS_LWA_INVOKE_MODE=response_stream the prelude, eight NULs and the body as it comes.
Compression, base paths and AWS_LWA_ERROR_STATUS_CODES are left to the real one.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import anyio

from awsbox.emulator import HOST
from awsbox.lambdas.invocation import Failure
from awsbox.lambdas.runtime_api import EXITED

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from awsbox.lambdas.invocation import Invocation
    from awsbox.lambdas.runtime_api import RuntimeApi

PRELUDE_TYPE = "application/vnd.awslambda.http-integration-response"
PRELUDE_END = b"\x00" * 8
POLL_SECONDS = 0.01
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding"})
TEXTS = re.compile(r"text|application/(json|javascript|xml|yaml)|[^;]*\+(json|xml|yaml)\s*(;|$)")


async def adapt(api: RuntimeApi, port: int, environment: Mapping[str, str]) -> None:
    """For as long as the environment lasts."""
    import httpx  # noqa: PLC0415 - half of the box's import time, and only needed here

    streaming = environment.get("AWS_LWA_INVOKE_MODE", "").lower() == "response_stream"
    # No proxy of the user's, and no limit of ours: the function's own timeout ends a call.
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=None, trust_env=False) as client:  # noqa: S113
        await _ready(client, environment.get("AWS_LWA_READINESS_CHECK_PATH", "/"))
        while True:
            invocation = await api.next()
            try:
                await _pass_on(client, invocation, environment, streaming=streaming)
            except httpx.HTTPError as error:
                invocation.finish(Failure(EXITED, f"the application broke off: {type(error).__name__}"))


async def _ready(client: httpx.AsyncClient, path: str) -> None:
    import httpx  # noqa: PLC0415 - as above

    while True:
        try:
            if (await client.get(path)).status_code < 500:
                return
        except httpx.TransportError:
            pass
        await anyio.sleep(POLL_SECONDS)


async def _pass_on(
    client: httpx.AsyncClient, invocation: Invocation, environment: Mapping[str, str], *, streaming: bool
) -> None:
    event = json.loads(invocation.event)
    asked_over_http = isinstance(event, dict) and bool(event.get("requestContext", {}).get("http"))
    request = _request(client, invocation, event) if asked_over_http else _passed(client, invocation, environment)
    response = await client.send(request, stream=True)
    try:
        if streaming:
            invocation.begin(streaming=True, content_type=PRELUDE_TYPE)
            await invocation.feed(json.dumps(_head(response)).encode() + PRELUDE_END)
            async for chunk in response.aiter_raw():
                await invocation.feed(chunk)
        else:
            body = b"".join([part async for part in response.aiter_raw()])
            document = _document(response, body) if asked_over_http else _json(body)
            invocation.begin(streaming=False, content_type="application/json")
            await invocation.feed(json.dumps(document).encode())
    finally:
        await response.aclose()
    invocation.finish()


def _passed(client: httpx.AsyncClient, invocation: Invocation, environment: Mapping[str, str]) -> httpx.Request:
    """Of another service: the event itself."""
    path = environment.get("AWS_LWA_PASS_THROUGH_PATH", "/events")
    return client.build_request("POST", path, content=invocation.event, headers=_about(invocation, {}))


def _request(client: httpx.AsyncClient, invocation: Invocation, event: Mapping[str, Any]) -> httpx.Request:
    context = event["requestContext"]
    body = event.get("body", "")
    content = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    headers = {name: value for name, value in event.get("headers", {}).items() if name not in HOP_BY_HOP}
    headers |= _about(invocation, context)
    if event.get("cookies"):
        headers["cookie"] = ";".join(event["cookies"])
    path, query = event["rawPath"], event.get("rawQueryString", "")
    url = client.base_url.copy_with(raw_path=(path + (f"?{query}" if query else "")).encode())
    return client.build_request(context["http"]["method"], url, content=content, headers=headers)


def _about(invocation: Invocation, context: Mapping[str, Any]) -> dict[str, str]:
    lambdas = {"request_id": invocation.id, "deadline": invocation.deadline_ms, "invoked_function_arn": invocation.arn}
    return {"x-amzn-request-context": json.dumps(context), "x-amzn-lambda-context": json.dumps(lambdas)}


def _head(response: httpx.Response) -> dict[str, Any]:
    pairs = [(name, value) for name, value in response.headers.multi_items() if name not in HOP_BY_HOP]
    return {
        "statusCode": response.status_code,
        "headers": {name: value for name, value in pairs if name != "set-cookie"},
        "cookies": [value for name, value in pairs if name == "set-cookie"],
    }


def _document(response: httpx.Response, body: bytes) -> dict[str, Any]:
    kind = response.headers.get("content-type", "")
    text = "content-encoding" not in response.headers and (not kind or TEXTS.match(kind))
    said = body.decode() if text else base64.b64encode(body).decode()
    return _head(response) | {"body": said, "isBase64Encoded": not text}


def _json(body: bytes) -> Any:
    """The adapter answers null for what is no JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return None
