from __future__ import annotations

import pytest

from ferry.errors import BuildFailed, ConfigError, Interrupted, Mistake, TerraformFailed
from ferry.report import failure

DENIED = TerraformFailed(
    "terraform apply ended with an error",
    where="aws_lambda_function.sse",
    why="AccessDeniedException: lambda:UpdateFunctionCode\nthe deployer may not do this",
    next="ferry doctor preprod",
)
WRONG = ConfigError(
    "ferry.toml",
    (
        Mistake(file="ferry.toml", line=3, key="aws.region", found="'mars'", allowed="an AWS region"),
        Mistake(file="ferry.toml", line=9, key="aws.acount", found="'x'", allowed="b", nearest="c"),
    ),
)


def test_the_terminal_is_told_what_where_why_and_next() -> None:
    assert failure.text(failure.facts(DENIED)) == (
        "error: terraform apply ended with an error\n"
        "  where: aws_lambda_function.sse\n"
        "  why: AccessDeniedException: lambda:UpdateFunctionCode\n"
        "       the deployer may not do this\n"
        "  next: ferry doctor preprod\n"
        "  exit code 30 (TerraformFailed)"
    )


def test_what_is_not_known_has_no_line() -> None:
    assert failure.text(failure.facts(BuildFailed("no"))) == "error: no\n  exit code 20 (BuildFailed)"


def test_every_mistake_is_an_annotation_at_its_line() -> None:
    assert failure.github(failure.facts(WRONG)) == (
        "::error file=ferry.toml,line=3,title=ConfigError::aws.region: found 'mars'; allowed: an AWS region",
        "::error file=ferry.toml,line=9,title=ConfigError::aws.acount: found 'x'; allowed: b (did you mean 'c'?)",
    )


def test_an_annotation_escapes_as_github_reads() -> None:
    error = BuildFailed("100% done,\r\nthen: no", where="src/a,b.py:12 in build")
    assert failure.github(failure.facts(error)) == (
        "::error file=src/a%2Cb.py,line=12,title=BuildFailed::100%25 done,%0D%0Athen: no%0Asrc/a,b.py:12 in build",
    )


def test_machines_get_the_same_facts() -> None:
    assert failure.to_json(failure.facts(DENIED)) == {
        "error": {
            "class": "TerraformFailed",
            "exit_code": 30,
            "what": "terraform apply ended with an error",
            "where": "aws_lambda_function.sse",
            "why": "AccessDeniedException: lambda:UpdateFunctionCode\nthe deployer may not do this",
            "next": "ferry doctor preprod",
            "mistakes": (),
        }
    }
    assert len(failure.to_json(failure.facts(WRONG))["error"]["mistakes"]) == 2


def broken() -> Exception:
    try:
        return Exception([].pop())
    except IndexError as error:
        return error


def test_any_other_exception_is_a_mistake_in_ferry_itself() -> None:
    facts = failure.facts(broken())
    assert (facts.name, facts.exit_code, facts.what) == ("InternalError", 70, "a mistake in Ferry itself")
    assert facts.where.startswith(__file__)
    assert facts.where.endswith(" in broken")
    assert facts.why == "IndexError: pop from empty list"
    assert "FERRY_DEBUG=1" in facts.next
    assert "Traceback" not in failure.text(facts)


def test_the_traceback_is_there_for_who_asks() -> None:
    facts = failure.facts(broken(), debug=True)
    assert "Traceback (most recent call last)" in failure.text(facts)
    assert failure.to_json(facts)["error"]["trace"] == facts.trace


def test_a_user_never_sees_a_traceback_of_what_a_user_can_cause() -> None:
    assert failure.facts(DENIED, debug=True).trace == ""


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted("stopped")])
def test_being_stopped_is_no_mistake(error: BaseException) -> None:
    assert failure.facts(error).exit_code == 130


def test_of_tasks_that_fail_together_the_one_a_user_can_act_on_speaks() -> None:
    group = BaseExceptionGroup("", [KeyboardInterrupt(), ExceptionGroup("", [ValueError("x"), DENIED])])
    assert failure.facts(group).name == "TerraformFailed"
    assert failure.facts(BaseExceptionGroup("", [KeyboardInterrupt(), broken()])).name == "InternalError"
