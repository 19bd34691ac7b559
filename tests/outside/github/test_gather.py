from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from ferry.gate import Decision, Tier, Verdict, decide
from ferry.gate.facts import DEPENDABOT, Unknown
from ferry.outside.github import GitHub, Question, gather
from ferry.outside.github.signature import issuer
from ferry.outside.github.trailer import claims
from tests.gate.test_locks import HTTPX, HTTPX_HASH, UV
from tests.gate.worlds import sha
from tests.outside.github.small_github import (
    ADA,
    BEN,
    BOT,
    MOST_PULL_FILES,
    NAME,
    OWNER,
    PLACE,
    Repo,
    SmallGitHub,
    changed,
    dependabots,
    environment,
    message,
    moved,
    persons,
    persons_commit,
    serving,
    signature,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ferry.gate import Facts

AFTER = UV.replace(*HTTPX).replace(*HTTPX_HASH)
UPDATE = ("httpx", "0.28.1")
NOTHING: Any = (200, {}, [])
DENIED: Any = (403, {}, {"message": "Resource not accessible by integration"})


@pytest.fixture
def github() -> Iterator[SmallGitHub]:
    with serving() as small:
        yield small


@pytest.fixture
def repo(github: SmallGitHub) -> Repo:
    return Repo(github)


def gathered(repo: Repo, candidate: str = "", waited: list[float] | None = None, **other: Any) -> Facts:
    async def pause(seconds: float) -> None:
        if waited is not None:
            waited.append(seconds)

    async def go() -> Facts:
        said = {"deployed": sha("deployed"), "candidate": candidate or repo.tip, "environment": "prod", "first": False}
        client = GitHub(f"{OWNER}/{NAME}", token="planted", api=repo.github.url, pause=pause)
        async with client:
            return await gather(client, Question(**{**said, **other}))

    return anyio.run(go)


def judged(repo: Repo, candidate: str = "", **other: Any) -> Decision:
    return decide(gathered(repo, candidate, **other))


def reasons(found: Decision) -> str:
    return "\n".join(map(str, found.reasons))


# What it is all about.


@pytest.mark.req("R-03")
def test_a_security_update_is_proven_by_the_alert_that_it_closes(repo: Repo) -> None:
    repo.merge(7, dependabots((UV, AFTER), UPDATE))
    repo.alert(7)
    found = judged(repo)
    assert (found.tier, found.verdict) == (Tier.T0, Verdict.AUTOMATIC), reasons(found)
    assert repo.github.tokens == {"Bearer planted"}


@pytest.mark.req("R-03")
def test_labels_titles_and_bodies_prove_nothing(repo: Repo) -> None:
    """The pull request says everywhere that it is one."""
    repo.merge(7, dependabots((UV, AFTER), UPDATE))
    found = judged(repo)
    assert (found.tier, found.verdict) == (Tier.T1, Verdict.PERSON), reasons(found)


@pytest.mark.req("R-03")
def test_the_lock_file_says_how_large_it_is_whatever_the_title_says(repo: Repo) -> None:
    repo.merge(7, dependabots((UV, UV.replace('"0.28.0"', '"1.0.0"').replace(*HTTPX_HASH)), ("httpx", "1.0.0")))
    found = judged(repo)
    assert found.tier is Tier.T3
    assert "uv.lock: httpx 0.28.0 → 1.0.0: major" in reasons(found)


@pytest.mark.req("R-03")
def test_a_persons_change_needs_a_person(repo: Repo) -> None:
    repo.merge(8, persons("src/stream.py"))
    assert judged(repo).tier is Tier.T2


@pytest.mark.req("R-03")
def test_the_strictest_of_the_range_counts(repo: Repo) -> None:
    repo.merge(7, dependabots((UV, AFTER), UPDATE))
    repo.alert(7)
    repo.merge(8, persons("src/stream.py"))
    repo.merge(9, persons("Makefile", head="other"))
    repo.github.answers[f"{PLACE}/activity"] = [moved(sha("head"), BOT)]
    found = judged(repo)
    assert found.tier is Tier.T3
    assert {reason.about: reason.tier for reason in reversed(found.reasons)} == {
        "#7": Tier.T0, "#8": Tier.T2, "#9": Tier.T3,
    }  # fmt: skip


@pytest.mark.req("R-03")
def test_a_direct_push_is_found_by_the_range(repo: Repo) -> None:
    repo.merge(8, persons("src/stream.py"))
    repo.push()
    found = judged(repo)
    assert found.tier is Tier.T3
    assert "was pushed directly" in reasons(found)


@pytest.mark.req("R-03")
def test_a_commit_of_a_fork_is_refused(repo: Repo) -> None:
    repo.merge(8, persons("src/stream.py"))
    repo.github.answers[f"{PLACE}/compare/main...{repo.tip}"] = {"status": "diverged", "total_commits": 1}
    assert judged(repo).verdict is Verdict.REFUSED


@pytest.mark.req("R-03")
def test_a_squash_hides_nobody(repo: Repo) -> None:
    """On main it is Dependabot's, with a valid signature; in the pull request a person had a hand in it."""
    pull = dependabots((UV, AFTER), UPDATE, head="first")
    pull["commits"].append(persons_commit("head"))
    pull["data"] |= {"commits": 2, "head": {**pull["data"]["head"], "sha": sha("head")}}
    pull["moves"].append(moved(sha("head"), ADA, "push", sha("first")))
    repo.merge(7, pull)
    repo.alert(7)
    found = judged(repo)
    assert found.tier is Tier.T2, reasons(found)


@pytest.mark.req("R-03")
def test_a_push_by_force_shows_in_who_moved_the_branch(repo: Repo) -> None:
    pull = dependabots((UV, AFTER), UPDATE)
    pull["moves"] = [moved(sha("older"), BOT), moved(sha("head"), ADA, "force_push", sha("older"))]
    repo.merge(7, pull)
    repo.alert(7)
    found = judged(repo)
    assert found.tier is Tier.T3
    assert "somebody else moved its branch" in reasons(found)


@pytest.mark.req("R-03")
def test_a_push_by_force_in_the_meantime_is_noticed(repo: Repo) -> None:
    repo.merge(7, dependabots((UV, AFTER), UPDATE))
    repo.alert(7)

    def move(path: str) -> None:
        if path.endswith("/pulls/7/files"):
            data = repo.github.answers[f"{PLACE}/pulls/7"]
            repo.github.answers[f"{PLACE}/pulls/7"] = {**data, "head": {**data["head"], "sha": sha("evil")}}

    repo.github.before = move
    found = judged(repo)
    assert found.tier is Tier.T3
    assert "its head moved while it was read: judge it again" in reasons(found)


@pytest.mark.req("R-03")
def test_a_merge_that_brings_more_than_its_pull_request_is_noticed(repo: Repo) -> None:
    repo.merge(8, persons("src/stream.py"))
    repo.github.answers[f"{PLACE}/commits/{repo.tip}"]["files"].append(changed("src/door.py"))
    found = judged(repo)
    assert found.tier is Tier.T3
    assert "src/door.py came with it" in reasons(found)


@pytest.mark.req("R-03")
def test_a_package_from_elsewhere_is_noticed(repo: Repo) -> None:
    evil = AFTER.replace("https://pypi.org/simple", "https://evil.example/simple")
    repo.merge(7, dependabots((UV, evil), UPDATE))
    repo.alert(7)
    found = judged(repo)
    assert found.tier is Tier.T3
    assert "https://evil.example/simple" in reasons(found)


@pytest.mark.req("R-03")
def test_an_open_pull_request_is_tried_out_before_it_is_merged(repo: Repo) -> None:
    candidate = repo.open(7, dependabots((UV, AFTER), UPDATE))
    repo.alert(7)
    found = judged(repo, candidate, pull=7)
    assert (found.tier, found.verdict) == (Tier.T0, Verdict.AUTOMATIC), reasons(found)


@pytest.mark.req("R-03")
def test_the_merge_of_another_head_is_not_what_was_judged(repo: Repo) -> None:
    candidate = repo.open(7, dependabots((UV, AFTER), UPDATE))
    repo.github.answers[f"{PLACE}/commits/{candidate}"]["parents"][1]["sha"] = sha("evil")
    assert judged(repo, candidate, pull=7).verdict is Verdict.REFUSED


@pytest.mark.req("R-03", "R-04")
def test_who_agreed_is_asked_of_the_run(repo: Repo) -> None:
    repo.merge(8, persons("src/stream.py"))
    repo.github.answers[f"{PLACE}/actions/runs/99"] = {"id": 99, "head_sha": repo.tip}
    said = {"state": "approved", "comment": "", "environments": [{"id": 1, "name": "prod"}]}
    verdicts = []
    for person in ({"login": "cleo", "id": 503, "type": "User"}, ADA, BEN):
        repo.github.answers[f"{PLACE}/actions/runs/99/approvals"] = [{**said, "user": person}]
        verdicts.append(judged(repo, run=99).verdict)
    assert verdicts == [Verdict.AGREED, Verdict.REFUSED, Verdict.REFUSED]


@pytest.mark.req("R-03", "R-04")
@pytest.mark.parametrize(
    ("rules", "says"),
    [
        (environment(protection_rules=[]), "nobody has to review"),
        (environment(can_admins_bypass=True), "administrators may pass"),
        (environment(deployment_branch_policy=None), "other branches"),
        ({"message": "moved"}, "not known"),
    ],
)
def test_an_environment_that_asks_nobody_is_refused(repo: Repo, rules: dict[str, Any], says: str) -> None:
    repo.merge(8, persons("src/stream.py"))
    repo.github.answers[f"{PLACE}/environments/prod"] = rules
    found = judged(repo)
    assert found.verdict is Verdict.REFUSED
    assert says in reasons(found)


@pytest.mark.req("R-04")
def test_protected_branches_are_those_that_there_are(repo: Repo) -> None:
    repo.merge(8, persons("src/stream.py"))
    policy = {"protected_branches": True, "custom_branch_policies": False}
    repo.github.answers[f"{PLACE}/environments/prod"] = environment(deployment_branch_policy=policy)
    repo.github.answers[f"{PLACE}/branches"] = [{"name": "main"}]
    assert judged(repo).verdict is Verdict.PERSON
    repo.github.answers[f"{PLACE}/branches"] = []
    assert judged(repo).verdict is Verdict.REFUSED


def test_a_check_that_still_runs_is_none(repo: Repo) -> None:
    repo.merge(8, persons("src/stream.py"))
    runs = repo.github.answers[f"{PLACE}/commits/{repo.tip}/check-runs"]["check_runs"]
    runs[0] |= {"status": "in_progress", "conclusion": None}
    found = judged(repo)
    assert found.verdict is Verdict.REFUSED
    assert "test did not succeed" in reasons(found)


def test_older_branch_protection_asks_for_checks_too(repo: Repo) -> None:
    repo.merge(8, persons("src/stream.py"))
    checks = {"checks": [{"context": "lint", "app_id": None}]}
    repo.github.answers[f"{PLACE}/branches/main"]["protection"] = {"enabled": True, "required_status_checks": checks}
    assert "lint did not run" in reasons(judged(repo))


def test_github_remembers_another_deployment(repo: Repo) -> None:
    repo.merge(7, dependabots((UV, AFTER), UPDATE))
    repo.alert(7)
    repo.github.answers[f"{PLACE}/deployments"][0]["sha"] = sha("other")
    assert "GitHub says that the stage runs something else" in reasons(judged(repo))


def test_nothing_was_ever_deployed(repo: Repo) -> None:
    repo.github.answers[f"{PLACE}/deployments"] = []
    found = judged(repo, deployed="")
    assert found.tier is Tier.T3


# Pages, limits, refusals.


def test_a_list_of_many_pages_is_read_to_its_end(repo: Repo) -> None:
    repo.merge(8, persons(*(f"src/{number}.py" for number in range(250)), ".github/CODEOWNERS"))
    found = judged(repo)
    assert found.tier is Tier.T3
    assert ".github/CODEOWNERS is part of the pipeline" in reasons(found)
    assert sum("/pulls/8/files" in asked for asked in repo.github.asked) == 3


@pytest.mark.req("R-03")
def test_files_that_github_does_not_tell_of_are_not_known(repo: Repo) -> None:
    repo.merge(8, persons(*(f"src/{number}.py" for number in range(MOST_PULL_FILES + 1))))
    found = judged(repo)
    assert found.tier is Tier.T3
    assert "3000 of 3001 could be read" in reasons(found)
    assert "changes more files than GitHub tells of" in reasons(found)


@pytest.mark.req("R-03")
def test_commits_that_github_does_not_tell_of_are_not_known(repo: Repo) -> None:
    repo.merge(8, persons("src/stream.py"))
    repo.github.answers[f"{PLACE}/compare/{sha('deployed')}...{repo.tip}"]["total_commits"] = 300
    found = judged(repo)
    assert found.tier is Tier.T3
    assert "1 of 300 commits could be read" in reasons(found)


@pytest.mark.req("R-03")
@pytest.mark.parametrize("refused", [DENIED, (404, {}, {"message": "Not Found"}), (500, {}, "oops"), (200, {}, "{"),
                                     (301, {"location": "https://evil.example"}, {"message": "Moved Permanently"}),
                                     (200, {}, {}), NOTHING])  # fmt: skip
def test_no_refusal_loosens_a_decision(repo: Repo, refused: Any) -> None:
    """Each path once, for good: what was automatic is automatic no more."""
    repo.merge(7, dependabots((UV, AFTER), UPDATE))
    repo.alert(7)
    assert judged(repo).verdict is Verdict.AUTOMATIC
    asked = sorted({line.split()[1].partition("?")[0] for line in repo.github.asked})
    assert len(asked) > 15
    # An environment's rules matter where a person has to agree.
    matter = [path for path in asked if "/environments/" not in path]
    for path in matter:
        repo.github.refusals[path] = [refused] * 10
        found = judged(repo)
        repo.github.refusals[path] = []
        # That no deployment is recorded, or has ended, is an answer.
        allowed = refused == NOTHING and "/deployments" in path
        assert found.tier > Tier.T0 or allowed, path


def test_it_waits_as_long_as_github_asks(repo: Repo) -> None:
    repo.merge(8, persons("src/stream.py"))
    reset = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1788264030", "date": "Tue, 01 Sep 2026 12:00:00 GMT"}
    repo.github.refusals[f"{PLACE}/pulls/8"] = [
        (429, {"retry-after": "7"}, {"message": "Too many"}),
        (403, reset, {"message": "API rate limit exceeded for installation"}),
        (403, {}, {"message": "You have exceeded a secondary rate limit"}),
    ]
    waited: list[float] = []
    assert decide(gathered(repo, waited=waited)).tier is Tier.T2
    assert waited == [7, 30, 60]


def test_it_does_not_wait_for_ever(repo: Repo) -> None:
    repo.merge(8, persons("src/stream.py"))
    repo.github.refusals[f"{PLACE}/pulls/8"] = [(429, {"retry-after": "3600"}, {"message": "Too many"})] * 3
    waited: list[float] = []
    found = decide(gathered(repo, waited=waited))
    assert (found.tier, waited) == (Tier.T3, [])
    assert "429: Too many" in reasons(found)


def test_what_is_denied_is_asked_for_once(repo: Repo) -> None:
    repo.merge(8, persons("src/stream.py"))
    repo.github.refusals[f"{PLACE}/deployments"] = [DENIED]
    waited: list[float] = []
    found = decide(gathered(repo, waited=waited))
    assert waited == []
    assert "deployments: not known: /repos/acme/carrier/deployments: 403: Resource not accessible" in reasons(found)


def test_a_hiccup_is_not_told_at_all(repo: Repo) -> None:
    repo.merge(8, persons("src/stream.py"))
    repo.github.refusals[f"{PLACE}/pulls/8"] = [(502, {}, "bad gateway")] * 2
    assert decide(gathered(repo)).tier is Tier.T2


def test_the_token_goes_nowhere_else(repo: Repo) -> None:
    repo.merge(8, persons("src/stream.py"))
    away = {"link": '<https://evil.example/next>; rel="next"'}
    repo.github.refusals[f"{PLACE}/pulls/8/files"] = [(200, away, [changed("src/stream.py")])]
    found = judged(repo)
    assert found.tier is Tier.T3
    assert "the next page is said to be at evil.example" in reasons(found)


def test_nobody_there_is_a_refusal(repo: Repo) -> None:
    repo.github.url = "http://127.0.0.1:9"
    found = judged(repo)
    assert found.verdict is Verdict.REFUSED


def test_what_graphql_refuses_is_not_known(repo: Repo) -> None:
    repo.merge(7, dependabots((UV, AFTER), UPDATE))
    repo.alert(7)
    repo.github.answers["/graphql"] |= {"errors": [{"type": "FORBIDDEN", "message": "Resource not accessible"}]}
    found = judged(repo)
    assert found.tier is Tier.T1
    assert "alerts are not known: GraphQL: Resource not accessible" in reasons(found)


def test_a_signature_that_github_had_no_time_for_is_asked_for_again(repo: Repo) -> None:
    pull = dependabots((UV, AFTER), UPDATE)
    repo.merge(7, pull)
    late = {**pull["commits"][0]["commit"], "verification": {"verified": False, "reason": "gpgverify_unavailable"}}
    repo.github.refusals[f"{PLACE}/pulls/7/commits"] = [(200, {}, [{**pull["commits"][0], "commit": late}])]
    assert judged(repo).tier is Tier.T1


def test_it_asks_no_more_than_it_has_to(repo: Repo) -> None:
    """GITHUB_TOKEN has 1,000 requests an hour, for all jobs of a repository."""
    repo.merge(7, dependabots((UV, AFTER), UPDATE))
    before = len(repo.github.asked)
    gathered(repo)
    assert len(repo.github.asked) - before <= 25


# The small readers.


@pytest.mark.parametrize("key", ["B5690EEEBB952194", "4AEE18F83AFDEB23"])
def test_the_key_of_a_signature(key: str) -> None:
    assert issuer(signature(key)) == key


@pytest.mark.parametrize("text", [None, "", "-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----",
                                  signature("00" * 8).replace("wj", "zz"), 7])  # fmt: skip
def test_what_is_no_signature_names_no_key(text: object) -> None:
    assert issuer(text) in ("", "00" * 8)


def test_a_signature_of_two_minds_names_no_key() -> None:
    good = signature("B5690EEEBB952194")
    assert issuer(good.replace(good.splitlines()[3], "A" * len(good.splitlines()[3]))) == ""


def test_what_a_commit_says_that_it_updates() -> None:
    assert claims([message(("httpx", "0.28.1"), ('"@types/node"', "1"))]) == {
        "items": [{"name": "httpx", "version": "0.28.1"}, {"name": "@types/node", "version": "1"}],
        "total": 2,
    }


@pytest.mark.parametrize("text", ["", "Bump httpx", message()])
def test_a_commit_that_does_not_say_it(text: str) -> None:
    assert "unknown" in claims([text])
    assert "unknown" in claims([message(UPDATE), text])


def test_the_facts_name_accounts_by_number(repo: Repo) -> None:
    repo.merge(7, dependabots((UV, AFTER), UPDATE))
    facts = gathered(repo)
    assert not isinstance(facts.pulls, Unknown)
    assert facts.pulls.items[0].opener == DEPENDABOT
