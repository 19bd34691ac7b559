"""A function's asynchronous calls: what was left out is not answered, as by AWS. It is six hours all the same."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from awsbox.rules import stores

if TYPE_CHECKING:
    from awsbox.behind import Rules
    from awsbox.calls import Answer, Call, Next

AGE = "MaximumEventAgeInSeconds"


async def configured(call: Call, way: Next) -> Answer:
    answer = await way(call)
    told = stores.told(answer)
    if AGE not in told or AGE in call.arguments:
        return answer
    name, _, qualifier = told["FunctionArn"].split(":function:")[1].partition(":")
    # The emulator's deliveries take six hours where it is absent.
    stores.own("lambda_svc", "functions")[name]["event_invoke_configs"][qualifier].pop(AGE, None)
    del told[AGE]
    return replace(answer, body=json.dumps(told).encode())


RULES: Rules = {("lambda", "PutFunctionEventInvokeConfig"): configured}
