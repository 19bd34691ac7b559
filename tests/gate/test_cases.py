"""What people and attackers do, and what the gate says to it: each with the argument for it.

The first thirty are those of the notes on GitHub, in their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from ferry.gate import Tier, Verdict
from tests.gate.worlds import (
    BOT,
    DEPLOYED,
    HEAD,
    PERSON,
    SECOND,
    TIP,
    agreed,
    alert,
    bump,
    claim,
    commit,
    decided,
    file,
    listed,
    lock,
    move,
    persons_commit,
    persons_pull,
    pull,
    security_pull,
    sha,
    step,
    trial,
    world,
)

T0, T1, T2, T3, X = Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    what: str
    tier: Tier
    because: str
    facts: dict[str, Any]
    says: str = ""


def replaced(said: dict[str, Any], *path: str, to: Any) -> dict[str, Any]:
    """The same world but for one fact."""
    first, *rest = path
    return {**said, first: replaced(said[first], *rest, to=to) if rest else to}


OLDER, MINE = sha("older"), sha("mine")
WITH_PERSON: dict[str, Any] = {
    "commits": listed(commit("first"), persons_commit("head")),
    "moves": listed(move(after=sha("first")), move(PERSON, "push", sha("first"), HEAD)),
    "paths": ("uv.lock", "src/stream.py"),
}
UPDATED_BRANCH = commit(author=PERSON, author_kind="User", author_name="Ada", author_email="ada@example.com", parents=2)
WORKFLOW = ".github/workflows/deploy.yml"
ACTION = pull(
    paths=(WORKFLOW,),
    locks=listed(lock(bump("actions/checkout", "4.1.0", "4.1.1"), path=WORKFLOW, ecosystem="ACTIONS")),
    claims=listed(claim("actions/checkout", "4.1.1")),
)
TWO = (bump("a", "1.0.0", "1.0.1"), bump("b", "1.0.0", "1.0.1"))
ALERT_A = alert("a", "< 1.0.1", "1.0.1")

NOTED = [
    Case(
        what="a person's pull request on Dependabot's branch, with Dependabot as git author",
        tier=T3,
        because="who opened it is another, and it poses",
        facts=world(persons_pull(branch="dependabot/uv/x-1.0.1", commits=listed(commit(verified=False, key="")))),
        says="Dependabot did not open it",
    ),
    Case(
        what="a user whose login is dependabot",
        tier=T3,
        because="a name is no identity",
        facts=world(persons_pull(opener_login="dependabot")),
        says="Dependabot did not open it",
    ),
    Case(
        what="a genuine pull request with one honest commit of a person",
        tier=T2,
        because="it is not Dependabot's alone any more",
        facts=world(security_pull(**WITH_PERSON)),
        says="is a person's",
    ),
    Case(
        what="one more commit with Dependabot's e-mail, not signed",
        tier=T3,
        because="an author is free text",
        facts=world(
            pull(
                commits=listed(commit("first"), commit(verified=False, reason="unsigned", committer="ada", key="")),
                moves=WITH_PERSON["moves"],
            )
        ),
        says="says that it is Dependabot's",
    ),
    Case(
        what="the same, signed with the pusher's own key",
        tier=T3,
        because="verified means that the key is the committer's, whoever the author is said to be",
        facts=world(
            pull(
                commits=listed(commit("first"), commit(committer="ada", key="0123456789ABCDEF")),
                moves=WITH_PERSON["moves"],
            )
        ),
        says="says that it is Dependabot's",
    ),
    Case(
        what="an older commit of Dependabot's, pushed by force by a person",
        tier=T3,
        because="it is signed, and somebody else put it there; and the version goes down",
        facts=world(
            pull(
                commits=listed(commit("older")),
                head=OLDER,
                head_after=OLDER,
                moves=listed(move(), move(PERSON, "force_push", HEAD, OLDER)),
                bumps=(bump("httpx", "0.28.1", "0.28.0"),),
            )
        ),
        says="somebody else moved its branch",
    ),
    Case(
        what="a commit that Dependabot signed in an attacker's fork, pushed to the branch",
        tier=T3,
        because="who moved the branch is another, and packages come from elsewhere",
        facts=world(
            pull(
                moves=listed(move(PERSON)),
                locks=listed(lock(bump(), odd=("httpx is fetched from https://evil.example",))),
            )
        ),
        says="somebody else moved its branch",
    ),
    Case(
        what="a fork's pull request, started again so that the actor is Dependabot",
        tier=T3,
        because="its branch is in another repository; an actor is no fact here",
        facts=world(pull(head_repository=666)),
        says="its branch is in another repository",
    ),
    Case(
        what="a maintainer told Dependabot to make it again: the new head is genuine",
        tier=T1,
        because="the commands of people with write access are fine: the new head is judged",
        facts=world(pull(moves=listed(move(after=OLDER), move(kind="force_push", before=OLDER)))),
    ),
    Case(
        what="the head moves while it is judged",
        tier=T3,
        because="what was read is not what would be merged: judge again",
        facts=world(pull(head_after=OLDER)),
        says="judge it again",
    ),
    Case(
        what="the button 'Update branch': a person's merge commit, signed by GitHub",
        tier=T2,
        because="signed, but not Dependabot's",
        facts=world(
            pull(
                commits=listed(commit("first"), UPDATED_BRANCH),
                moves=listed(move(after=sha("first")), move(PERSON, "push", sha("first"), HEAD)),
            )
        ),
        says="is a person's",
    ),
    Case(what="a label 'security' on a patch", tier=T1, because="labels are no facts: no alert", facts=world(pull())),
    Case(what="a body that names an advisory", tier=T1, because="text proves nothing: no alert", facts=world(pull())),
    Case(
        what="a title that says patch, and a lock file that says major",
        tier=T3,
        because="titles are no facts: the lock file decides",
        facts=world(pull(bumps=(bump("httpx", "0.28.1", "1.0.0"),))),
        says="httpx 0.28.1 → 1.0.0: major",
    ),
    Case(
        what="alerts may not be read, for a real security update",
        tier=T1,
        because="what is not proven is not security; the size decides",
        facts=world(security_pull(alerts={"unknown": "403: Resource not accessible by integration"})),
        says="alerts are not known: 403",
    ),
    Case(
        what="the alert is for the same package in another manifest",
        tier=T1,
        because="that one is not mended by this",
        facts=world(security_pull(alerts=listed(alert(manifest="tools/uv.lock")))),
        says="no alert of this pull request is closed",
    ),
    Case(
        what="the new version is still vulnerable",
        tier=T1,
        because="it mends nothing",
        facts=world(security_pull(alerts=listed(alert(vulnerable="< 0.29.0", patched="0.29.0")))),
        says="no alert of this pull request is closed",
    ),
    Case(
        what="a genuine security update that is also a major one",
        tier=T3,
        because="two rules meet: the stricter counts",
        facts=world(
            security_pull(
                bumps=(bump("a", "1.9.0", "2.0.0"),), alerts=listed(alert("a", vulnerable="< 2.0.0", patched="2.0.0"))
            )
        ),
        says="major",
    ),
    Case(
        what="a group: four patches and one major",
        tier=T3,
        because="the largest counts",
        facts=world(
            pull(bumps=(*(bump(name, "1.0.0", "1.0.1") for name in "abcd"), bump("e", "1.0.0", "2.0.0"))),
        ),
        says="e 1.0.0 → 2.0.0: major",
    ),
    Case(
        what="a security group with one entry that no alert is about",
        tier=T1,
        because="every entry must be proven",
        facts=world(pull(bumps=TWO, alerts=listed(ALERT_A))),
        says="b 1.0.0 → 1.0.1",
    ),
    Case(
        what="an indirect entry, of which the commit does not say how large it is",
        tier=T1,
        because="the lock file says it",
        facts=world(pull(bumps=(bump("httpx"), bump("idna", "3.7", "3.8", "httpx")))),
    ),
    Case(
        what="0.4.2 → 0.5.0",
        tier=T3,
        because="below 1.0 the second number breaks things",
        facts=world(pull(bumps=(bump("httpx", "0.4.2", "0.5.0"),))),
        says="major",
    ),
    Case(
        what="a version by date",
        tier=T3,
        because="it does not say how much changed",
        facts=world(pull(bumps=(bump("certifi", "2026.1.1", "2026.2.1"),))),
        says="the versions do not say how large the step is",
    ),
    Case(
        what="uv.lock changes a package that is neither named nor brought by one that is",
        tier=T3,
        because="its content exceeds its claim",
        facts=world(pull(bumps=(bump(),), claims=listed(claim("other", "0.28.1")))),
        says="is not of what it says that it updates",
    ),
    Case(
        what="a patch of an action in the workflow that deploys",
        tier=T3,
        because="it changes what runs the gate: the path counts, not the size",
        facts=world(ACTION),
        says="is part of the pipeline",
    ),
    Case(
        what="a security update and a person's change between two deployments",
        tier=T2,
        because="the strictest of the range counts",
        facts=world(security_pull(7), persons_pull(8)),
        says="a person's change",
    ),
    Case(
        what="a direct push in the range",
        tier=T3,
        because="no pull request says what it is",
        facts=world(pull(), steps=listed(step(None, "tip", "mid"), step(7, "mid"))),
        says="was pushed directly",
    ),
    Case(
        what="squashed on main with Dependabot as author and GitHub's signature, over a person's commits",
        tier=T2,
        because="the pull request's own commits are judged, not what became of them",
        facts=world(pull(**WITH_PERSON)),
        says="is a person's",
    ),
    Case(
        what="a commit that exists in a fork alone",
        tier=X,
        because="it is not on the default branch",
        facts=world(pull(), reachable=False),
        says="it is not on the default branch",
    ),
    Case(
        what="an environment without reviewers, where a person is needed",
        tier=X,
        because="asking there asks nobody",
        facts=replaced(world(persons_pull()), "stage", "rules", "reviewers", to=0),
        says="nobody has to review",
    ),
]

OURS = [
    Case(what="a genuine security update", tier=T0, because="every part of it is proven", facts=world(security_pull())),
    Case(
        what="an indirect security update, proven as the direct one is",
        tier=T0,
        because="the hole is in what the lock file pins, direct or not",
        facts=world(
            pull(
                bumps=(bump("httpx"), bump("idna", "3.7", "3.8", "httpx")),
                alerts=listed(alert(), alert("idna", "< 3.8", "3.8")),
            )
        ),
    ),
    Case(
        what="an indirect package comes with a security update, and no alert is about it",
        tier=T1,
        because="it goes in too, and nothing makes that urgent",
        facts=world(security_pull(bumps=(bump("httpx"), bump("idna", "3.7", "3.8", "httpx")))),
    ),
    Case(
        what="a minor update",
        tier=T1,
        because="a person for prod",
        facts=world(pull(bumps=(bump("boto3", "1.43.0", "1.44.0"),))),
    ),
    Case(
        what="0.0.3 → 0.0.4",
        tier=T3,
        because="below 0.1 every number breaks things",
        facts=world(pull(bumps=(bump("x", "0.0.3", "0.0.4"),))),
    ),
    Case(
        what="a pre-release",
        tier=T3,
        because="how far it is from the next release nobody knows",
        facts=world(pull(bumps=(bump("x", "1.0.0", "1.1.0rc1"),))),
    ),
    Case(
        what="a digest of an image",
        tier=T3,
        because="a digest has no size",
        facts=world(
            pull(
                paths=("Dockerfile",),
                locks=listed(lock(bump("python", "sha256:aa", "sha256:bb"), path="Dockerfile", ecosystem="")),
                claims=listed(claim("python", "sha256:bb")),
            )
        ),
    ),
    Case(
        what="the same version with other bytes",
        tier=T3,
        because="a release that changes after it was made is what an attack looks like",
        facts=world(pull(locks=listed(lock(bump(), odd=("idna stays at its version and is another",))))),
        says="is another",
    ),
    Case(
        what="a package comes from a new index",
        tier=T3,
        because="more than a version changed",
        facts=world(pull(locks=listed(lock(bump(), odd=("httpx comes from elsewhere",))))),
    ),
    Case(
        what="one package is replaced by another name",
        tier=T3,
        because="more than a version changed",
        facts=world(pull(locks=listed(lock(bump(), odd=("requests is gone", "reqeusts is new"))))),
    ),
    Case(
        what="the commit names another version than the lock file has",
        tier=T3,
        because="one of the two is not Dependabot's",
        facts=world(pull(claims=listed(claim(version="0.29.0")))),
    ),
    Case(
        what="the commit lists nothing",
        tier=T3,
        because="what it is meant to update is not known",
        facts=world(pull(claims={"unknown": "no commit lists what it updates"})),
    ),
    Case(
        what="a source file in Dependabot's pull request",
        tier=T3,
        because="updates touch lock files and manifests",
        facts=world(pull(paths=("uv.lock", "src/stream.py"))),
        says="is no lock file",
    ),
    Case(
        what="GitHub tells of 3,000 files of 3,412",
        tier=T3,
        because="what is in the others nobody knows",
        facts=world(persons_pull(files={"items": [file("src/a.py")], "total": 3412})),
        says="1 of 3412 could be read",
    ),
    Case(
        what="a merge brought a file that the pull request does not have",
        tier=T3,
        because="somebody made the merge by hand",
        facts=world(persons_pull(landed=listed(file("src/stream.py"), file("src/door.py")))),
        says="src/door.py came with it",
    ),
    Case(
        what="a person changes the gate",
        tier=T3,
        because="the pipeline decides how everything else is judged",
        facts=world(persons_pull(paths=("ci/src/ferry/gate/decide.py",))),
    ),
    Case(
        what="a person changes CODEOWNERS, in other letters",
        tier=T3,
        because="who reviews is part of the pipeline",
        facts=world(persons_pull(paths=("docs/CodeOwners",))),
    ),
    Case(
        what="a person moves a workflow out of its folder",
        tier=T3,
        because="the old name counts as the new one does",
        facts=world(
            persons_pull(
                files=listed(file("old.yml", "renamed", ".github/workflows/deploy.yml")),
                landed=listed(file("old.yml", "renamed", ".github/workflows/deploy.yml")),
            )
        ),
    ),
    Case(
        what="a person changes the roles that deploy",
        tier=T3,
        because="they decide what a run may do",
        facts=world(persons_pull(paths=("infrastructure/bootstrap/environment/deployer.tf",))),
    ),
    Case(
        what="a person changes what is deployed",
        tier=T2,
        because="no other part of the infrastructure is the pipeline",
        facts=world(persons_pull(paths=("infrastructure/terraform/table.tf",))),
    ),
    Case(
        what="a person's pull request from a fork",
        tier=T2,
        because="who merged it took it in; a person looks before prod",
        facts=world(persons_pull(head_repository=4711)),
    ),
    Case(
        what="a person cherry-picks Dependabot's commit",
        tier=T3,
        because="it says that it is Dependabot's, and Dependabot did not open this",
        facts=world(persons_pull(commits=listed(commit()))),
    ),
    Case(
        what="another bot's pull request",
        tier=T3,
        because="it is neither a person's nor Dependabot's",
        facts=world(persons_pull(opener=BOT, opener_kind="Bot", opener_login="renovate[bot]")),
    ),
    Case(
        what="the opener's account is gone",
        tier=T3,
        because="nobody knows who it was",
        facts=world(persons_pull(opener={"unknown": "GitHub's answer has no user.id"})),
    ),
    Case(
        what="another bot's commit in Dependabot's pull request",
        tier=T3,
        because="no person stands behind it",
        facts=world(
            pull(
                commits=listed(commit("first"), persons_commit(author=BOT, author_kind="Bot", author_name="fixer")),
                moves=WITH_PERSON["moves"],
            )
        ),
    ),
    Case(
        what="a commit of nobody in Dependabot's pull request",
        tier=T3,
        because="no account stands behind its author's e-mail",
        facts=world(
            pull(
                commits=listed(commit("first"), persons_commit(author=0, author_kind="")),
                moves=WITH_PERSON["moves"],
            )
        ),
    ),
    Case(
        what="a person's commit on top of a major update",
        tier=T3,
        because="how large it is counts whoever helped",
        facts=world(pull(**WITH_PERSON, bumps=(bump("x", "1.0.0", "2.0.0"),))),
    ),
    Case(
        what="a merge commit by Dependabot",
        tier=T3,
        because="its own commits have one parent",
        facts=world(pull(commits=listed(commit(parents=2)))),
    ),
    Case(
        what="a key of GitHub's that the gate does not know",
        tier=T3,
        because="a new key is added by a person",
        facts=world(pull(commits=listed(commit(key="AAAABBBBCCCCDDDD")))),
    ),
    Case(
        what="GitHub had no time to look at the signature",
        tier=T3,
        because="not now is not yes",
        facts=world(pull(commits=listed(commit(verified=False, reason="gpgverify_unavailable")))),
    ),
    Case(
        what="who moved the branch may not be read",
        tier=T3,
        because="a signature says who made it, not who put it there",
        facts=world(pull(moves={"unknown": "403"})),
    ),
    Case(
        what="the moves end before the head",
        tier=T3,
        because="the last one is missing",
        facts=world(pull(moves=listed(move(after=OLDER)))),
        says="they do not lead",
    ),
    Case(
        what="a branch of the same name lived before, and was deleted",
        tier=T1,
        because="only the moves that lead to this head count",
        facts=world(
            pull(moves=listed(move(PERSON, after=OLDER), move(PERSON, "branch_deletion", OLDER, "0" * 40), move()))
        ),
    ),
    Case(
        what="the merged branch was deleted by who merged it",
        tier=T1,
        because="nothing moves by that",
        facts=world(pull(moves=listed(move(), move(PERSON, "branch_deletion", HEAD, "0" * 40)))),
    ),
    Case(
        what="a person deletes Dependabot's branch and makes it anew with an old commit of its",
        tier=T3,
        because="who makes a branch moves it",
        facts=world(pull(moves=listed(move(), move(PERSON, "branch_deletion", HEAD, "0" * 40), move(PERSON)))),
    ),
    Case(
        what="of a security update, two alerts are linked and one stays open",
        tier=T1,
        because="the hole is not closed",
        facts=world(security_pull(alerts=listed(alert(), alert(vulnerable="< 1.0.0", patched="1.0.0")))),
    ),
    Case(
        what="the alert was dismissed",
        tier=T1,
        because="somebody decided that it is not urgent",
        facts=world(security_pull(alerts=listed(alert(state="DISMISSED")))),
    ),
    Case(
        what="the alert names pyproject.toml beside the uv.lock",
        tier=T0,
        because="GitHub names the manifest that the lock file is made from",
        facts=world(security_pull(alerts=listed(alert(manifest="pyproject.toml")))),
    ),
    Case(
        what="the alert is of another ecosystem",
        tier=T1,
        because="npm's httpx is not this one",
        facts=world(security_pull(alerts=listed(alert(ecosystem="NPM")))),
    ),
    Case(
        what="nothing was ever deployed there",
        tier=T3,
        because="there is nothing to compare with",
        facts=world(deployed="", standing="first", recorded=listed(), steps=listed()),
    ),
    Case(
        what="prod runs something newer",
        tier=X,
        because="back is another command",
        facts=world(pull(), standing="behind"),
        says="older than what the stage runs",
    ),
    Case(
        what="prod runs what is on no way to the candidate",
        tier=X,
        because="nobody knows what would be undone",
        facts=world(pull(), standing="diverged"),
    ),
    Case(
        what="preprod runs what is on no way to the candidate",
        tier=T3,
        because="it is there to try things out, under a person's eyes",
        facts=world(pull(), first=True, standing="diverged"),
    ),
    Case(
        what="GitHub's deployments say something else than the state",
        tier=T3,
        because="one of the two is wrong",
        facts=world(pull(), recorded=listed(sha("other"))),
    ),
    Case(
        what="one of the range's commits is missing",
        tier=T3,
        because="what lies in the gap nobody knows",
        facts=world(pull(), steps=listed(step(7, "tip", "other"))),
        says="they do not lead to what the stage runs",
    ),
    Case(
        what="a commit of two pull requests",
        tier=T3,
        because="which one it is decides",
        facts=world(pull(), steps=listed({"commit": TIP, "parent": DEPLOYED, "pulls": listed(7, 8)})),
    ),
    Case(
        what="a required check failed",
        tier=X,
        because="what is not tested goes nowhere",
        facts=replaced(
            world(security_pull()), "checks", "runs", to=listed({"name": "test", "app": 15368, "conclusion": "failure"})
        ),
    ),
    Case(
        what="a check of the required name, said by another app",
        tier=X,
        because="whoever may write checks can say anything",
        facts=replaced(
            world(security_pull()), "checks", "runs", to=listed({"name": "test", "app": 99, "conclusion": "success"})
        ),
    ),
    Case(
        what="no check is required",
        tier=X,
        because="nothing says that it was tested",
        facts=replaced(world(security_pull()), "checks", "required", to=listed()),
    ),
    Case(
        what="administrators may pass the reviewers by, where a person is needed",
        tier=X,
        because="the rule binds nobody",
        facts=replaced(world(pull()), "stage", "rules", "admins_bypass", to=True),
    ),
    Case(
        what="any branch may use the environment, where a person is needed",
        tier=X,
        because="a branch of anybody's can ask for it",
        facts=replaced(world(pull()), "stage", "rules", "branches", to=listed()),
    ),
    Case(
        what="no reviewers, where nobody is needed",
        tier=T0,
        because="nobody would be asked",
        facts=replaced(world(security_pull()), "stage", "rules", "reviewers", to=0),
    ),
    Case(
        what="an open security update, tried out before it is merged",
        tier=T0,
        because="the merge is GitHub's, of main and a genuine head",
        facts=trial(security_pull()),
    ),
    Case(
        what="an open pull request, and a candidate that is the merge of something else",
        tier=X,
        because="what was judged is not what would go in",
        facts=replaced(trial(security_pull()), "span", "parents", to=listed(DEPLOYED, MINE)),
    ),
    Case(what="nothing changes", tier=T0, because="what runs was let in already", facts=world()),
]
ALL = [*NOTED, *OURS]


def test_there_are_enough_of_them() -> None:
    assert (len(NOTED), len(OURS) >= 30) == (30, True)


@pytest.mark.req("R-03")
@pytest.mark.parametrize("case", ALL, ids=[f"{number} {case.what}" for number, case in enumerate(ALL, 1)])
def test_the_gate_says(case: Case) -> None:
    found = decided(case.facts)
    assert found.tier == case.tier, [str(reason) for reason in found.reasons]
    assert case.says in "\n".join(str(reason) for reason in found.reasons if reason.tier == found.tier)


@pytest.mark.parametrize("case", ALL, ids=[f"{number} {case.what}" for number, case in enumerate(ALL, 1)])
def test_each_decision_has_reasons_of_one_line(case: Case) -> None:
    reasons = decided(case.facts).reasons
    assert reasons
    assert all(reason.about and reason.fact and reason.why and "\n" not in str(reason) for reason in reasons)


@pytest.mark.req("R-03")
@pytest.mark.parametrize(
    ("person", "other", "verdict"),
    [
        pytest.param(SECOND, {}, Verdict.AGREED, id="a second person"),
        pytest.param(PERSON, {}, Verdict.REFUSED, id="who opened it"),
        pytest.param(SECOND, {"state": "rejected"}, Verdict.REFUSED, id="a second person who says no"),
        pytest.param(SECOND, {"environments": ["preprod"]}, Verdict.REFUSED, id="a second person, elsewhere"),
        pytest.param(SECOND, {"kind": "Bot"}, Verdict.REFUSED, id="a bot"),
        pytest.param({"unknown": "gone"}, {}, Verdict.REFUSED, id="nobody known"),
    ],
)
def test_who_agreed_is_looked_at(person: Any, other: dict[str, Any], verdict: Verdict) -> None:
    assert decided(agreed(world(persons_pull(merger=PERSON)), person, **other)).verdict == verdict


@pytest.mark.req("R-03")
def test_who_merged_it_is_no_second_person() -> None:
    assert decided(agreed(world(persons_pull(merger=SECOND)), SECOND)).verdict is Verdict.REFUSED


@pytest.mark.req("R-03")
def test_what_was_agreed_to_last_week_is_another_commit() -> None:
    facts = replaced(agreed(world(persons_pull(merger=PERSON))), "agreement", "commit", to=OLDER)
    assert "for another commit" in str(decided(facts).reasons[0])


@pytest.mark.req("R-03")
@pytest.mark.parametrize(
    ("facts", "preprod", "prod"),
    [
        pytest.param(security_pull(), Verdict.AUTOMATIC, Verdict.AUTOMATIC, id="T0"),
        pytest.param(pull(), Verdict.AUTOMATIC, Verdict.PERSON, id="T1"),
        pytest.param(persons_pull(), Verdict.AUTOMATIC, Verdict.PERSON, id="T2"),
        pytest.param(ACTION, Verdict.PERSON, Verdict.PERSON, id="T3"),
    ],
)
def test_a_tier_asks_of_each_stage(facts: dict[str, Any], preprod: Verdict, prod: Verdict) -> None:
    assert (decided(world(facts, first=True)).verdict, decided(world(facts)).verdict) == (preprod, prod)


@pytest.mark.parametrize(
    ("approval", "verdict"),
    [("automatic", Verdict.AUTOMATIC), ("person", Verdict.PERSON), ("nonsense", Verdict.PERSON)],
)
def test_ferry_toml_may_take_the_decision(approval: str, verdict: Verdict) -> None:
    change = persons_pull() if approval == "automatic" else security_pull()
    assert decided(replaced(world(change), "stage", "approval", to=approval)).verdict == verdict


def test_ferry_toml_lets_nothing_in_that_is_refused() -> None:
    facts = replaced(world(persons_pull(), reachable=False), "stage", "approval", to="automatic")
    assert decided(facts).verdict is Verdict.REFUSED
