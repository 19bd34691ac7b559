"""DaggerTerraform on an engine that only writes down what was asked, and answers as terraform does."""

from __future__ import annotations

import functools
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dagger import dag

from ferry.errors import RecordError, TerraformFailed
from ferry.outside.terraform import failure, words
from ferry.outside.terraform.dagger import WORK, DaggerTerraform, bare, folder
from ferry.outside.terraform.failure import Kind
from ferry.outside.terraform.listener import silent
from tests.fake_engine import ConnectedEngine
from tests.outside.terraform.test_host import stream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

VERSION = {"stdout": '{"terraform_version": "1.11.4"}'}
NO_LOCK = "unable to retrieve file from S3 bucket 's' with key 'k.tflock': StatusCode: 404, NoSuchKey:"
HELD = "Failed to unlock state: lock ID does not match\nLock Info:\n  ID:        an-id\n  Who:       me@vm\n"


def on_the_engine[**P](test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run a test on the event loop that the SDK's connection lives in."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        fake = kwargs["engine"]
        assert isinstance(fake, ConnectedEngine)
        fake.run(functools.partial(test, *args, **kwargs))

    return run


def exported(chain: Any, **more: Any) -> str:
    path = Path(chain.last.args["path"])
    with zipfile.ZipFile(path, "w") as plan:
        for name, said in {"tfstate-prev": {"serial": 4, "lineage": "one"}, **more}.items():
            plan.writestr(zipfile.ZipInfo(name), json.dumps(said))
    return str(path)


def answering(engine: ConnectedEngine, *, left: tuple[str, ...] = (), **steps: dict[str, Any]) -> None:
    """`left` are the files that the container holds."""
    said = {"version": VERSION} | {name.replace("_", "-"): step for name, step in steps.items()}
    engine.answers |= {
        "Container.withExec": lambda chain: said.get(chain.last.args["args"][1], {}),
        "Container.exists": lambda chain: chain.last.args["path"].rpartition("/")[2] in left,
        "File.export": exported,
    }


def ran(engine: ConnectedEngine) -> list[list[str]]:
    """What terraform was told, in order."""
    steps = [args["args"][1:] for chain in engine.calls for args in chain.args("withExec")]
    return [step for number, step in enumerate(steps) if step not in steps[:number] and step != ["version", "-json"]]


def terraform() -> DaggerTerraform:
    return DaggerTerraform(dag.container().from_("terraform"), WORK)


@on_the_engine
async def test_the_root_is_worked_in_beside_what_it_reaches(engine: ConnectedEngine) -> None:
    answering(engine)
    container = await bare("terraform", dag.directory(), providers=None, root="infra/stack")
    await DaggerTerraform(container, folder("infra/stack")).init({})
    (chain, *_) = (chain for chain in engine.calls if chain.args("withExec"))
    assert chain.args("withWorkdir")[0]["path"].endswith("/infra/stack")


@on_the_engine
async def test_the_plan_that_was_looked_at_is_applied(engine: ConnectedEngine) -> None:
    done = stream("kms.jsonl").partition('"type": "diagnostic"')[0]
    answering(engine, apply={"stdout": done})
    said: list[str] = []
    hands = terraform()
    took = await hands.apply(await hands.saved(), said.append)
    assert took == {"aws_sns_topic.ok": 0, "aws_iam_role.r": 0}
    assert "aws_kms_key.k: creating" in said


@on_the_engine
async def test_another_plan_is_not(engine: ConnectedEngine) -> None:
    answering(engine)
    saved = await terraform().saved()
    answering(engine, version={"stdout": '{"terraform_version": "1.12.0"}'})
    with pytest.raises(TerraformFailed, match="not the plan that was looked at") as caught:
        await terraform().apply(saved, silent)
    assert failure.is_stale(caught.value)


@pytest.mark.parametrize(("code", "asked"), [(0, []), (2, ["show"])])
@on_the_engine
async def test_terraform_is_asked_only_for_a_plan_that_changes_something(
    engine: ConnectedEngine, code: int, asked: list[str]
) -> None:
    shown = json.dumps({"format_version": "1.2", "resource_changes": []})
    answering(engine, plan={"exitCode": code}, show={"stdout": shown})
    engine.answers["File.export"] = lambda chain: exported(chain, tfstate={"version": 4, "resources": []})
    assert (await terraform().plan("")).empty
    assert [step[0] for step in ran(engine)] == ["plan", *asked]


@on_the_engine
async def test_a_plan_that_does_not_come_out_is_none(engine: ConnectedEngine) -> None:
    answering(engine)
    engine.answers["File.export"] = "nowhere"
    with pytest.raises(RecordError):
        await terraform().saved()


@on_the_engine
async def test_the_error_that_came_first_is_raised(engine: ConnectedEngine) -> None:
    answering(engine, apply={"exitCode": 1, "stdout": stream("kms.jsonl"), "stderr": stream("kms.log")})
    hands = terraform()
    with pytest.raises(TerraformFailed) as caught:
        await hands.apply(await hands.saved(), silent)
    assert [one.kind for one in failure.of(caught.value)] == [Kind.IMAGE, Kind.PRINCIPAL]


@pytest.mark.parametrize("code", [0, 1])
@on_the_engine
async def test_a_state_that_was_not_written_is_pushed_from_where_it_lies(engine: ConnectedEngine, code: int) -> None:
    failed = {"exitCode": 1, "stdout": stream("push.jsonl")}
    pushed = {"exitCode": code, "stderr": "Error: a newer serial"}
    answering(engine, left=(words.ERRORED_FILE,), apply=failed, state=pushed)
    hands = terraform()
    if code == 0:
        assert await hands.apply(await hands.saved(), silent)
    else:
        with pytest.raises(TerraformFailed) as caught:
            await hands.apply(await hands.saved(), silent)
        assert failure.of(caught.value)[0].said == "Error: a newer serial"
    assert ["state", "push", words.ERRORED_FILE] in ran(engine)


@on_the_engine
async def test_who_holds_the_lock_is_asked_of_terraform(engine: ConnectedEngine) -> None:
    answering(engine, force_unlock={"exitCode": 1, "stderr": HELD})
    holder = await terraform().lock_holder()
    assert holder is not None
    assert (holder.id, holder.who) == ("an-id", "me@vm")
    answering(engine, force_unlock={"exitCode": 1, "stderr": NO_LOCK})
    assert await terraform().lock_holder() is None
    answering(engine, force_unlock={"exitCode": 1, "stderr": "Error: no network"})
    with pytest.raises(TerraformFailed, match="no network"):
        await terraform().lock_holder()
