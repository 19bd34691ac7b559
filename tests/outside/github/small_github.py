"""GitHub, as far as the gate asks it: a repository that is really dialled, with answers of GitHub's shapes.

It comes in pages, is told what to refuse, and remembers what it was asked. `Repo` fills it with pull requests.
"""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from ferry.gate.facts import ACTIONS, DEPENDABOT
from tests.gate.worlds import NEW_BRANCH, PERSON, SECOND, WEB_FLOW_KEY, sha

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OWNER, NAME, ID = "acme", "carrier", 1001
PLACE = f"/repos/{OWNER}/{NAME}"
LISTS = ("commits", "files", "check_runs", "branch_policies")
MOST_PULL_FILES = 3000

ADA = {"login": "ada", "id": PERSON, "type": "User"}
BEN = {"login": "ben", "id": SECOND, "type": "User"}
BOT = {"login": "dependabot[bot]", "id": DEPENDABOT, "type": "Bot"}
WEB_FLOW = {"login": "web-flow", "id": 19864447, "type": "User"}


def signature(key: str) -> str:
    """An armoured signature packet that names a key, and signs nothing."""
    issuer = bytes.fromhex(key)
    fingerprint = bytes([4]) + bytes(12) + issuer
    hashed = bytes([len(fingerprint) + 1, 33]) + fingerprint
    unhashed = bytes([len(issuer) + 1, 16]) + issuer
    body = bytes([4, 0, 1, 8]) + len(hashed).to_bytes(2) + hashed + len(unhashed).to_bytes(2) + unhashed + bytes(10)
    packet = bytes([0xC2, len(body)]) + body
    lines = base64.encodebytes(packet).decode()
    return f"-----BEGIN PGP SIGNATURE-----\n\n{lines}=abcd\n-----END PGP SIGNATURE-----\n"


def message(*updates: tuple[str, str]) -> str:
    """As Dependabot writes it."""
    listed = "".join(
        f"- dependency-name: {name}\n  dependency-version: {version}\n  dependency-type: direct:production\n"
        "  update-type: version-update:semver-patch\n"
        for name, version in updates
    )
    return (
        "Bump the dependencies\n\n---\nupdated-dependencies:\n"
        f"{listed}...\n\nSigned-off-by: dependabot[bot] <support@github.com>"
    )


def dependabots_commit(of: str, *updates: tuple[str, str]) -> dict[str, Any]:
    said = {"name": "dependabot[bot]", "email": f"{DEPENDABOT}+dependabot[bot]@users.noreply.github.com"}
    verification = {"verified": True, "reason": "valid", "signature": signature(WEB_FLOW_KEY), "payload": "tree …"}
    return {
        "sha": sha(of),
        "parents": [{"sha": sha("base")}],
        "author": BOT,
        "committer": WEB_FLOW,
        "commit": {
            "message": message(*updates),
            "author": said,
            "committer": {"name": "GitHub", "email": "noreply@github.com"},
            "verification": verification,
        },
    }


def persons_commit(of: str) -> dict[str, Any]:
    said = {"name": "Ada", "email": "ada@example.com"}
    return {
        "sha": sha(of),
        "parents": [{"sha": sha("base")}],
        "author": ADA,
        "committer": ADA,
        "commit": {
            "message": "Make it faster",
            "author": said,
            "committer": said,
            "verification": {"verified": False, "reason": "unsigned", "signature": None, "payload": None},
        },
    }


