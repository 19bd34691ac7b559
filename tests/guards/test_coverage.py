from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ferry.guards import coverage
from ferry.guards.context import Context
from ferry.tfplan import Action, Change
from tests.guards.making import change, plan, said, verdicts

FUNCTION = change("aws_lambda_function", after={"function_name": "berths"})
LOGS = change("aws_cloudwatch_log_group", after={"name": "/aws/lambda/berths", "retention_in_days": 14})
BUDGET = change("aws_budgets_budget", after={"name": "monthly"})
QUEUE = change("aws_sqs_queue", after={"name": "arrivals-dlq"})
DLQ_ARN = "arn:aws:sqs:eu-west-1:111111111111:lost"


def alarm(name: str, namespace: str, metric: str, dimensions: dict[str, str], **rest: Any) -> Change:
    after = {"namespace": namespace, "metric_name": metric, "dimensions": dimensions, "alarm_actions": ["topic"]}
    return change("aws_cloudwatch_metric_alarm", name, after={**after, **rest})


ERRORS = alarm("errors", "AWS/Lambda", "Errors", {"FunctionName": "berths"})
LOST = alarm("lost", "AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "arrivals-dlq"})
COVERED = (FUNCTION, LOGS, BUDGET, QUEUE, ERRORS, LOST)


def judged(*changes: Change) -> list[str]:
    return verdicts(coverage.findings(plan(*changes), Context()))


@pytest.mark.req("R-05", "R-06")
def test_what_is_watched_has_no_findings() -> None:
    assert judged(*COVERED) == []


MISSING = {
    "the error alarm": (ERRORS, "no-error-alarm", FUNCTION),
    "the queue's alarm": (LOST, "no-queue-alarm", QUEUE),
    "the log group": (LOGS, "no-log-group", FUNCTION),
    "the budget": (BUDGET, "no-budget", None),
}


@pytest.mark.req("R-05", "R-06")
@pytest.mark.parametrize(("gone", "verdict", "where"), MISSING.values(), ids=MISSING)
@pytest.mark.parametrize("how", ["never there", "destroyed"])
def test_each_part_is_missed(gone: Change, verdict: str, where: Change | None, how: str) -> None:
    rest = [one for one in COVERED if one is not gone]
    left = [*rest, replace(gone, action=Action.DESTROY)] if how == "destroyed" else rest
    assert said(coverage.findings(plan(*left), Context())) == [("warn", verdict, where.address if where else "*")]


ALARMS: dict[str, tuple[Change, list[str]]] = {
    "of another function": (
        replace(ERRORS, after={**ERRORS.after, "dimensions": {"FunctionName": "tides"}}),
        ["warn no-error-alarm"],
    ),
    "of another metric": (replace(ERRORS, after={**ERRORS.after, "metric_name": "Duration"}), ["warn no-error-alarm"]),
    "of another service": (replace(ERRORS, after={**ERRORS.after, "namespace": "Ours"}), ["warn no-error-alarm"]),
    "of an alias as well": (
        replace(ERRORS, after={**ERRORS.after, "dimensions": {"FunctionName": "berths", "Resource": "berths:live"}}),
        [],
    ),
    "of whom only the apply will know": (
        replace(ERRORS, after={**ERRORS.after, "dimensions": None}, unknown={"dimensions": True}),
        [],
    ),
    "of what only the apply will know in part": (
        replace(ERRORS, after={**ERRORS.after, "dimensions": {}}, unknown={"dimensions": {"FunctionName": True}}),
        [],
    ),
    "in an expression": (
        alarm(
            "errors",
            "",
            "",
            {},
            metric_query=[
                {"expression": "SUM(METRICS())", "metric": []},
                {
                    "metric": [
                        {"namespace": "AWS/Lambda", "metric_name": "Errors", "dimensions": {"FunctionName": "berths"}}
                    ]
                },
            ],
        ),
        [],
    ),
    "without an action": (replace(ERRORS, after={**ERRORS.after, "alarm_actions": []}), ["warn silent-alarm"]),
    "with its actions off": (replace(ERRORS, after={**ERRORS.after, "actions_enabled": False}), ["warn silent-alarm"]),
    "with an action for later": (
        replace(ERRORS, after={**ERRORS.after, "alarm_actions": None}, unknown={"alarm_actions": True}),
        [],
    ),
}


@pytest.mark.parametrize(("alarm", "expected"), ALARMS.values(), ids=ALARMS)
def test_an_alarm_looks_at_the_function_and_tells_somebody(alarm: Change, expected: list[str]) -> None:
    assert judged(*(one for one in COVERED if one is not ERRORS), alarm) == expected


GROUPS: dict[str, tuple[Change, list[str]]] = {
    "for ever": (replace(LOGS, after={**LOGS.after, "retention_in_days": 0}), ["warn logs-for-ever"]),
    "not said": (replace(LOGS, after={"name": "/aws/lambda/berths"}), ["warn logs-for-ever"]),
    "of another": (replace(LOGS, after={**LOGS.after, "name": "/aws/lambda/tides"}), ["warn no-log-group"]),
    "of a name for later": (replace(LOGS, after={"retention_in_days": 3}, unknown={"name": True}), []),
}


@pytest.mark.parametrize(("group", "expected"), GROUPS.values(), ids=GROUPS)
def test_logs_have_a_group_and_an_end(group: Change, expected: list[str]) -> None:
    assert judged(*(one for one in COVERED if one is not LOGS), group) == expected


def test_a_function_may_log_elsewhere() -> None:
    elsewhere = replace(FUNCTION, after={**FUNCTION.after, "logging_config": [{"log_group": "/ships"}]})
    group = replace(LOGS, after={**LOGS.after, "name": "/ships"})
    assert judged(elsewhere, group, BUDGET, QUEUE, ERRORS, LOST) == []


@pytest.mark.parametrize(
    "name", ["dlq", "arrivals-dlq", "arrivals_dead_letter", "x.dead-letters.fifo", "DeadLetterQueue"]
)
def test_a_queue_for_dead_letters_is_known_by_its_name(name: str) -> None:
    queue = replace(QUEUE, after={"name": name})
    assert judged(queue) == ["warn no-queue-alarm"]


@pytest.mark.parametrize("name", ["arrivals", "dlqueries", "undeadletters"])
def test_any_other_queue_is_not(name: str) -> None:
    assert judged(replace(QUEUE, after={"name": name})) == []


SENDERS = [
    change(
        "aws_sqs_queue", "from", after={"name": "from", "redrive_policy": json.dumps({"deadLetterTargetArn": DLQ_ARN})}
    ),
    change("aws_sns_topic_subscription", after={"redrive_policy": json.dumps({"deadLetterTargetArn": DLQ_ARN})}),
    change("aws_cloudwatch_event_target", after={"dead_letter_config": [{"arn": DLQ_ARN}]}),
    change(
        "aws_lambda_event_source_mapping",
        after={"destination_config": [{"on_failure": [{"destination_arn": DLQ_ARN}]}]},
    ),
    change(
        "aws_lambda_function_event_invoke_config",
        after={"destination_config": [{"on_failure": [{"destination": DLQ_ARN}]}]},
    ),
]


@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.type)
def test_or_by_who_sends_there(sender: Change) -> None:
    assert judged(sender, change("aws_sqs_queue", "lost", after={"name": "lost"})) == ["warn no-queue-alarm"]


