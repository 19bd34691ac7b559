from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ferry.errors import AwsError, Blocked
from ferry.outside.terraform import words
from ferry.report.events import Changed, Changes, Found
from ferry.verbs.plan import plan
from ferry.verbs.publish import References
from tests.verbs.fakes import CONFIG, PREPROD, FakeTerraform, World, changed, created

if TYPE_CHECKING:
    from ferry.outside.aws.probes import Found as Existing
    from ferry.tfplan import Change, Plan

pytestmark = pytest.mark.anyio

IMAGES = {"app": "registry/preprod-app@sha256:1"}
PACKAGES = {"jobs": {"key": "preprod/jobs-1.zip", "hash": "x"}}
ROLE = created("aws_iam_role.app", name="app")
TOPIC = created("aws_sns_topic.news", name="news")
ADOPTED = changed("aws_iam_role.app", "update", importing={"id": "app"})


async def planned(world: World) -> Plan:
    return (await plan(CONFIG, PREPROD, References(IMAGES, PACKAGES), world.hands, world.report)).plan


async def test_terraform_gets_the_release_then_the_state_then_plans() -> None:
    world = World()
    await planned(world)
    assert world.terraform.history == [f"write {words.INPUTS_FILE}", "init", "plan preprod.tfvars"]
    assert world.terraform.files[words.INPUTS_FILE] == {
        "environment": "preprod",
        "deployers": [PREPROD.deployer],
        "images": IMAGES,
        "packages": PACKAGES,
    }
    assert world.terraform.backend["key"] == "a/terraform.tfstate"


async def test_only_a_stand_in_for_aws_gets_settings_of_its_own() -> None:
    real, stand_in = World(), World(stand_in=True)
    await planned(real)
    await planned(stand_in)
    assert words.OVERRIDE_FILE not in real.terraform.files
    assert "use_path_style" not in real.terraform.backend
    assert words.OVERRIDE_FILE in stand_in.terraform.files
    assert stand_in.terraform.backend["use_path_style"] == "true"


async def test_only_what_would_be_created_is_asked_for() -> None:
    world = World(terraform=FakeTerraform([[ROLE, changed("aws_iam_role.other", "update"), TOPIC]]))
    await planned(world)
    assert world.probed == ["aws_iam_role.app", "aws_sns_topic.news"]


async def test_what_nothing_collides_with_is_planned_once() -> None:
    world = World(terraform=FakeTerraform([[ROLE, TOPIC]]))
    await planned(world)
    assert [step for step in world.terraform.history if step.startswith("plan")] == ["plan preprod.tfvars"]
    assert words.IMPORTS_FILE not in world.terraform.files


async def test_what_exists_already_is_adopted_in_a_second_plan() -> None:
    world = World(terraform=FakeTerraform([[ROLE, TOPIC], [ADOPTED, TOPIC]]), exists={"aws_iam_role": "app"})
    saved = await planned(world)
    assert world.terraform.imports == [{"to": "aws_iam_role.app", "id": "app"}]
    assert world.terraform.history[-2:] == [f"write {words.IMPORTS_FILE}", "plan preprod.tfvars"]
    assert saved.changes["aws_iam_role.app"].imports == "app"


async def test_the_report_has_the_second_plan_and_a_finding_for_each_adoption() -> None:
    world = World(terraform=FakeTerraform([[ROLE, TOPIC], [ADOPTED, TOPIC]]), exists={"aws_iam_role": "app"})
    await planned(world)
    (change,) = [event for event in world.report.events if isinstance(event, Changed)]
    assert change.counts == Changes(create=1, update=1, replace=0, destroy=0, adopt=1, no_op=0)
    assert [(row.action, row.address) for row in change.rows] == [
        ("adopt", "aws_iam_role.app"),
        ("update", "aws_iam_role.app"),
        ("create", "aws_sns_topic.news"),
    ]
    adopted = [event.finding for event in world.report.events if isinstance(event, Found)]
    assert [one.verdict for one in adopted if one.guard == "adoption"] == ["adopted-clean"]


@pytest.mark.req("P-03")
async def test_an_adoption_that_would_destroy_ends_the_plan() -> None:
    destroys = changed("aws_iam_role.app", "delete", "create", importing={"id": "app"}, replace_paths=[["path"]])
    world = World(terraform=FakeTerraform([[ROLE], [destroys]]), exists={"aws_iam_role": "app"})
    with pytest.raises(Blocked, match=r"1 finding\(s\) block") as caught:
        await planned(world)
    assert caught.value.where == "aws_iam_role.app"
    assert "apply" not in world.terraform.history
    assert "would-replace" in world.said


async def test_a_question_that_aws_does_not_answer_is_not_an_absence() -> None:
    class Denied(World):
        async def probe(self, change: Change, plan: Plan) -> Existing | None:
            raise AwsError(f"AWS refused a call about {change.address} of {len(plan.changes)}")

    world = Denied(terraform=FakeTerraform([[ROLE]]))
    with pytest.raises(AwsError):
        await planned(world)


async def test_a_plan_with_nothing_to_do_says_so() -> None:
    world = World(terraform=FakeTerraform([[changed("aws_iam_role.app", "no-op")]]))
    assert (await planned(world)).empty
    assert "nothing to do" in world.said


async def test_the_environments_own_variables_are_used() -> None:
    world = World()
    await plan(CONFIG, replace(PREPROD, variables="other.tfvars"), References(IMAGES, {}), world.hands, world.report)
    assert world.terraform.history[-1] == "plan other.tfvars"
