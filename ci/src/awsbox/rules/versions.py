"""Lambda makes no new version of what is the same. The emulator goes by whether there was an update, whatever of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from awsbox.authority import operations
from awsbox.rules import stores

if TYPE_CHECKING:
    from awsbox.behind import Rules
    from awsbox.calls import Answer, Call, Next

# What an update leaves behind that changes nothing, and what a version has of its own.
OF_NO_ACCOUNT = {"Description", "FunctionArn", "LastModified", "RevisionId", "State", "StateReason", "StateReasonCode"}
OF_NO_ACCOUNT |= {"LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode", "Version"}


async def publish(call: Call, way: Next) -> Answer:
    asked = operations.asked(call)
    name = str(asked.arguments["FunctionName"]).rpartition(":function:")[2] if asked else ""
    function = stores.own("lambda_svc", "functions").get(name)
    versions: dict[str, Any] = function["versions"] if function else {}
    newest = versions.get(max(versions, key=int, default=""))
    if newest and _content(newest["config"]) == _content(function["config"]):
        # What the emulator compares.
        newest["function_revision"] = function["config"].get("RevisionId")
    return await way(call)


def _content(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in OF_NO_ACCOUNT}


RULES: Rules = {("lambda", "PublishVersion"): publish}
