"""Known holes, with the pull request that GitHub itself says was opened to close each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ferry.gate.facts import Unknown
from ferry.outside.github.digging import dig, listed, unknown

if TYPE_CHECKING:
    from ferry.gate.facts import Fact
    from ferry.outside.github.client import GitHub

QUERY = """
query($owner: String!, $name: String!, $after: String) {
  repository(owner: $owner, name: $name) {
    vulnerabilityAlerts(first: 100, after: $after) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes {
        number
        state
        vulnerableManifestPath
        securityVulnerability {
          package { name ecosystem }
          vulnerableVersionRange
          firstPatchedVersion { identifier }
        }
        dependabotUpdate { pullRequest { number } }
      }
    }
  }
}
"""
MOST_PAGES = 50


async def alerts(github: GitHub) -> Fact[list[Any]]:
    owner, _, name = github.repository.partition("/")
    nodes: list[Any] = []
    after = None
    for _ in range(MOST_PAGES):
        data = await github.graphql(QUERY, {"owner": owner, "name": name, "after": after})
        if isinstance(data, Unknown):
            return data
        page = dig(data, "repository", "vulnerabilityAlerts")
        here, total = dig(page, "nodes"), dig(page, "totalCount")
        if not isinstance(here, list):
            return Unknown("GraphQL's answer holds no alerts: are they enabled, and may the token read them?")
        nodes += here
        after = dig(page, "pageInfo", "endCursor")
        if dig(page, "pageInfo", "hasNextPage") is not True:
            return nodes if len(nodes) == total else Unknown(f"{len(nodes)} of {total} alerts could be read")
    return Unknown("there are more alerts than can be read")


def of_pull(found: Fact[list[Any]], number: int) -> dict[str, Any]:
    if isinstance(found, Unknown):
        return unknown(found)
    own = [node for node in found if dig(node, "dependabotUpdate", "pullRequest", "number") == number]
    return listed([_alert(node) for node in own])


def _alert(node: Any) -> dict[str, Any]:
    return {
        "package": dig(node, "securityVulnerability", "package", "name"),
        "ecosystem": dig(node, "securityVulnerability", "package", "ecosystem"),
        "manifest": dig(node, "vulnerableManifestPath"),
        "state": dig(node, "state"),
        "vulnerable": dig(node, "securityVulnerability", "vulnerableVersionRange"),
        "patched": dig(node, "securityVulnerability", "firstPatchedVersion", "identifier"),
    }
