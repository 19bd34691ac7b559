"""A call on one repository of ECR: what it asks, and why it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from awsbox.calls import Answer, refusal
from awsbox.rules import shelves, stores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from awsbox.calls import Call, Layer, Next


class Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


@dataclass(frozen=True, slots=True)
class Asked:
    """A call on one repository, which exists."""

    name: str
    arguments: Mapping[str, Any]

    @property
    def where(self) -> str:
        return f"in the repository with name '{self.name}' in the registry with id '{stores.account()}'"

    @property
    def about(self) -> dict[str, Any]:
        """What most answers begin with."""
        return {"registryId": stores.account(), "repositoryName": self.name}

    def image(self, id: Mapping[str, str]) -> dict[str, Any] | None:
        return shelves.image(self.name, id.get("imageDigest") or id.get("imageTag", ""))

    def sure(self, id: Mapping[str, str]) -> dict[str, Any]:
        found = self.image(id)
        if found is None:
            said = {"imageDigest": id.get("imageDigest", "null"), "imageTag": id.get("imageTag", "null")}
            text = ", ".join(f"{name}:'{value}'" for name, value in said.items())
            raise Refused("ImageNotFoundException", f"The image with imageId {{{text}}} does not exist {self.where}")
        return found


def answering(answer: Callable[[Asked], Mapping[str, Any]]) -> Layer:
    """A rule that answers by itself."""

    async def rule(call: Call, _way: Next) -> Answer:
        try:
            return stores.said(answer(_asked(call)))
        except Refused as why:
            return refusal(call, 400, why.code, why.message)

    return rule


def asking(check: Callable[[Asked], None], after: Callable[[Asked], None]) -> Layer:
    """A rule around the emulator's own answer."""

    async def rule(call: Call, way: Next) -> Answer:
        try:
            asked = _asked(call)
            check(asked)
        except Refused as why:
            return refusal(call, 400, why.code, why.message)
        answer = await way(call)
        if answer.status == 200:
            after(asked)
        return answer

    return rule


def _asked(call: Call) -> Asked:
    name = call.arguments.get("repositoryName", "")
    if shelves.repository(name) is None:
        why = f"The repository with name '{name}' does not exist in the registry with id '{stores.account()}'"
        raise Refused("RepositoryNotFoundException", why)
    return Asked(name, call.arguments)


def nothing(_: Asked) -> None:
    """For rules that only check."""
