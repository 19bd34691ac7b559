"""Secrets Manager: a secret without a value has none, and a deleted name is not free until its recovery window ends."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from awsbox.calls import Answer, refusal
from awsbox.rules import stores

if TYPE_CHECKING:
    from awsbox.behind import Rules
    from awsbox.calls import Call, Next

PENDING = "You can't create this secret because a secret with this name is already scheduled for deletion."


async def create(call: Call, way: Next) -> Answer:
    secrets = stores.own("secretsmanager", "secrets")
    name = call.arguments.get("Name", "")
    if (there := secrets.get(name)) and there.get("DeletedDate"):
        return refusal(call, 400, "InvalidRequestException", PENDING)
    answer = await way(call)
    valued = {"SecretString", "SecretBinary"} & set(call.arguments)
    if answer.status != 200 or valued:
        return answer
    secrets[name]["Versions"].clear()
    told = {key: value for key, value in stores.told(answer).items() if key != "VersionId"}
    return replace(answer, body=json.dumps(told).encode())


RULES: Rules = {("secretsmanager", "CreateSecret"): create}
