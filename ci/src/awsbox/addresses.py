"""Where function URLs are: no name server knows AWS's names for them, so who asks is told where the box answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from awsbox.calls import Answer, Call, Next

NAMED = re.compile(rb'"https://([a-z0-9]+)\.lambda-url\.[a-z0-9-]+\.on\.aws/"')


@dataclass(frozen=True, slots=True)
class Addresses:
    endpoint: str

    async def layer(self, call: Call, way: Next) -> Answer:
        answer = await way(call)
        if call.service != "lambda" or "FunctionUrlConfig" not in call.operation or not isinstance(answer.body, bytes):
            return answer
        ours = rf'"{self.endpoint}/_aws/lambda-url/\1/"'.encode()
        body = NAMED.sub(ours, answer.body)
        headers = tuple(
            (name, str(len(body)) if name.lower() == "content-length" else value) for name, value in answer.headers
        )
        return replace(answer, headers=headers, body=body)
