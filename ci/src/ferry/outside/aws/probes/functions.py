"""Lambda: a function, and what hangs on one: alias, URL, permissions, and how events are tried again."""

from __future__ import annotations

import json

from ferry.errors import AwsError
from ferry.outside.aws.probes.questions import Found, Question, State, alone, part

MISSING = ("ResourceNotFoundException",)


def function(asked: Question) -> Found | None:
    name = asked["function_name"]
    said = asked.ask("lambda", "get_function", MISSING, FunctionName=name)
    if said is None:
        return None
    if said.get("TagsError"):
        raise AwsError(
            f"AWS keeps the function's tags to itself: {said['TagsError'].get('ErrorCode', 'no code')}",
            where=f"lambda:GetFunction {name}",
            why=said["TagsError"].get("Message", "whose it is cannot be seen"),
            next="give the deployer lambda:ListTags on it",
        )
    about = said["Configuration"]
    state, update = about.get("State", "Active"), about.get("LastUpdateStatus", "Successful")
    note = f"{state}, its last update {update}"
    busy = state in {"Pending", "Deleting"} or update == "InProgress"
    return Found(
        id=name,
        arn=about.get("FunctionArn", ""),
        tags=said.get("Tags") or {},
        state=State.BUSY if busy else State.READY,
        note=busy * note,
    )


def alias(asked: Question) -> Found | None:
    name = {"FunctionName": asked["function_name"], "Name": asked["name"]}
    said = asked.ask("lambda", "get_alias", MISSING, **name)
    return Found(id="/".join(name.values()), arn=said["AliasArn"]) if said else None


def url(asked: Question) -> Found | None:
    said = asked.ask("lambda", "get_function_url_config", MISSING, **_qualified(asked))
    return Found(id="/".join(_qualified(asked).values())) if said else None


def event_invoke_config(asked: Question) -> Found | None:
    said = asked.ask("lambda", "get_function_event_invoke_config", MISSING, **_qualified(asked))
    return Found(id=":".join(_qualified(asked).values())) if said else None


def permission(asked: Question) -> Found | None:
    said = asked.ask("lambda", "get_policy", MISSING, **_qualified(asked))
    where, sid = ":".join(_qualified(asked).values()), asked["statement_id"]
    found = json.loads(said["Policy"])["Statement"] if said else []
    # Of the function itself, or of this alias of it.
    there = any(one.get("Sid") == sid and str(one["Resource"]).endswith(f":{where}") for one in found)
    return Found(id=f"{where}/{sid}") if there else None


def _qualified(asked: Question) -> dict[str, str]:
    """A function, or one alias of it: a config of its own each."""
    qualifier = {"Qualifier": asked.get("qualifier")} if asked.get("qualifier") else {}
    return {"FunctionName": asked["function_name"]} | qualifier


PARENT = "aws_lambda_function"
READERS = {
    PARENT: alone("function_name", function),
    "aws_lambda_alias": part(PARENT, "function_name name", alias),
    "aws_lambda_function_event_invoke_config": part(PARENT, "function_name", event_invoke_config),
    "aws_lambda_function_url": part(PARENT, "function_name", url),
    "aws_lambda_permission": part(PARENT, "function_name statement_id", permission),
}
