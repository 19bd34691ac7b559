"""S3: who says whose bucket it must be is refused where it is somebody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awsbox.calls import Answer, refusal
from awsbox.rules import stores

if TYPE_CHECKING:
    from awsbox.behind import Rules
    from awsbox.calls import Call, Next

EXPECTED = "x-amz-expected-bucket-owner"


async def owned(call: Call, way: Next) -> Answer:
    """A call comes this far for buckets of the caller's own account only."""
    expected = {name.lower(): value for name, value in call.headers.items()}.get(EXPECTED)
    if expected and expected != stores.account():
        return refusal(call, 403, "AccessDenied", "Access Denied")
    return await way(call)


RULES: Rules = {("s3", "*"): owned}
