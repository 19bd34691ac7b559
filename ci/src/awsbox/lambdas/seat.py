"""Where the host sits in the emulator: after it has found the caller, the rights and the function.

A body that streams cannot go back through the emulator, which wants bytes. It is laid aside in the call's own context,
and `layer`, around the emulator, picks it up.
"""

from __future__ import annotations

import json
import secrets
import time
import zlib
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from awsbox.emulator import HOST
from awsbox.lambdas import functions, later, records, urls
from awsbox.lambdas.functions import NoImage, chosen_version, is_image
from awsbox.lambdas.host import USER_DELETED
from awsbox.lambdas.invocation import Failure
from awsbox.rules import stores
from awsbox.seams import replaced

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    from awsbox.calls import Answer, Call, Next
    from awsbox.lambdas.host import Host
    from awsbox.lambdas.invocation import Invocation

    type Record = dict[str, Any]
    type Spoken = tuple[int, dict[str, Any], bytes]
    type Emulated = Callable[..., Awaitable[Spoken]]

FORBIDDEN = {"Content-Type": "application/json", "x-amzn-ErrorType": "AccessDeniedException"}
URL_PREFIX = "/_aws/lambda-url/"
REQUEST_ID = "x-amzn-requestid"


@dataclass
class _Passing:
    """A call on its way into the emulator."""

    call: Call
    body: AsyncIterator[bytes] | None = None
    """Of the answer, where it goes around the emulator."""
    sent: str = ""
    """By what id the event of an asynchronous call is known."""


_PASSING: ContextVar[_Passing | None] = ContextVar("passing", default=None)


async def layer(call: Call, way: Next) -> Answer:
    """The innermost one around the emulator."""
    passing = _Passing(call)
    token = _PASSING.set(passing)
    try:
        answer = await way(call)
    finally:
        _PASSING.reset(token)
    if passing.sent:
        others = tuple(pair for pair in answer.headers if pair[0].lower() != REQUEST_ID)
        return replace(answer, headers=(*others, (REQUEST_ID, passing.sent)))
    if passing.body is None:
        return answer
    headers = tuple(pair for pair in answer.headers if pair[0].lower() != "content-length")
    return replace(answer, headers=headers, body=passing.body)


@contextmanager
def seated(host: Host) -> Iterator[None]:
    seat, service = _Seat(host), stores.service("lambda_svc")
    instead = {name: partial(method, getattr(service, name)) for name, method in seat.methods().items()}
    with replaced(service, **instead):
        yield


