"""Asynchronous calls of functions: by Invoke with "Event", by SNS, by EventBridge, and by other functions' outcomes.

Who asks is answered at once. The event is kept here until the function has taken it, or has failed as often as the
configuration of what was called allows (of the function itself, of a version or of an alias: each has its own). Then
a record of it goes to that configuration's destination, and the event to the version's dead-letter queue.
"""

from __future__ import annotations

import contextvars
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from awsbox.lambdas import records
from awsbox.lambdas.functions import LATEST, chosen_version
from awsbox.rules import stores
from awsbox.seams import replaced

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator, Mapping

RETRIES = 2
AGE_SECONDS = 6 * 60 * 60
LONGEST_PAUSE_SECONDS = 30
ERROR_LENGTH = 1024
SUCCESS, EXHAUSTED, TOO_OLD = "Success", "RetriesExhausted", "EventAgeExceeded"

_own = partial(stores.own, "lambda_svc")


@dataclass
class Errand:
    """One event on its way into a function."""

    arn: str
    """What was asked for: the function, a version or an alias of it."""
    event: Any
    id: str = field(default_factory=lambda: str(uuid4()))
    """The same at every try."""
    began: float = field(default_factory=time.time)
    tries: int = 0
    """Those that ran: a throttled one is none."""
    pause: float = 0
    """Before the next try."""

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def name(self) -> str:
        return self.arn.split(":")[6]

    @property
    def qualifier(self) -> str:
        found = ":".join(self.arn.split(":")[7:])
        return "" if found == LATEST else found


@dataclass(frozen=True)
class Outcome:
    """Of one try."""

    config: Mapping[str, Any]
    """Of the version that was tried."""
    answer: Any = None
    error: str = ""
    """As Invoke names it in FunctionError."""
    throttled: bool = False


@dataclass(frozen=True)
class Settings:
    """How an event is dealt with. AWS has defaults for what is called without a configuration of its own."""

    retries: int = RETRIES
    age: float = AGE_SECONDS
    destinations: Mapping[str, Any] = field(default_factory=dict)
    reserved: int | None = None

    @staticmethod
    def of(errand: Errand) -> Settings:
        function = _own("functions").get(errand.name) or {}
        configs = function.get("event_invoke_configs") or {}
        said = configs.get(errand.qualifier) or ({} if errand.qualifier else configs.get(LATEST)) or {}
        return Settings(
            retries=int(said.get("MaximumRetryAttempts", RETRIES)),
            age=float(said.get("MaximumEventAgeInSeconds", AGE_SECONDS)),
            destinations=said.get("DestinationConfig") or {},
            reserved=function.get("concurrency"),
        )

    def destination(self, when: str) -> str:
        return str((self.destinations.get(when) or {}).get("Destination") or "")


SENT: contextvars.ContextVar[str] = contextvars.ContextVar("sent", default="")
"""The id of the event that the call at hand has sent."""


