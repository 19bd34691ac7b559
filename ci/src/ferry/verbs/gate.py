"""gate: whether a change may go into an environment by itself, with a person, or not at all."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferry.errors import Blocked, NotAgreed, RecordError, UsageError
from ferry.gate import Decision, Facts, Unknown, Verdict, decide, wire
from ferry.model import Commit
from ferry.outside.github import API, GitHub, Question, gather
from ferry.shape import Misshapen, read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ferry.model import Environment

WORDS = {
    Verdict.AUTOMATIC: "nobody has to agree",
    Verdict.PERSON: "a person has to agree",
    Verdict.AGREED: "a person agreed",
    Verdict.REFUSED: "refused",
}
ENDS = {Verdict.PERSON: NotAgreed.exit_code, Verdict.REFUSED: Blocked.exit_code}
REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A decision, and what it rests on."""

    facts: Facts
    decision: Decision

    @property
    def exit_code(self) -> int:
        """0 where it may go in."""
        return ENDS.get(self.decision.verdict, 0)

    @property
    def text(self) -> str:
        tier = self.decision.tier
        return "\n".join([
            f"{_stage(self.facts)}: {WORDS[self.decision.verdict]} ({tier.name}: {tier.meaning})",
            *(f"  {reason}" for reason in self.decision.reasons),
        ])  # fmt: skip

    def plain(self) -> dict[str, Any]:
        reasons = [
            {"tier": reason.tier.name, "about": reason.about, "fact": reason.fact, "why": reason.why}
            for reason in self.decision.reasons
        ]
        return {
            "tier": self.decision.tier.name,
            "verdict": self.decision.verdict.value,
            "reasons": reasons,
            "facts": wire.plain(self.facts),
        }


def question(
    environment: Environment, deployed: str | None, candidate: str, *, pull: int = 0, run: int = 0
) -> Question:
    if deployed is None:
        raise UsageError(
            "nothing says what the environment runs now",
            where="ferry gate",
            next="name the commit with --from; where nothing was ever deployed: --from=''",
        )
    for option, commit in (("--from", deployed), ("--to", candidate)):
        if commit or option == "--to":
            _is_commit(option, commit)
    return Question(
        deployed=deployed,
        candidate=candidate,
        environment=environment.name,
        first=not environment.promote_from,
        approval=environment.approval,
        pull=pull,
        run=run,
    )


def _is_commit(option: str, commit: str) -> None:
    """A branch may move while it is judged."""
    try:
        kind: Any = Commit
        read(kind, commit)
    except Misshapen as error:
        (misfit,) = error.misfits
        raise UsageError(
            f"{option} is no commit",
            where="ferry gate",
            why=f"found {misfit.found}; allowed: {misfit.allowed}",
            next="git rev-parse NAME",
        ) from None


def place(repository: str, environment: Mapping[str, str]) -> GitHub:
    """GitHub, as a job sees it. `environment` is the process's."""
    named = repository or environment.get("GITHUB_REPOSITORY", "")
    token = environment.get("GITHUB_TOKEN", "")
    if not REPOSITORY.fullmatch(named):
        raise UsageError(
            "nothing says which repository it is", where="ferry gate", next="name it: --repository OWNER/NAME"
        )
    if not token:
        raise UsageError(
            "GITHUB_TOKEN is not set",
            where="ferry gate",
            why="without a token GitHub does not tell what a decision rests on",
            next="in a job: env: GITHUB_TOKEN: ${{ github.token }}; elsewhere: export GITHUB_TOKEN=$(gh auth token)",
        )
    return GitHub(named, token=token, api=environment.get("GITHUB_API_URL") or API)


async def judge(github: GitHub, question: Question) -> Judged:
    async with github:
        facts = await gather(github, question)
    return Judged(facts=facts, decision=decide(facts))


def explain(file: Path) -> Judged:
    """The same decision from facts that were kept: those alone, or with the decision that was made of them."""
    where = str(file)
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _no_facts(where, f"it cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise _no_facts(where, f"it is not complete JSON: {error}") from None
    if not isinstance(data, dict):
        raise _no_facts(where, "it holds no table")
    facts = wire.facts(data.get("facts", data))
    return Judged(facts=facts, decision=decide(facts))


def _no_facts(where: str, why: str) -> RecordError:
    return RecordError(
        "these are no facts to decide by", where=where, why=why, next="keep what this prints: ferry gate --json"
    )


def _stage(facts: Facts) -> str:
    if isinstance(facts.stage, Unknown) or isinstance(facts.stage.name, Unknown):
        return "an environment that is not known"
    return facts.stage.name