def called_by(principal: str) -> Change:
    return change("aws_lambda_permission", after={"principal": principal, "function_name": "berths"})


DESTINATION = [{"on_failure": [{"destination": DLQ_ARN}]}]
CONFIG = change("aws_lambda_function_event_invoke_config", after={"function_name": "berths"})
FAILING: dict[str, tuple[list[Change], list[str]]] = {
    "a schedule": ([called_by("events.amazonaws.com")], ["warn no-failure-destination"]),
    "a topic": ([called_by("sns.amazonaws.com")], ["warn no-failure-destination"]),
    "a gateway, which waits": ([called_by("apigateway.amazonaws.com")], []),
    "with a destination": (
        [called_by("events.amazonaws.com"), replace(CONFIG, after={**CONFIG.after, "destination_config": DESTINATION})],
        [],
    ),
    "with one for later": (
        [
            called_by("events.amazonaws.com"),
            replace(CONFIG, unknown={"destination_config": [{"on_failure": [{"destination": True}]}]}),
        ],
        [],
    ),
    "with a config and no destination": ([called_by("events.amazonaws.com"), CONFIG], ["warn no-failure-destination"]),
    "with the destination of another": (
        [
            called_by("events.amazonaws.com"),
            replace(CONFIG, after={"function_name": "tides", "destination_config": DESTINATION}),
        ],
        ["warn no-failure-destination"],
    ),
}