class Later:
    """A thread per event, as in the emulator: a function may run for a quarter of an hour."""

    def __init__(self, dice: random.Random) -> None:
        self.pause_seconds: float = 1
        """Before the second try, and twice that before the third. AWS waits for a minute and for two."""
        self._dice = dice
        self._kept: dict[str, Errand] = {}
        self._over = threading.Event()
        self._lock = threading.RLock()

    @property
    def waiting(self) -> int:
        """How many events no function has taken, and nobody has given up."""
        return len(self._kept)

    def send(self, arn: str, event: Any) -> None:
        errand = Errand(arn, event)
        SENT.set(errand.id)
        self._begin(errand)

    # A part of the box that snapshots know.

    def save(self) -> list[Errand]:
        with self._lock:
            return list(self._kept.values())

    def drop(self) -> None:
        """What waits is not tried again, and what runs has no consequences. Until `load`, nothing new begins."""
        with self._lock:
            self._over.set()
            self._kept.clear()

    def load(self, saved: Iterable[Errand]) -> None:
        with self._lock:
            self.drop()
            self._over = threading.Event()
            for errand in saved:
                self._begin(errand)

    # Seats in the emulator.

    @contextmanager
    def seated(self) -> Iterator[None]:
        """Inside of what decides on deliveries, which has to be installed after this."""
        functions, sns, events = map(stores.service, ("lambda_svc", "sns", "eventbridge"))
        with (
            replaced(functions, invoke_async_with_retry=self._asked, _route_async_failure=self._deliver),
            replaced(sns, _deliver_to_lambda=self._notify),
            replaced(events, _dispatch_to_lambda=self._dispatch),
        ):
            try:
                yield
            finally:
                self.drop()

    def _asked(self, func: Mapping[str, Any], event: Any) -> None:
        self.send((func.get("config") or func)["FunctionArn"], event)

    def _notify(self, endpoint: str, envelope: str, topic: str, subscription: str, *message: Any) -> None:  # noqa: ARG002
        said = {"EventVersion": "1.0", "EventSubscriptionArn": subscription, "EventSource": "aws:sns"}
        self.send(endpoint, {"Records": [said | {"Sns": json.loads(envelope)}]})

    def _dispatch(self, arn: str, payload: str) -> None:
        self.send(arn, json.loads(payload))

    # One event, in a thread of its own.

    def _begin(self, errand: Errand) -> None:
        with self._lock:
            over = self._over
            if over.is_set():
                return
            self._kept[errand.id] = errand
        # How deep functions call functions is in the context.
        run = partial(contextvars.copy_context().run, self._see_to, errand, over)
        threading.Thread(target=run, name="awsbox-later", daemon=True).start()

    def _see_to(self, errand: Errand, over: threading.Event) -> None:
        with stores.core("responses").request_scope(errand.account, errand.region):
            while not over.wait(errand.pause):
                outcome = self._tried(errand)
                with self._lock:
                    # A function that was killed with the state around it has not failed.
                    if over.is_set():
                        return
                    if outcome is None or self._ended(errand, outcome):
                        del self._kept[errand.id]
                        return

    def _tried(self, errand: Errand) -> Outcome | None:
        """What an alias means is looked up at each try. None: the function is gone, and the event with it."""
        base = _own("functions").get(errand.name) or {}
        alias = base.get("aliases", {}).get(errand.qualifier)
        version = chosen_version(alias, self._dice) if alias else errand.qualifier or LATEST
        record, config = _own("get_func_record_for_qualifier")(errand.name, version)
        if record is None:
            return None
        slot, _ = _own("acquire_execution_slot")(base, config)
        if slot is None:
            records.count_throttle(errand.account, errand.region, errand.arn)
            return Outcome(config, throttled=True)
        asked = {**config, "FunctionArn": errand.arn}
        try:
            run = (asked, errand.event, errand.id, time.time())
            result = _own("execute_function_dispatch")({**record, "config": asked}, *run)
        finally:
            _own("release_execution_slot")(slot)
        error = (result.get("function_error") or "Unhandled") if result.get("error") else ""
        return Outcome(config, _read(result.get("body")), error, throttled=bool(result.get("throttle")))

    def _ended(self, errand: Errand, outcome: Outcome) -> bool:
        errand.tries += not outcome.throttled
        settings = Settings.of(errand)
        # Short from the start: only how it grows is AWS's.
        errand.pause = min(max(errand.pause * 2, self.pause_seconds), LONGEST_PAUSE_SECONDS)
        why = _why_no_more(errand, outcome, settings)
        if not why:
            return False
        if destination := settings.destination("OnSuccess" if why == SUCCESS else "OnFailure"):
            self._hand_over(destination, errand, _record(errand, outcome, why))
        target = str((outcome.config.get("DeadLetterConfig") or {}).get("TargetArn") or "")
        if target and why != SUCCESS:
            self._hand_over(target, errand, errand.event, _about(errand, outcome))
        return True

    def _hand_over(self, target: str, errand: Errand, said: Any, attributes: Any = None) -> None:
        """Through the emulator's seam, where the rights of the function's role are asked for."""
        _own("route_async_failure")(target, errand.arn, json.dumps(said), attributes)

    def _deliver(self, target: str, arn: str, body: str, attributes: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        service = target.split(":")[2]
        if service == "sqs":
            _into_queue(target, body, attributes or {})
        elif service == "sns":
            stores.service("sns").publish_internal(target, body, message_attributes=dict(attributes or {}))
        elif service == "lambda":
            self.send(target, json.loads(body))


def _why_no_more(errand: Errand, outcome: Outcome, settings: Settings) -> str:
    """Nothing, where it is to be tried again."""
    if not outcome.error and not outcome.throttled:
        return SUCCESS
    if errand.tries > settings.retries:
        return EXHAUSTED
    # A function that may not run at all gets no second try.
    if outcome.throttled and settings.reserved == 0:
        return EXHAUSTED
    return TOO_OLD if time.time() + errand.pause - errand.began > settings.age else ""


def _record(errand: Errand, outcome: Outcome, condition: str) -> dict[str, Any]:
    """What a destination is told."""
    arn = f"{':'.join(errand.arn.split(':')[:7])}:{errand.qualifier or LATEST}"
    context = {"requestId": errand.id, "functionArn": arn, "condition": condition}
    said = {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": context | {"approximateInvokeCount": errand.tries},
        "requestPayload": errand.event,
    }
    if outcome.throttled:
        return said
    response = {"statusCode": 200, "executedVersion": outcome.config.get("Version", LATEST)}
    failed = {"functionError": outcome.error} if outcome.error else {}
    return said | {"responseContext": response | failed, "responsePayload": outcome.answer}


def _about(errand: Errand, outcome: Outcome) -> dict[str, Any]:
    """A dead-letter queue gets the event as it was; why it is there stands beside it."""
    answer = outcome.answer if isinstance(outcome.answer, dict) else {}
    said = {
        "RequestID": ("String", errand.id),
        "ErrorCode": ("Number", "429" if outcome.throttled else "200"),
        "ErrorMessage": ("String", str(answer.get("errorMessage") or answer.get("message") or "")[:ERROR_LENGTH]),
    }
    return {name: {"DataType": kind, "StringValue": value} for name, (kind, value) in said.items() if value}


def _into_queue(arn: str, body: str, attributes: Mapping[str, Any]) -> None:
    sqs, now = stores.service("sqs"), time.time()
    queue = stores.own("sqs", "queue_by_arn")(arn)
    # A queue that is gone takes nothing: AWS counts that, and no more.
    if queue is None:
        return
    message = {
        "id": str(uuid4()),
        "body": body,
        "message_attributes": dict(attributes),
        "md5_attrs": stores.own("sqs", "md5_msg_attrs")(dict(attributes)),
        "receipt_handle": None,
        "sent_at": now,
        "visible_at": now + sqs.queue_delay(queue),
        "receive_count": 0,
    }
    stores.own("sqs", "ensure_msg_fields")(message)
    queue["messages"].append(message)
    stores.core("concurrency").esm_wake.set()


def _read(body: Any) -> Any:
    """An image's answer is bytes."""
    if not isinstance(body, bytes):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
