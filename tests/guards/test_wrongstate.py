from __future__ import annotations

from dataclasses import replace

import pytest

from ferry.guards import wrongstate
from ferry.guards.context import Context, Neighbour
from ferry.tfplan import Action, Change
from tests.guards.making import PREPROD, change, plan, said, verdicts

TOLD = replace(PREPROD, state="s3://ships-preprod-state/terraform.tfstate")


def some(number: int, action: Action, imports: str = "", prefix: str = "preprod") -> list[Change]:
    return [
        change(
            "aws_sqs_queue",
            f"{action}{imports}{n}",
            action,
            before={} if action is Action.CREATE else {"name": f"{prefix}-{n}"},
            after={"name": f"preprod-{n}"},
            imports=imports,
        )
        for n in range(number)
    ]


CREATE, KEEP, DESTROY = Action.CREATE, Action.NO_OP, Action.DESTROY
CASES: dict[str, tuple[bool | None, list[Change], list[str]]] = {
    "a state that knows nothing of what is there": (True, some(9, CREATE), ["block empty-state"]),
    "one that knows hardly anything": (True, some(9, CREATE) + some(2, KEEP), ["block empty-state"]),
    "even of one resource": (True, some(1, CREATE), ["block empty-state"]),
    "with a little adopted": (True, some(9, CREATE) + some(3, KEEP, "id"), ["block empty-state"]),
    "a release that adds as much as there is": (True, some(9, CREATE) + some(9, KEEP), []),
    "the first deployment": (False, some(9, CREATE), []),
    "the first, after publishing": (False, some(9, CREATE) + some(2, KEEP, "id"), []),
    "perhaps the first": (None, some(9, CREATE), ["info first-deployment"]),
    "a few resources of anyone": (None, some(3, CREATE), []),
    "a lost state that is taken back": (True, some(1, CREATE) + some(9, KEEP, "id"), ["warn lost-state"]),
    "the same, and nobody knows": (None, some(1, CREATE) + some(9, KEEP, "id"), ["warn lost-state"]),
    "never deployed, and all of it is there": (False, some(1, CREATE) + some(9, KEEP, "id"), ["warn lost-state"]),
    "nothing to do": (True, some(9, KEEP), []),
    "an empty plan": (True, [], []),
    "another root over this state": (True, some(9, CREATE) + some(6, DESTROY), ["block destroys-most"]),
    "most of it": (True, some(6, DESTROY) + some(5, KEEP), ["block destroys-most"]),
    "less than half": (True, some(6, DESTROY) + some(6, KEEP), []),
    "a few that go": (True, some(4, DESTROY), []),
}


@pytest.mark.parametrize(("before", "changes", "expected"), CASES.values(), ids=CASES)
def test_a_state_knows_its_environment(*, before: bool | None, changes: list[Change], expected: list[str]) -> None:
    found = verdicts(wrongstate.findings(plan(*changes), replace(TOLD, deployed_before=before)))
    # What another root destroys and creates is both: no state of this environment, and one of another.
    assert [one for one in found if one != "block empty-state" or one in expected] == expected


def test_the_place_of_the_state_is_named() -> None:
    (found,) = wrongstate.findings(plan(*some(9, CREATE)), replace(TOLD, deployed_before=True))
    assert "9 of 9" in found.what
    assert "s3://ships-preprod-state/terraform.tfstate" in found.next


@pytest.mark.req("R-10")
@pytest.mark.parametrize("action", [Action.UPDATE, Action.REPLACE, Action.DESTROY, Action.NO_OP])
def test_a_state_that_holds_another_environment_is_stopped(action: Action) -> None:
    found = wrongstate.findings(plan(*some(2, action, prefix="prod")), TOLD)
    assert said(found) == [("block", "foreign-state", "*")]
    assert "prod owns" in found[0].what


def test_one_foreign_resource_has_its_own_address() -> None:
    (found,) = wrongstate.findings(plan(*some(1, Action.REPLACE, prefix="prod"), *some(3, KEEP)), TOLD)
    assert (found.verdict, found.address) == ("foreign-state", "aws_sqs_queue.replace0")


@pytest.mark.parametrize(
    "name", ["preprod-0", "production-0", "prodigy", "shared", "from-prod-to-preprod", "arn:aws:sqs:::preprod/x"]
)
def test_names_that_only_look_like_another_environments(name: str) -> None:
    kept = change("aws_sqs_queue", "it", KEEP, before={"name": name}, after={"name": name})
    assert wrongstate.findings(plan(kept), TOLD) == ()


def test_what_a_resource_refers_to_is_not_its_name() -> None:
    kept = change("aws_lambda_permission", "it", KEEP, before={"source_arn": "arn:aws:s3:::prod-x"})
    assert wrongstate.findings(plan(kept), TOLD) == ()


@pytest.mark.parametrize(("own", "other"), [("pre-prod", "prod"), ("prod", "pre-prod")])
def test_a_name_inside_of_a_name_is_the_longer_one(own: str, other: str) -> None:
    context = Context(environment=own, neighbours=(Neighbour(name=other, account="", deployer=""),))
    mine, theirs = (
        plan(change("aws_sqs_queue", "it", KEEP, before={"name": f"{name}-items"})) for name in (own, other)
    )
    assert wrongstate.findings(mine, context) == ()
    assert verdicts(wrongstate.findings(theirs, context)) == ["block foreign-state"]


def test_what_an_interrupted_replacement_left_does_not_count() -> None:
    left = [replace(one, address=f"{one.address} (deposed ab{number})") for number, one in enumerate(some(9, DESTROY))]
    assert wrongstate.findings(plan(*left, *some(2, KEEP)), replace(TOLD, deployed_before=True)) == ()


def test_a_plan_of_anyone_says_nothing_of_neighbours() -> None:
    assert wrongstate.findings(plan(*some(2, KEEP, prefix="prod")), Context()) == ()
