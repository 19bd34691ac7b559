from __future__ import annotations

from dataclasses import replace

import pytest

from ferry.verbs.bound import Bound, agreeing, nobody
from tests.verbs.fakes import SAVED

pytestmark = pytest.mark.anyio
HERE = Bound(
    environment="preprod",
    release="r-123456789012",
    commit="c" * 40,
    idle=False,
    changes={"create": 1},
    substance={"aws_sqs_queue.dead": "create 1"},
    saved=SAVED,
)


def test_what_is_written_down_is_read_again() -> None:
    assert Bound.read(HERE.text()) == HERE


@pytest.mark.parametrize(
    "other",
    [
        replace(HERE, environment="prod"),
        replace(HERE, release="r-000000000000"),
        replace(HERE, commit="d" * 40),
        replace(HERE, substance={}),
        *(
            replace(HERE, saved=replace(SAVED, **{name: value}))  # type: ignore[arg-type] # one field at a time
            for name, value in {"sha256": "1", "lock": "1", "serial": 7, "lineage": "1", "terraform": "1"}.items()
        ),
    ],
)
def test_everything_is_in_its_hash(other: Bound) -> None:
    assert other.hash != HERE.hash


def test_a_person_agrees_to_what_is_done_and_not_to_when_it_was_planned() -> None:
    later = replace(HERE, saved=replace(SAVED, serial=7, sha256="1"))
    assert later.fingerprint == HERE.fingerprint
    assert replace(HERE, release="r-000000000000").fingerprint != HERE.fingerprint
    assert replace(HERE, environment="prod").fingerprint != HERE.fingerprint
    assert replace(HERE, substance={}).fingerprint != HERE.fingerprint


async def test_who_agrees_to_one_plan_agrees_to_no_other() -> None:
    agree = agreeing(HERE.fingerprint)
    assert await agree(HERE.fingerprint)
    assert not await agree("another")
    assert not await agreeing("")(HERE.fingerprint)
    assert not await nobody(HERE.fingerprint)
