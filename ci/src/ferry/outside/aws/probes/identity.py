"""IAM: global, so a role of another region's stack is met here too; its tags say whose it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ferry.outside.aws.probes.questions import Found, Question, alone, part, tagged

if TYPE_CHECKING:
    from collections.abc import Mapping

MISSING = ("NoSuchEntity",)


def role(asked: Question) -> Found | None:
    said = asked.ask("iam", "get_role", MISSING, RoleName=asked["name"])
    return _known(asked["name"], said["Role"]) if said else None


def user(asked: Question) -> Found | None:
    said = asked.ask("iam", "get_user", MISSING, UserName=asked["name"])
    return _known(asked["name"], said["User"]) if said else None


def _known(name: str, about: Mapping[str, Any]) -> Found:
    return Found(id=name, arn=about.get("Arn", ""), tags=tagged(about.get("Tags")))


def policy(asked: Question) -> Found | None:
    arn = asked.arn("iam", f"policy{asked.get('path') or '/'}{asked['name']}")
    said = asked.ask("iam", "get_policy", MISSING, PolicyArn=arn)
    return Found(id=arn, arn=arn, tags=tagged(said["Policy"].get("Tags"))) if said else None


def provider(asked: Question) -> Found | None:
    arn = asked.arn("iam", f"oidc-provider/{asked['url'].removeprefix('https://')}")
    said = asked.ask("iam", "get_open_id_connect_provider", MISSING, OpenIDConnectProviderArn=arn)
    return Found(id=arn, arn=arn, tags=tagged(said.get("Tags"))) if said else None


def inline_policy(asked: Question) -> Found | None:
    said = asked.ask("iam", "get_role_policy", MISSING, RoleName=asked["role"], PolicyName=asked["name"])
    return Found(id=f"{asked['role']}:{asked['name']}") if said else None


def role_attachment(asked: Question) -> Found | None:
    name = asked["role"]
    found = asked.ask_all("iam", "list_attached_role_policies", "AttachedPolicies", MISSING, RoleName=name)
    return _attached(name, asked["policy_arn"], found)


def user_attachment(asked: Question) -> Found | None:
    name = asked["user"]
    found = asked.ask_all("iam", "list_attached_user_policies", "AttachedPolicies", MISSING, UserName=name)
    return _attached(name, asked["policy_arn"], found)


def _attached(name: str, arn: str, found: list[dict[str, str]]) -> Found | None:
    return Found(id=f"{name}/{arn}") if any(one["PolicyArn"] == arn for one in found) else None


READERS = {
    "aws_iam_openid_connect_provider": alone("url", provider),
    "aws_iam_policy": alone("name", policy),
    "aws_iam_role": alone("name", role),
    "aws_iam_role_policy": part("aws_iam_role", "role name", inline_policy),
    "aws_iam_role_policy_attachment": part("aws_iam_role", "role policy_arn", role_attachment, given="policy_arn"),
    "aws_iam_user": alone("name", user),
    "aws_iam_user_policy_attachment": part("aws_iam_user", "user policy_arn", user_attachment, given="policy_arn"),
}