class _Seat:
    """A method per function of the emulator, which is its first argument."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def methods(self) -> dict[str, Callable[..., Any]]:
        return {
            "_execute_function_docker": self.execute_image,
            "_execute_function_dispatch": self.execute_any,
            "_emit_lambda_logs": self.write_log,
            "_emit_lambda_metrics": self.count,
            "_invoke": self.invoke,
            "_invoke_with_response_stream": self.invoke_streaming,
            "handle_function_url_request": self.at_url,
        }

    # Calls by Invoke and by other services, on a thread of their own.

    def execute_image(self, emulator: Callable[..., Record], func: Record, event: Any, id: str) -> Record:
        config = func.get("config") or func
        if not is_image(config):
            return emulator(func, event, id)
        try:
            asked = (config, json.dumps(event).encode(), config["FunctionArn"], id)
            invocation, body = self._host.call_from_thread(*asked)
        except NoImage as error:
            failure = Failure(USER_DELETED, str(error))
            return {"body": failure.document, "error": True, "function_error": "Unhandled", "log": ""}
        log = "\n".join(invocation.log)
        if invocation.failure:
            said = invocation.failure.document
            return {"body": said, "error": True, "function_error": "Unhandled", "log": log}
        return {"body": body, "log": log}

    def execute_any(self, emulator: Callable[..., Record], func: Record, config: Record, *run: Any) -> Record:
        """The one place through which every run goes, whoever called it; the host counts those of images itself."""
        began = time.perf_counter()
        result = emulator(func, config, *run)
        if not is_image(config):
            took, arn = (time.perf_counter() - began) * 1000, config["FunctionArn"]
            account, region, _ = _owner(arn)
            records.count_run(account, region, arn, failed=bool(result.get("error")), milliseconds=took)
        return result

    def write_log(self, emulator: Callable[..., None], func: Record, *rest: Any, **more: Any) -> None:
        """The host writes an image function's lines itself, as they come."""
        if not is_image(func.get("config") or func):
            emulator(func, *rest, **more)

    def count(self, emulator: Callable[..., None], name: str, **numbers: Any) -> None:  # noqa: ARG002
        """Only throttles, and only where they happen: runs are counted where they run, and Invoke counts again."""
        if numbers.get("throttle") and not numbers.get("duration_ms"):
            records.count_throttle(stores.account(), stores.region(), _own("func_arn")(name))

    async def invoke(self, emulator: Emulated, name: str, event: Any, *request: Any) -> Spoken:
        """The emulator does not know that an alias may have weights."""
        headers, path, query = request
        if not _is_later(headers):
            version = self._version(name, _qualifier(headers, path, query))
            return await emulator(name, event, headers, version or path, query)
        # Which version is tried, is found when it is.
        answer = await emulator(name, event, headers, path, query)
        if (passing := _PASSING.get()) and answer[0] == 202:
            passing.sent = later.SENT.get()
        return answer

    async def invoke_streaming(self, emulator: Emulated, name: str, event: Any, *request: Any) -> Spoken:
        asked = _qualifier(*request)
        version = self._version(name, asked) or asked
        record, config = _own("get_func_record_for_qualifier")(name, version)
        passing = _PASSING.get()
        if passing is None or record is None or not is_image(config):
            headers, _, query = request
            return await emulator(name, event, headers, version, query)
        arn = _own("func_arn")(name) + (f":{asked}" if asked else "")
        begun = self._begun(config, event, arn, str(uuid4()))
        if isinstance(begun, tuple):
            return begun
        passing.body = urls.event_stream(begun)
        said = {"Content-Type": urls.EVENT_STREAM, "X-Amz-Executed-Version": config.get("Version", functions.LATEST)}
        return 200, said, b""

    # Function URLs.

    async def at_url(self, emulator: Emulated, id: str, *request: Any, **known: Any) -> Spoken:
        resolved = known.get("resolved") or _service().resolve_function_url(id)
        if resolved is None:
            return await emulator(id, *request)
        account, region, name, qualifier, url = resolved
        with stores.core("responses").request_scope(account, region):
            version = self._version(name, qualifier) or qualifier
            record, config = _own("get_func_record_for_qualifier")(name, version)
        if record is None or not is_image(config):
            return await emulator(id, *request, **known | {"resolved": (account, region, name, version, url)})
        method, _, headers, _, query = request
        cors: dict[str, str] = _own("function_url_cors_headers")(url, headers)
        if method == "OPTIONS" and url.get("Cors"):
            return 200, cors, b""
        if url.get("AuthType") == "AWS_IAM" and not _own("function_url_is_signed")(headers, query):
            return 403, FORBIDDEN | cors, b'{"Message":"Forbidden"}'
        trace = _own("function_url_trace_root")()
        event = _own("build_function_url_event")(
            *(id, account, region, *request),
            source_ip=known.get("source_ip") or HOST,
            anonymous=url.get("AuthType") == "NONE",
            trace_root=trace,
        )
        _as_asked(event, id)
        arn = f"arn:aws:lambda:{region}:{account}:function:{name}" + (f":{qualifier}" if qualifier else "")
        status, said, content = await self._answered(config, event, arn, url)
        _own("apply_headers_case_insensitively")(said, cors | _about(event, trace, arn))
        return status, said, content

    async def _answered(self, config: Record, event: Record, arn: str, url: Record) -> Spoken:
        begun = self._begun(
            config, event, arn, event["requestContext"]["requestId"], event["headers"]["x-amzn-trace-id"]
        )
        if isinstance(begun, tuple):
            return begun
        passing = _PASSING.get()
        if url.get("InvokeMode") != "RESPONSE_STREAM" or passing is None:
            return await urls.buffered(begun)
        status, headers, body = await urls.streamed(begun)
        if isinstance(body, bytes):
            return status, headers, body
        passing.body = body
        return status, headers, b""

    def _begun(self, config: Record, event: Any, arn: str, id: str, trace: str = "") -> Invocation | Spoken:
        """Or what the caller hears instead."""
        base = _own("functions").get_scoped(*_owner(arn)) or {}
        slot, _ = _own("acquire_execution_slot")(base, config)
        if slot is None:
            records.count_throttle(*_owner(arn)[:2], arn)
            return urls.throttled()
        release = partial(_own("release_execution_slot"), slot)
        try:
            asked = {**config, "FunctionArn": arn}
            invocation = self._host.invocation(asked, json.dumps(event).encode(), arn, id)
            invocation.trace = trace
        except NoImage as error:
            release()
            return urls.failed(Failure(USER_DELETED, str(error)))
        self._host.call(invocation, release)
        return invocation

    def _version(self, name: str, qualifier: str | None) -> str | None:
        """Of an alias with weights, the version that this call goes to."""
        alias = (_own("functions").get(name) or {}).get("aliases", {}).get(qualifier)
        weights = ((alias or {}).get("RoutingConfig") or {}).get("AdditionalVersionWeights")
        return chosen_version(alias, self._host.dice) if weights else None


_own = partial(stores.own, "lambda_svc")


def _service() -> Any:
    return stores.service("lambda_svc")


def _qualifier(headers: Mapping[str, Any], path: str | None, query: Mapping[str, Any] | None) -> str | None:
    found: str | None = path or _own("qp_first")(query or {}, "Qualifier") or headers.get("x-amz-qualifier")
    return found


def _is_later(headers: Mapping[str, Any]) -> bool:
    return any(name.lower() == "x-amz-invocation-type" and said == "Event" for name, said in headers.items())


def _owner(arn: str) -> tuple[str, str, str]:
    parts = arn.split(":")
    return parts[4], parts[3], parts[6]


def _as_asked(event: Record, id: str) -> None:
    """What the emulator's reading of the request has lost; and payload format 2.0 has cookies beside the headers."""
    if passing := _PASSING.get():
        event["rawQueryString"] = passing.call.query
        path = (passing.call.scope.get("raw_path") or b"").decode("latin-1").partition("?")[0]
        event["rawPath"] = path.removeprefix(f"{URL_PREFIX}{id}") or "/"
    if cookies := event["headers"].pop("cookie", None):
        event["cookies"] = [cookie.strip() for cookie in cookies.split(";")]


def _about(event: Record, trace: str, arn: str) -> dict[str, str]:
    lineage = f"{zlib.crc32(arn.encode()):08x}"
    parent = secrets.token_hex(8)
    traced = f"{trace};Parent={parent};Sampled=0;Lineage=1:{lineage}:0"
    return {"x-amzn-RequestId": event["requestContext"]["requestId"], "X-Amzn-Trace-Id": traced}
