"""Keys for people: users that a box is started with, made in the emulator's own IAM without asking its doors."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

ADMIN = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


class NoUser(Exception):
    """IAM does not take it."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What a user signs with."""

    account: str
    user: str
    key: str
    secret: str = field(repr=False)


def create(account: str, name: str, policy: str) -> None:
    _iam(account, "CreateUser", UserName=name)
    _iam(account, "PutUserPolicy", UserName=name, PolicyName=name, PolicyDocument=policy)


def keys(account: str, name: str) -> Keys:
    """New keys of a user that exists; earlier ones stay good."""
    made = _iam(account, "CreateAccessKey", UserName=name)
    said = {element.tag.rpartition("}")[2]: element.text or "" for element in made.iter()}
    return Keys(account, name, said["AccessKeyId"], said["SecretAccessKey"])


def _iam(account: str, operation: str, **arguments: str) -> ET.Element:
    from ministack.core.responses import get_region, request_scope  # noqa: PLC0415 - read its settings when imported
    from ministack.services import iam  # noqa: PLC0415 - as above

    with request_scope(account, get_region()):
        handler = iam._IAM_HANDLERS[operation]  # noqa: SLF001 - its public face asks who calls
        status, _, body = handler({name: [value] for name, value in arguments.items()})
    answer = ET.fromstring(body)  # noqa: S314 - the emulator's own words
    if status >= 400:
        raise NoUser(next((said.text or "" for said in answer.iter() if said.tag.endswith("Message")), operation))
    return answer
