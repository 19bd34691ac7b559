"""What a judged plan is bound to. Nothing else is applied in its name, and a person agrees to exactly it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Self

from ferry.errors import Blocked, NotAgreed
from ferry.model import Approval, Finding, Severity
from ferry.outside.caller import who
from ferry.outside.terraform.saved import Saved
from ferry.verbs import substance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ferry.model import Environment, Release
    from ferry.verbs.hands import Agree, Hands
    from ferry.verbs.plan import Judged
    from ferry.verbs.substance import Substance


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """`saved` has the plan file's hash, the provider lock file's and the state's serial. `idle`: nothing is to do.

    `changes` counts them by kind.
    """

    environment: str
    release: str
    commit: str
    idle: bool
    changes: Mapping[str, int]
    substance: Substance
    saved: Saved
    findings: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, environment: Environment, release: Release, judged: Judged) -> Self:
        return cls(
            environment=environment.name,
            release=release.id,
            commit=release.commit,
            idle=judged.plan.empty and not judged.plan.applyable,
            changes={kind: number for kind, number in judged.plan.count().items() if number},
            substance=substance.substance(judged.plan),
            saved=judged.saved,
            findings=judged.findings,
        )

    @classmethod
    def read(cls, text: str) -> Self:
        said = json.loads(text)
        findings = tuple(Finding(**one | {"severity": Severity(one["severity"])}) for one in said["findings"])
        return cls(**{**said, "saved": Saved(**said["saved"]), "findings": findings})

    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def hash(self) -> str:
        return sha256(self.text().encode()).hexdigest()

    @property
    def fingerprint(self) -> str:
        """What a person says to agree. Whatever is planned next with the same substance for the same release has it."""
        said = {"environment": self.environment, "release": self.release, "commit": self.commit, **self.substance}
        return substance.fingerprint(said)

    def refuse_other(self, environment: Environment, release: Release) -> None:
        if (self.environment, self.release, self.commit) != (environment.name, release.id, release.commit):
            raise Blocked(
                "this plan is not for what is deployed",
                where=environment.name,
                why=f"it was made for {self.release} in {self.environment}, and {release.id} is deployed",
                next="plan again: ferry plan",
            )

    def refuse_changed(self, now: Bound, why: Exception) -> None:
        if changed := substance.differences(self.substance, now.substance):
            raise Blocked(
                "the plan is another one now, so nothing was applied",
                where=self.environment,
                why="\n".join([str(why), *changed]),
                next=f"look at what it does now: ferry plan --env {self.environment}",
            )


async def nobody(_: str) -> str:
    return ""


def agreeing(fingerprint: str) -> Agree:
    """Whoever runs this has seen the plan with this fingerprint; empty for none."""

    async def agree(asked: str) -> str:
        return who() if asked == fingerprint else ""

    return agree


async def agreed(environment: Environment, bound: Bound, hands: Hands) -> Finding | None:
    """Stop unless those agree who have to. A plan that changes nothing is nobody's business."""
    if not bound.substance or not asks(environment):
        return None
    who = await hands.agree(bound.fingerprint)
    if not who:
        raise NotAgreed(
            f"a person has to agree before this is applied to {environment.name}",
            where=f"environments.{environment.name}.approval",
            why=f"it is {environment.approval.value!r}, and nobody agreed to the plan {bound.fingerprint}",
            next=f"look at the plan; to agree to it: ferry deploy --env {environment.name} --agree {bound.fingerprint}",
        )
    return Finding(
        guard="approval",
        severity=Severity.INFO,
        verdict="agreed",
        address=environment.name,
        what=f"{who} agreed to the plan {bound.fingerprint}",
    )


def asks(environment: Environment) -> bool:
    """A change whose kind nobody verified goes by itself into the first stage, and no further."""
    by_change = environment.approval is Approval.BY_CHANGE
    return environment.approval is Approval.PERSON or (by_change and bool(environment.promote_from))