@dataclass
class SmallGitHub:
    """`answers` by path, `refusals` by path, one for each request; what is in neither is 404.

    A refusal is a status, its headers and its body. `texts` are files, by path and commit. `before` is called with
    each path before it is answered.
    """

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    refusals: defaultdict[str, list[tuple[int, dict[str, str], Any]]] = field(default_factory=lambda: defaultdict(list))
    texts: dict[tuple[str, str], str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    before: Callable[[str], None] = lambda _: None

    def answer(self, target: str) -> tuple[int, dict[str, str], Any]:
        split = urlsplit(target)
        path, query = unquote(split.path), {key: values[0] for key, values in parse_qs(split.query).items()}
        self.before(path)
        if self.refusals[path]:
            return self.refusals[path].pop(0)
        if path.startswith(f"{PLACE}/contents/"):
            return self._text(path.removeprefix(f"{PLACE}/contents/"), query["ref"])
        if path not in self.answers:
            return 404, {}, {"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}
        return self._page(split.path, self.answers[path], query)

    def _text(self, path: str, ref: str) -> tuple[int, dict[str, str], Any]:
        if (path, ref) not in self.texts:
            return 404, {}, {"message": "Not Found"}
        return 200, {"content-type": "application/vnd.github.raw+json; charset=utf-8"}, self.texts[path, ref]

    def _page(self, path: str, answer: Any, query: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        key = next((key for key in LISTS if isinstance(answer, dict) and isinstance(answer.get(key), list)), "")
        items = answer[key] if key else answer
        if not isinstance(items, list):
            return 200, {}, answer
        if path.endswith("/files"):
            items = items[:MOST_PULL_FILES]
        size, page = int(query.get("per_page", "30")), int(query.get("page", "1"))
        here = items[(page - 1) * size : page * size]
        more = urlencode({**query, "page": page + 1})
        links = {"link": f'<{self.url}{path}?{more}>; rel="next"'} if page * size < len(items) else {}
        return 200, links, {**answer, key: here} if key else here


@contextmanager
def serving() -> Iterator[SmallGitHub]:
    github = SmallGitHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 20  # one answer is one packet: many small ones wait for each other

        def do_GET(self) -> None:
            github.asked.append(f"{self.command} {self.path}")
            github.tokens.add(self.headers.get("authorization", ""))
            self.rfile.read(int(self.headers.get("content-length", "0")))
            status, headers, answer = github.answer(self.path)
            body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response_only(status)
            for name, value in ({"content-type": "application/json; charset=utf-8"} | headers).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.block_on_close = False
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        github.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield github
        finally:
            server.shutdown()
            thread.join()


class Repo:
    """A repository whose prod runs `deployed`: pull requests are merged on top of that."""

    def __init__(self, github: SmallGitHub) -> None:
        self.github = github
        self.main = [{"sha": sha("deployed"), "parents": [{"sha": sha("before")}]}]
        self.alerts: list[dict[str, Any]] = []
        self._put("", {"id": ID, "full_name": f"{OWNER}/{NAME}", "default_branch": "main", "private": True})
        self._put("/environments/prod", environment())
        policies = [{"id": 1, "node_id": "x", "name": "main", "type": "branch"}]
        self._put("/environments/prod/deployment-branch-policies", {"total_count": 1, "branch_policies": policies})
        parameters = {"required_status_checks": [{"context": "test", "integration_id": ACTIONS}]}
        self._put(
            "/rules/branches/main",
            [{"type": "deletion"}, {"type": "required_status_checks", "parameters": parameters, "ruleset_id": 1}],
        )
        self._put("/branches/main", {"name": "main", "protected": True, "protection": {"enabled": False}})
        deployments = [{"id": 2, "sha": sha("deployed")}, {"id": 1, "sha": sha("before")}]
        self._put("/deployments", deployments)
        for number, state in ((1, "inactive"), (2, "success")):
            self._put(f"/deployments/{number}/statuses", [{"state": state}])
        self._refresh()

    @property
    def tip(self) -> str:
        return str(self.main[-1]["sha"])

    def merge(self, number: int, pull: dict[str, Any]) -> str:
        """`pull` is what `persons` or `dependabots` made. A squash: one commit on main."""
        before, after = self.tip, sha(f"squash {number}")
        self.main.append({"sha": after, "parents": [{"sha": before}]})
        data = {**pull["data"], "number": number, "merged": True, "merged_at": "2026-09-01T12:00:00Z", "merged_by": BEN}
        self._pull(number, {**pull, "data": data})
        files = [file for file in pull["files"] if file["filename"] not in pull.get("lost", ())]
        self._put(f"/commits/{after}", {"sha": after, "parents": [{"sha": before}], "files": files})
        self._put(f"/commits/{after}/pulls", [data])
        self._texts(pull, before, after)
        self._refresh()
        return after

    def open(self, number: int, pull: dict[str, Any]) -> str:
        """The commit that GitHub makes of it and main, to try it out."""
        data = {**pull["data"], "number": number, "merged": False, "merged_at": None, "merged_by": None}
        self._pull(number, {**pull, "data": data})
        candidate = sha(f"merge {number}")
        parents = [{"sha": self.tip}, {"sha": data["head"]["sha"]}]
        self._put(f"/commits/{candidate}", {"sha": candidate, "parents": parents, "files": pull["files"]})
        self._checked(data["head"]["sha"])
        self._texts(pull, self.tip, candidate)
        return candidate

    def push(self) -> str:
        """Past all pull requests."""
        before, after = self.tip, sha(f"push {len(self.main)}")
        self.main.append({"sha": after, "parents": [{"sha": before}]})
        self._put(f"/commits/{after}/pulls", [])
        self._refresh()
        return after

    def alert(self, pull: int, package: str = "httpx", **other: Any) -> None:
        vulnerability = {
            "package": {"name": package, "ecosystem": "PIP"},
            "vulnerableVersionRange": "< 0.28.1",
            "firstPatchedVersion": {"identifier": "0.28.1"},
        }
        self.alerts.append({
            "number": len(self.alerts) + 1,
            "state": "OPEN",
            "vulnerableManifestPath": "uv.lock",
            "securityVulnerability": vulnerability,
            "dependabotUpdate": {"pullRequest": {"number": pull}},
            **other,
        })  # fmt: skip
        self._refresh()

    def _put(self, path: str, answer: Any) -> None:
        self.github.answers[f"{PLACE}{path}"] = answer

    def _pull(self, number: int, pull: dict[str, Any]) -> None:
        self._put(f"/pulls/{number}", pull["data"])
        self._put(f"/pulls/{number}/commits", pull["commits"])
        self._put(f"/pulls/{number}/files", pull["files"])
        self._put("/activity", pull["moves"])

    def _texts(self, pull: dict[str, Any], before: str, after: str) -> None:
        for path, (was, now) in pull.get("texts", {}).items():
            self.github.texts[path, before] = was
            self.github.texts[path, after] = now

    def _checked(self, commit: str) -> None:
        run = {"id": 1, "name": "test", "status": "completed", "conclusion": "success", "app": {"id": ACTIONS}}
        self._put(f"/commits/{commit}/check-runs", {"total_count": 1, "check_runs": [run]})

    def _refresh(self) -> None:
        commits = self.main[1:]
        said = {"status": "ahead" if commits else "identical", "total_commits": len(commits), "commits": commits}
        self._put(f"/compare/{self.main[0]['sha']}...{self.tip}", {**said, "ahead_by": len(commits), "behind_by": 0})
        self._put(f"/compare/main...{self.tip}", {"status": "identical", "total_commits": 0, "commits": []})
        self._checked(self.tip)
        page = {"totalCount": len(self.alerts), "pageInfo": {"hasNextPage": False, "endCursor": None}}
        alerts = {"vulnerabilityAlerts": {**page, "nodes": self.alerts}}
        self.github.answers["/graphql"] = {"data": {"repository": alerts}}


def environment(**other: Any) -> dict[str, Any]:
    reviewers = [{"type": "Team", "reviewer": {"id": 1, "slug": "carriers"}}]
    return {
        "id": 1,
        "name": "prod",
        "can_admins_bypass": False,
        "protection_rules": [
            {"id": 1, "type": "required_reviewers", "prevent_self_review": True, "reviewers": reviewers},
            {"id": 2, "type": "branch_policy"},
        ],
        "deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True},
        **other,
    }


def _data(opener: dict[str, Any], branch: str, head: str, files: list[Any], commits: list[Any]) -> dict[str, Any]:
    """What anyone may edit is there too: the gate must not care."""
    return {
        "user": opener,
        "title": "Bump httpx from 0.28.0 to 0.28.1",
        "body": "Closes GHSA-xxxx-yyyy-zzzz, see /network/alerts",
        "labels": [{"name": "security"}, {"name": "dependencies"}],
        "base": {"ref": "main", "repo": {"id": ID}},
        "head": {"ref": branch, "sha": head, "repo": {"id": ID}},
        "commits": len(commits),
        "changed_files": len(files),
    }


def changed(path: str) -> dict[str, Any]:
    return {"sha": "0" * 40, "filename": path, "status": "modified", "additions": 1, "deletions": 1, "changes": 2}


def moved(after: str, actor: dict[str, Any], kind: str = "branch_creation", before: str = NEW_BRANCH) -> dict[str, Any]:
    return {"id": 1, "before": before, "after": after, "ref": "refs/heads/x", "activity_type": kind, "actor": actor}


def dependabots(lock: tuple[str, str], *updates: tuple[str, str], head: str = "head") -> dict[str, Any]:
    """`lock` is uv.lock before and after it."""
    commits, files = [dependabots_commit(head, *updates)], [changed("uv.lock")]
    return {
        "data": _data(BOT, "dependabot/uv/httpx-0.28.1", sha(head), files, commits),
        "commits": commits,
        "files": files,
        "moves": [moved(sha(head), BOT)],
        "texts": {"uv.lock": lock},
    }


def persons(*paths: str, head: str = "mine") -> dict[str, Any]:
    commits, files = [persons_commit(head)], [changed(path) for path in paths]
    return {
        "data": _data(ADA, "faster-stream", sha(head), files, commits),
        "commits": commits,
        "files": files,
        "moves": [moved(sha(head), ADA)],
    }
