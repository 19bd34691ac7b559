"""The deployed canary: it knows its environment's addresses, and has the key that we do not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from anyio import to_thread

from ferry.errors import ProofFailed
from ferry.outside.aws import failures
from ferry.outside.canary import verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ferry.outside.aws import Access
    from ferry.outside.canary.verdict import Verdict

LONGEST_SECONDS = 300
"""It listens to streams, which takes its time."""


async def judge(access: Access, function: str, expected: Mapping[str, str]) -> Verdict:
    """`expected` is the event that it is called with."""
    return await to_thread.run_sync(_judge, access, function, expected)


def _judge(access: Access, function: str, expected: Mapping[str, str]) -> Verdict:
    client = access.client("lambda", read_timeout=LONGEST_SECONDS)
    with failures.translated(f"lambda:Invoke {function}"):
        answer = client.invoke(FunctionName=function, Payload=json.dumps(expected).encode())
        text = answer["Payload"].read().decode(errors="replace")
    said = None if "FunctionError" in answer else verdict.read(text)
    if said:
        return said
    raise ProofFailed(
        "the canary did not give a verdict",
        where=function,
        why=f"it answered: {text[-2000:]}",
        next=f"read its log: aws logs tail /aws/lambda/{function}",
    )
