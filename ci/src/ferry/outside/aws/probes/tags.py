"""What has no name is found by its tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferry import ownership
from ferry.outside.aws.probes.questions import tagged

if TYPE_CHECKING:
    from ferry.outside.aws.probes.questions import Question


def carrying(asked: Question, type: str) -> dict[str, dict[str, str]]:
    """ARN to tags of all that carry the project's and the environment's tag as the plan would write them.

    Where the plan names no environment, any other's would be met as well: then nothing is looked for.
    """
    said = ownership.marks(asked.tags)
    if not ownership.names_environment(said):
        return {}
    found = asked.ask_all(
        "resourcegroupstaggingapi",
        "get_resources",
        "ResourceTagMappingList",
        ResourceTypeFilters=[type],
        TagFilters=[{"Key": name, "Values": [value]} for name, value in sorted(said.items())],
    )
    return {str(one["ResourceARN"]): tagged(one["Tags"]) for one in found}
