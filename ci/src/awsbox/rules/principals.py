"""Principals that a policy names: do they exist? AWS refuses a policy that names one which does not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from awsbox.rules import stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

type Named = tuple[str, str]
"""The kind of a principal, as the policy writes it, and the principal: ("AWS", "arn:…")."""

ACCOUNT = re.compile(r"\d{12}|arn:aws:iam::\d{12}:root")
ENTITY = re.compile(r"arn:aws:iam::(?P<account>\d{12}):(?P<kind>user|role)/(?P<path>.*)")
SESSION = re.compile(r"arn:aws:sts::(?P<account>\d{12}):assumed-role/(?P<name>[^/]+)/.+")
FEDERATED = re.compile(r"arn:aws:sts::\d{12}:federated-user/.+")
UNIQUE = re.compile(r"A(?:ID|RO)A\w+")
PROVIDER = re.compile(r"arn:aws:iam::(?P<account>\d{12}):(?P<kind>oidc|saml)-provider/.+")
SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com")
WEB_IDENTITIES = ("accounts.google.com", "cognito-identity.amazonaws.com", "graph.facebook.com", "www.amazon.com")


def statements(document: Any) -> list[dict[str, Any]]:
    """The statements of a policy; a lone one may stand without a list."""
    found = document.get("Statement", []) if isinstance(document, dict) else []
    return [one for one in ([found] if isinstance(found, dict) else found) if isinstance(one, dict)]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def named(principal: Any) -> Iterator[Named]:
    if isinstance(principal, str):
        yield "AWS", principal
    elif isinstance(principal, dict):
        yield from ((str(kind), str(one)) for kind, names in principal.items() for one in listed(names))


def unknown(document: Any) -> list[Named]:
    """The principals of the document that do not exist in the box."""
    asked = (one for statement in statements(document) for one in named(statement.get("Principal", {})))
    return [(kind, name) for kind, name in asked if not KINDS.get(kind, _never)(name)]


def _aws(name: str) -> bool:
    if name == "*" or ACCOUNT.fullmatch(name) or FEDERATED.fullmatch(name):
        return True
    if found := SESSION.fullmatch(name):
        return _entity("role", found["account"], found["name"]) is not None
    if found := ENTITY.fullmatch(name):
        entity = _entity(found["kind"], found["account"], found["path"].rpartition("/")[2])
        return entity is not None and entity["Arn"] == name
    return bool(UNIQUE.fullmatch(name)) and name in _unique_ids()


def _entity(kind: str, account: str, name: str) -> Any:
    return stores.own("iam", f"{kind}s").get_scoped(account, None, name)


def _unique_ids() -> set[str]:
    """AWS writes these where a policy named a user or role that has been deleted since."""
    users, roles = stores.own("iam", "users"), stores.own("iam", "roles")
    return {user["UserId"] for user in users.values()} | {role["RoleId"] for role in roles.values()}


def _federated(name: str) -> bool:
    if name in WEB_IDENTITIES:
        return True
    found = PROVIDER.fullmatch(name)
    if found is None:
        return False
    kept = stores.own("iam", f"{found['kind']}_providers")
    return bool(kept.contains_scoped(found["account"], None, name))


def _service(name: str) -> bool:
    return bool(SERVICE.fullmatch(name))


def _never(_: str) -> bool:
    return False


KINDS: dict[str, Callable[[str], bool]] = {"AWS": _aws, "Service": _service, "Federated": _federated}
