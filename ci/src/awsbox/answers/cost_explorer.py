"""Cost Explorer's anomaly detection, as far as Terraform makes it: monitors, subscriptions, their tags.

Nothing costs anything here, so nothing is ever anomalous.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from awsbox.rules import stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    type Said = dict[str, Any]

TARGET = "AWSInsightsIndexService"
JSON = "application/x-amz-json-1.1"
SEND = ("MonitorName", "MonitorType", "MonitorDimension", "MonitorSpecification")
TOLD = ("SubscriptionName", "MonitorArnList", "Subscribers", "Threshold", "Frequency", "ThresholdExpression")


class Unknown(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass
class CostExplorer:
    """By account and ARN: Cost Explorer has no regions."""

    monitors: dict[tuple[str, str], Said] = field(default_factory=dict)
    subscriptions: dict[tuple[str, str], Said] = field(default_factory=dict)
    tags: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    def save(self) -> Any:
        return self.monitors, self.subscriptions, self.tags

    def load(self, saved: Any) -> None:
        self.monitors, self.subscriptions, self.tags = saved

    @contextmanager
    def seated(self) -> Iterator[None]:
        from ministack import app  # noqa: PLC0415 - it reads its settings when it is imported

        # Policies may ask for the tags of a monitor, and people for monitors by their tags: its ARN says nothing else.
        judged, listed = stores.own("tagging", "RESOURCE_TAG_COLLECTORS"), stores.own("tagging", "COLLECTORS")
        app.SERVICE_HANDLERS["ce"], judged["ce"], listed["ce"] = self._handle, self._tagged, self._tagged
        try:
            yield
        finally:
            del app.SERVICE_HANDLERS["ce"], judged["ce"], listed["ce"]

    def _tagged(self) -> Iterator[tuple[str, list[Said]]]:
        own = stores.account()
        yield from ((arn, _pairs(tags)) for (account, arn), tags in self.tags.items() if account == own)

    async def _handle(
        self, _method: str, _path: str, headers: Said, body: bytes, _query: Said
    ) -> tuple[int, Said, bytes]:
        operation = headers.get("x-amz-target", "").partition(".")[2]
        answer = self._operations().get(operation, _unheard_of(operation))
        try:
            status, said = 200, answer(json.loads(body or b"{}"))
        except Unknown as error:
            status, said = 400, {"__type": error.code, "message": error.message, "Message": error.message}
        return status, {"Content-Type": JSON}, json.dumps(said).encode()

    def _operations(self) -> Mapping[str, Callable[[Said], Said]]:
        return {
            "CreateAnomalyMonitor": self._create_monitor,
            "GetAnomalyMonitors": self._get_monitors,
            "UpdateAnomalyMonitor": self._update_monitor,
            "DeleteAnomalyMonitor": self._delete_monitor,
            "CreateAnomalySubscription": self._create_subscription,
            "GetAnomalySubscriptions": self._get_subscriptions,
            "UpdateAnomalySubscription": self._update_subscription,
            "DeleteAnomalySubscription": self._delete_subscription,
            "GetAnomalies": lambda _: {"Anomalies": []},
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsForResource": lambda asked: {"ResourceTags": _pairs(self._tags_of(asked))},
        }

    def _create_monitor(self, asked: Said) -> Said:
        given = asked["AnomalyMonitor"]
        if given.get("MonitorType") == "DIMENSIONAL" and any(
            m["MonitorType"] == "DIMENSIONAL" for m in _mine(self.monitors)
        ):
            raise Unknown("LimitExceededException", "Limit exceeded on dimensional spend monitor creation")
        arn, today = _arn("anomalymonitor"), _today()
        kept = {name: given[name] for name in SEND if name in given}
        about = {"CreationDate": today, "LastUpdatedDate": today, "DimensionalValueCount": 0}
        self.monitors[stores.account(), arn] = {"MonitorArn": arn} | kept | about
        self._keep_tags(arn, asked)
        return {"MonitorArn": arn}

    def _get_monitors(self, asked: Said) -> Said:
        return {"AnomalyMonitors": _listed(self.monitors, "MonitorArn", asked.get("MonitorArnList"), _NO_MONITOR)}

    def _update_monitor(self, asked: Said) -> Said:
        monitor = _found(self.monitors, asked["MonitorArn"], _NO_MONITOR)
        monitor["LastUpdatedDate"] = _today()
        monitor["MonitorName"] = asked.get("MonitorName", monitor["MonitorName"])
        return {"MonitorArn": monitor["MonitorArn"]}

    def _delete_monitor(self, asked: Said) -> Said:
        _found(self.monitors, asked["MonitorArn"], _NO_MONITOR)
        del self.monitors[stores.account(), asked["MonitorArn"]]
        self.tags.pop((stores.account(), asked["MonitorArn"]), None)
        return {}

    def _create_subscription(self, asked: Said) -> Said:
        given = asked["AnomalySubscription"]
        for monitor in given["MonitorArnList"]:
            _found(self.monitors, monitor, _NO_MONITOR)
        arn = _arn("anomalysubscription")
        about = {"SubscriptionArn": arn, "AccountId": stores.account()}
        self.subscriptions[stores.account(), arn] = about | _told(given)
        self._keep_tags(arn, asked)
        return {"SubscriptionArn": arn}

    def _get_subscriptions(self, asked: Said) -> Said:
        wanted, monitor = asked.get("SubscriptionArnList"), asked.get("MonitorArn")
        found = _listed(self.subscriptions, "SubscriptionArn", wanted, _NO_SUBSCRIPTION)
        return {"AnomalySubscriptions": [one for one in found if not monitor or monitor in one["MonitorArnList"]]}

    def _update_subscription(self, asked: Said) -> Said:
        subscription = _found(self.subscriptions, asked["SubscriptionArn"], _NO_SUBSCRIPTION)
        for monitor in asked.get("MonitorArnList", []):
            _found(self.monitors, monitor, _NO_MONITOR)
        changed = _told(asked)
        # The two ways to name a threshold exclude each other.
        for one, other in (("Threshold", "ThresholdExpression"), ("ThresholdExpression", "Threshold")):
            if one in changed:
                subscription.pop(other, None)
        subscription.update(changed)
        return {"SubscriptionArn": subscription["SubscriptionArn"]}

    def _delete_subscription(self, asked: Said) -> Said:
        _found(self.subscriptions, asked["SubscriptionArn"], _NO_SUBSCRIPTION)
        del self.subscriptions[stores.account(), asked["SubscriptionArn"]]
        self.tags.pop((stores.account(), asked["SubscriptionArn"]), None)
        return {}

    def _keep_tags(self, arn: str, asked: Said) -> None:
        self.tags[stores.account(), arn] = {tag["Key"]: tag["Value"] for tag in asked.get("ResourceTags", [])}

    def _tags_of(self, asked: Said) -> dict[str, str]:
        arn = asked["ResourceArn"]
        _found(self.monitors | self.subscriptions, arn, ("ResourceNotFoundException", "There are no resources: {}"))
        return self.tags[stores.account(), arn]

    def _tag(self, asked: Said) -> Said:
        self._tags_of(asked).update({tag["Key"]: tag["Value"] for tag in asked["ResourceTags"]})
        return {}

    def _untag(self, asked: Said) -> Said:
        tags = self._tags_of(asked)
        for key in asked["ResourceTagKeys"]:
            tags.pop(key, None)
        return {}


_NO_MONITOR = ("UnknownMonitorException", "The monitor {} was not found.")
_NO_SUBSCRIPTION = ("UnknownSubscriptionException", "The subscription {} was not found.")


def _unheard_of(operation: str) -> Callable[[Said], Said]:
    def answer(_: Said) -> Said:
        raise Unknown("UnknownOperationException", f"the box knows nothing of Cost Explorer's {operation}")

    return answer


def _told(given: Said) -> Said:
    kept = {name: given[name] for name in TOLD if name in given}
    if "Subscribers" in kept:
        kept["Subscribers"] = [subscriber | {"Status": "CONFIRMED"} for subscriber in kept["Subscribers"]]
    return kept


def _mine(held: Mapping[tuple[str, str], Said]) -> list[Said]:
    return [one for (account, _), one in held.items() if account == stores.account()]


def _found(held: Mapping[tuple[str, str], Said], arn: str, missing: tuple[str, str]) -> Said:
    try:
        return held[stores.account(), arn]
    except KeyError:
        raise Unknown(missing[0], missing[1].format(arn)) from None


def _listed(
    held: Mapping[tuple[str, str], Said], name: str, wanted: list[str] | None, missing: tuple[str, str]
) -> list[Said]:
    for arn in wanted or []:
        _found(held, arn, missing)
    return [one for one in _mine(held) if not wanted or one[name] in wanted]


def _pairs(tags: Mapping[str, str]) -> list[Said]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _arn(kind: str) -> str:
    return f"arn:aws:ce::{stores.account()}:{kind}/{uuid4()}"


def _today() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d")