@pytest.mark.parametrize(("more", "expected"), FAILING.values(), ids=FAILING)
def test_what_is_called_by_events_has_a_place_for_those_that_failed(more: list[Change], expected: list[str]) -> None:
    assert judged(*COVERED, *more) == expected


def test_a_function_of_old_has_a_dead_letter_queue() -> None:
    old = replace(FUNCTION, after={**FUNCTION.after, "dead_letter_config": [{"target_arn": "arn:aws:sns:x:y:z"}]})
    assert judged(old, *COVERED[1:], called_by("sns.amazonaws.com")) == []


LAMBDA = "arn:aws:lambda:eu-west-1:111111111111:function:berths"
DELIVERIES = [
    (change("aws_cloudwatch_event_target", after={"arn": LAMBDA}), ["warn no-dead-letters"]),
    (change("aws_cloudwatch_event_target", after={"arn": LAMBDA}, unknown={"dead_letter_config": [{"arn": True}]}), []),
    (change("aws_cloudwatch_event_target", after={"arn": "arn:aws:sqs:eu-west-1:1:x"}), []),
    (change("aws_cloudwatch_event_target", after={}, unknown={"arn": True}), []),
    (change("aws_sns_topic_subscription", after={"protocol": "lambda"}), ["warn no-dead-letters"]),
    (change("aws_sns_topic_subscription", after={"protocol": "lambda"}, unknown={"redrive_policy": True}), []),
    (change("aws_sns_topic_subscription", after={"protocol": "email"}), []),
]


@pytest.mark.parametrize(("delivery", "expected"), DELIVERIES)
def test_what_cannot_be_delivered_is_kept(delivery: Change, expected: list[str]) -> None:
    assert judged(delivery) == expected


def test_an_alarm_may_speak_through_another() -> None:
    silent = replace(ERRORS, after={**ERRORS.after, "alarm_name": "berths-errors", "alarm_actions": []})
    rest = [one for one in COVERED if one is not ERRORS]
    for rule, expected in (('ALARM("berths-errors")', []), ('ALARM("tides-errors")', ["warn silent-alarm"])):
        assert judged(*rest, silent, change("aws_cloudwatch_composite_alarm", after={"alarm_rule": rule})) == expected
    later = change("aws_cloudwatch_composite_alarm", unknown={"alarm_rule": True})
    assert judged(*rest, silent, later) == []


def test_a_gap_stays_a_gap_when_nothing_touches_it() -> None:
    assert "warn no-error-alarm" in judged(replace(FUNCTION, action=Action.NO_OP))


def test_names_for_later_are_told_once_and_not_guessed_at() -> None:
    later = [change("aws_lambda_function", name, unknown={"function_name": True}) for name in "ab"]
    assert said(coverage.findings(plan(*later, BUDGET), Context())) == [("info", "not-judged", "*")]


def test_a_plan_without_functions_needs_no_budget() -> None:
    assert judged(change("aws_iam_role")) == []
