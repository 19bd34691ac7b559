"""One service of AWS calls another: SNS and EventBridge their targets, Lambda the place for its failures.

None of these callers has an identity policy. A service is let in by the target's own policy, and a function's failures
travel by the rights of its role. What may not be delivered is not, and stands in the audit.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from awsbox.authority import evaluation, service_calls, state
from awsbox.authority.audit import Audit, Decision
from awsbox.authority.needs import USE
from awsbox.authority.request import Check
from awsbox.seams import replaced

if TYPE_CHECKING:
    from collections.abc import Iterator

ALARM_ACTIONS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
ACTIONS = {"lambda": "lambda:InvokeFunction", "sqs": "sqs:SendMessage", "sns": "sns:Publish"}


@dataclass(frozen=True)
class Deliveries:
    """Doors between services, kept by the same policies as those for callers."""

    audit: Audit

    def may(self, service: str, target: str, source: str) -> bool:
        """Whether a service ("sns.amazonaws.com") may deliver to a target on behalf of a source, both ARNs."""
        kind, region = target.split(":")[2:4]
        # A bucket's ARN names no account.
        account = source.split(":")[4] or target.split(":")[4]
        check = Check(ACTIONS[kind], target, {"aws:SourceArn": source})
        ruling = evaluation.rule_for_service(service, check, account, region)
        self._note(service, check, ruling.allowed, "resource-based", source)
        return ruling.allowed and self._opens(service, kind, target, source)

    def _opens(self, service: str, kind: str, target: str, source: str) -> bool:
        """An encrypted target's key must know the service too; the grant of a key's owner is none to a service."""
        key = {"sqs": state.queue_key, "sns": state.topic_key}.get(kind, lambda _: None)(target)
        for action in USE if key else ():
            check = Check(action, str(key), {"aws:SourceArn": source})
            ruling = evaluation.rule_for_service(service, check, target.split(":")[4], target.split(":")[3])
            self._note(service, check, ruling.allowed, "key", source)
            if not ruling.allowed:
                return False
        return True

    def _note(self, who: str, check: Check, allowed: bool, kind: str, source: str) -> None:  # noqa: FBT001
        why = f"by the {kind} policy" if allowed else f"because no {kind} policy allows the {check.action} action"
        self.audit.add(Decision(who, check.action, check.resource, allowed, why, f"delivery from {source}"))

    def role_may(self, role: str, action: str, target: str) -> bool:
        allowed = service_calls.role_may(role, action, target, target.split(":")[4], target.split(":")[3])
        why = "allowed by policy" if allowed else f"because no identity-based policy allows the {action} action"
        self.audit.add(Decision(role, action, target, allowed, why, "delivery by Lambda"))
        return allowed

    @contextmanager
    def installed(self) -> Iterator[None]:
        sns, events, functions, alarms = map(state.service, ("sns", "eventbridge", "lambda_svc", "cloudwatch"))
        with ExitStack() as seams:
            seams.enter_context(replaced(sns, _deliver_to_lambda=self._topic_to_function(sns._deliver_to_lambda)))  # noqa: SLF001
            seams.enter_context(replaced(state.service("sqs"), queue_policy_allows=self._topic_to_queue))
            seams.enter_context(replaced(events, _invoke_target=self._rule_to_target(events._invoke_target)))  # noqa: SLF001
            seams.enter_context(replaced(functions, _route_async_failure=self._failure(functions._route_async_failure)))  # noqa: SLF001
            seams.enter_context(replaced(functions, _iter_all_esms=self._mappings(functions._iter_all_esms)))  # noqa: SLF001
            seams.enter_context(replaced(functions, _emit_lambda_logs=self._log_lines(functions._emit_lambda_logs)))  # noqa: SLF001
            seams.enter_context(
                replaced(alarms, _dispatch_alarm_actions=self._alarm_to_topic(alarms._dispatch_alarm_actions))  # noqa: SLF001
            )
            yield

    def _alarm_to_topic(self, plain: Any) -> Any:
        def dispatch(alarm: dict[str, Any], before: str, after: str, reason: str) -> None:
            name = ALARM_ACTIONS.get(after, "")
            source = str(alarm.get("AlarmArn", ""))
            topics = (
                [arn for arn in alarm.get(name) or () if ":sns:" in arn] if alarm.get("ActionsEnabled", True) else []
            )
            open_ones = [arn for arn in topics if self.may("cloudwatch.amazonaws.com", arn, source)]
            plain({**alarm, name: open_ones}, before, after, reason)

        return dispatch

    def _topic_to_function(self, plain: Any) -> Any:
        def deliver(endpoint: str, envelope: str, topic: str, *rest: Any) -> None:
            if self.may("sns.amazonaws.com", endpoint, topic):
                plain(endpoint, envelope, topic, *rest)

        return deliver

    def _topic_to_queue(self, queue: str, service: str, source: str, _account: str) -> bool:
        return self.may(service, queue, source)

    def _rule_to_target(self, plain: Any) -> Any:
        def invoke(target: dict[str, Any], event: Any, rule: dict[str, Any], view: Any = None) -> None:
            arn = str(target.get("Arn", ""))
            kind = arn.split(":")[2] if arn.count(":") > 4 else ""
            # With a role of its own, EventBridge calls as that; the other kinds of target need one.
            if kind in ACTIONS and not self._rule_may(target, arn, kind, str(rule.get("Arn", ""))):
                return
            plain(target, event, rule, view)

        return invoke

    def _rule_may(self, target: dict[str, Any], arn: str, kind: str, rule: str) -> bool:
        if target.get("RoleArn"):
            return self.role_may(str(target["RoleArn"]), ACTIONS[kind], arn)
        return self.may("events.amazonaws.com", arn, rule)

    def _failure(self, plain: Any) -> Any:
        def route(target: str, function: str, *said: Any) -> None:
            # Each version has a role of its own.
            role = str((state.function(function) or {}).get("Role", ""))
            action = service_calls.SENDS.get(target.split(":")[2], "")
            if not action or self.role_may(role, action, target):
                plain(target, function, *said)

        return route

    def _mappings(self, plain: Any) -> Any:
        """A mapping whose role may no longer read its queue stands still."""

        def mappings() -> Iterator[tuple[str, str, Any]]:
            for account, region, mapping in plain():
                source = str(mapping.get("EventSourceArn", ""))
                if ":sqs:" not in source or self._reads(account, region, mapping, source):
                    yield account, region, mapping

        return mappings

    def _reads(self, account: str, region: str, mapping: dict[str, Any], source: str) -> bool:
        from ministack.core.responses import request_scope  # noqa: PLC0415 - it reads its settings when imported

        with request_scope(account, region):
            role = str((state.function(mapping["FunctionArn"]) or {}).get("Role", ""))
            # Asked several times a second: only a refusal is worth a line.
            return not role or all(
                service_calls.role_may(role, action, source, account, region) or self.role_may(role, action, source)
                for action in service_calls.READS_QUEUE
            )

    def _log_lines(self, plain: Any) -> Any:
        """Lambda writes a function's lines by the rights of its role: without them they are lost."""

        def emit(function: dict[str, Any], *rest: Any, **more: Any) -> Any:
            config = function.get("config") or function
            role, arn = str(config.get("Role", "")), str(config.get("FunctionArn", "")).split(":")
            name = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config.get('FunctionName')}"
            if len(arn) < 6:
                return plain(function, *rest, **more)
            group = f"arn:aws:logs:{arn[3]}:{arn[4]}:log-group:{name}:log-stream:box"
            if all(self.role_may(role, action, group) for action in ("logs:CreateLogStream", "logs:PutLogEvents")):
                return plain(function, *rest, **more)
            return None

        return emit
