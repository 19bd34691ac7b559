"""Tests of a Dagger module without Dagger: its real client, a real HTTP server, and nothing behind it.

    from tests.fake_engine import ConnectedEngine, call, register

    def test_publish_logs_in_first(engine: ConnectedEngine) -> None:
        engine.answers["Container.stdout"] = "1.14.9"
        token = engine.secret("token", "hunter2")

        outcome = call(engine, Ferry, "publish", {"source": engine.given("Directory", "source"), "token": token})

        assert outcome.error is None
        assert [call.field for call in engine.asked("publish")[0]] == ["givenDirectory", "dockerBuild", …, "publish"]
        assert not outcome.steps
        assert engine.leaks() == []

The schema is derived from the installed client, so a wrong field, argument, enum value or kind of id is refused as an
engine would, and fails the test even where the code under test swallowed the error. Limits: what a step *does* is
whatever the test answers; objects that may be null and deprecations are not known to the client, so not here either.
"""

from tests.fake_engine.chain import Call, Chain, execs
from tests.fake_engine.declared import Argument, Declared, Enum, Field, Function, Object
from tests.fake_engine.engine import exec_failure
from tests.fake_engine.module import Outcome, call, register
from tests.fake_engine.schema import schema
from tests.fake_engine.session import ConnectedEngine

__all__ = [
    "Argument",
    "Call",
    "Chain",
    "ConnectedEngine",
    "Declared",
    "Enum",
    "Field",
    "Function",
    "Object",
    "Outcome",
    "call",
    "exec_failure",
    "execs",
    "register",
    "schema",
]
