"""What is read of a lock, of a saved plan, and what becomes of a state that could not be written."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ferry.errors import RecordError
from ferry.outside.terraform import lock, rescue, saved

if TYPE_CHECKING:
    from pathlib import Path

# As terraform 1.11.4 writes it.
LOCK = (
    '{"ID":"865ff048-f946","Operation":"OperationTypeApply","Info":"","Who":"me@vm","Version":"1.11.4",'
    '"Created":"2026-11-21T19:38:50.409635844Z","Path":"state/c"}'
)
NOW = datetime(2026, 11, 21, 19, 38, 50, tzinfo=UTC)


def test_the_lock_says_who_holds_it() -> None:
    held = lock.read(LOCK)
    assert (held.id, held.who, held.operation, held.version, held.created) == (
        "865ff048-f946",
        "me@vm",
        "apply",
        "1.11.4",
        NOW,
    )
    assert str(held) == "me@vm holds it since 2026-11-21 19:38:50 UTC, for terraform apply (lock 865ff048-f946)"


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"ID": ""}', "x"])
def test_a_lock_that_names_nobody_is_not_taken_for_none(text: str) -> None:
    with pytest.raises(RecordError, match="does not say who holds it"):
        lock.read(text)


def test_a_lock_with_less_in_it_is_still_somebodys() -> None:
    held = lock.read('{"ID": "1", "Created": "yesterday"}')
    assert (held.who, held.operation, held.created) == ("nobody knows who", "something", None)


def plan_file(place: Path, **state: object) -> Path:
    path = place / "ferry.tfplan"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("tfplan", "planted")
        file.writestr("tfstate-prev", json.dumps(state))
    return path


def test_a_plan_is_bound_to_its_bytes_its_state_its_providers_and_its_terraform(tmp_path: Path) -> None:
    path = plan_file(tmp_path, serial=3, lineage="one")
    lock_file = tmp_path / "lock"
    without = saved.identity(path, lock_file, "1.11.4")
    lock_file.write_text("x")
    with_lock = saved.identity(path, lock_file, "1.11.4")
    assert (with_lock.serial, with_lock.lineage, with_lock.terraform) == (3, "one", "1.11.4")
    assert len(with_lock.sha256) == 64
    assert (without.lock, len(with_lock.lock)) == ("", 64)
    assert saved.differences(with_lock, with_lock) == ()
    assert saved.differences(with_lock, without) == ("the provider lock file",)
    assert saved.differences(with_lock, replace(with_lock, serial=4)) == ("the state it was made from",)
    assert saved.differences(with_lock, replace(with_lock, sha256="")) == ("the plan's file",)
    assert saved.differences(with_lock, replace(with_lock, terraform="1.12.0")) == ("terraform's version",)


@pytest.mark.parametrize("state", [{}, {"serial": "x", "lineage": ""}, {"serial": None, "lineage": ""}])
def test_a_plan_without_a_state_in_it_is_none(tmp_path: Path, state: dict[str, object]) -> None:
    with pytest.raises(RecordError, match="no plan that terraform saved"):
        saved.identity(plan_file(tmp_path, **state), tmp_path / "lock", "1.11.4")


def test_any_other_file_is_no_plan(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    for name in ("x", "missing"):
        with pytest.raises(RecordError, match="no plan that terraform saved"):
            saved.identity(tmp_path / name, tmp_path / "lock", "1.11.4")


class Pushing:
    """Answers each try with the next of its answers."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.answers = list(answers)

    async def __call__(self) -> tuple[int, str]:
        return self.answers.pop(0)


SLOW = (1, "Error: StatusCode: 500")
DONE = (0, "")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answers", "left", "why"),
    [
        ([DONE], 0, None),
        ([SLOW, SLOW, DONE], 0, None),
        ([SLOW, SLOW, SLOW], 0, "Error: StatusCode: 500"),
        ([(1, "cannot import state with lineage\n x"), DONE], 1, "cannot import state with lineage x"),
        ([(1, "existing state with serial 4"), DONE], 1, "existing state with serial 4"),
    ],
)  # fmt: skip
async def test_writing_a_state_is_tried_again_while_that_may_help(
    answers: list[tuple[int, str]], left: int, why: str | None
) -> None:
    push = Pushing(*answers)
    assert await rescue.pushed(push, (0, 0, 0)) == why
    assert len(push.answers) == left


@pytest.mark.anyio
async def test_a_state_is_kept_before_it_is_written_and_until_it_is(tmp_path: Path) -> None:
    errored, safe, said = tmp_path / "errored.tfstate", tmp_path / ".ferry/rescued/preprod", list[str]()
    errored.write_text("planted")

    async def push() -> tuple[int, str]:
        (kept,) = safe.parent.glob("*")
        assert kept.read_text() == "planted"
        return DONE

    assert await rescue.rescued(errored, safe, push, said.append) == rescue.Rescued()
    assert list(safe.parent.iterdir()) == []
    assert not errored.exists()
    assert (tmp_path / ".ferry/.gitignore").read_text() == "*\n"
    assert (len(said), said[-1]) == (2, "the state is written")


def test_states_are_kept_side_by_side_for_nobody_else_to_read(tmp_path: Path) -> None:
    errored = tmp_path / "errored.tfstate"
    errored.write_text("planted")
    kept = rescue.keep(errored, tmp_path / "rescued/preprod", NOW)
    assert kept == tmp_path / "rescued/preprod-20261121T193850.tfstate"
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
