from __future__ import annotations

import io
import json
import zipfile
from itertools import count
from typing import TYPE_CHECKING

import pytest

from ferry.errors import AwsError, ProofFailed, ToolError
from ferry.outside.canary import Check, Verdict, function, program
from tests.outside.aws.small_aws import as_root
from tests.outside.canary.programs import BAD, COMMAND, GOOD, UNSURE, file_of, saying, zipped

if TYPE_CHECKING:
    from tests.awsbox.people import Account

_NUMBERS = count(1)
pytestmark = [pytest.mark.anyio, pytest.mark.req("R-07")]


async def judged(package: bytes, command: tuple[str, ...] = COMMAND) -> Verdict:
    with file_of(package) as file, program.unpacked(file, command) as canary:
        return await canary.judge("http://x")


async def test_a_healthy_service_passes() -> None:
    verdict = await judged(saying(GOOD, 0))
    assert verdict.healthy
    assert verdict.checks == (Check(name="health", target="http://x", ok=True, what="answers"),)


@pytest.mark.parametrize(("said", "code"), [(BAD, 1), (UNSURE, 2)])
async def test_every_other_verdict_does_not(said: dict[str, object], code: int) -> None:
    verdict = await judged(saying(said, code))
    assert (verdict.healthy, verdict.word) == (False, said["verdict"])


# The names of the environment's variables come back.
ECHO = """
import json, os, sys
assert sys.argv[1:] == ["http://x", "--json"]
check = {"name": "echo", "target": "", "ok": True, "what": " ".join(os.environ)}
print(json.dumps({"verdict": "healthy", "checks": [check]}))
"""


async def test_no_credentials_of_ours_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    said = (await judged(zipped(ECHO))).checks[0].what
    assert "PYTHONPATH" in said
    assert "AWS_" not in said


@pytest.mark.parametrize(
    "package",
    [
        pytest.param(saying(GOOD, 1), id="healthy, and exits with 1"),
        pytest.param(saying(BAD, 0), id="unhealthy, and exits with 0"),
        pytest.param(saying({"verdict": "perhaps", "checks": []}, 0), id="another word"),
        pytest.param(saying({"verdict": ["healthy"], "checks": []}, 0), id="no word"),
        pytest.param(saying({"verdict": "healthy"}, 0), id="no checks"),
        pytest.param(saying({"verdict": "healthy", "checks": [{"name": "x", "ok": "yes"}]}, 0), id="ok is a word"),
        pytest.param(saying([1], 0), id="a list"),
        pytest.param(zipped("print('all is well')"), id="no JSON"),
        pytest.param(zipped("1/0"), id="it crashes"),
        pytest.param(zipped(""), id="nothing"),
    ],
)
async def test_what_is_no_verdict_is_not_taken_for_one(package: bytes) -> None:
    with pytest.raises(ProofFailed, match="did not give a verdict") as caught:
        await judged(package)
    assert "it exited with" in caught.value.why


async def test_a_crash_is_repeated() -> None:
    with pytest.raises(ProofFailed) as caught:
        await judged(zipped("1/0"))
    assert "ZeroDivisionError" in caught.value.why


async def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(ToolError, match="no-such-canary does not start"):
        await judged(saying(GOOD, 0), command=("no-such-canary",))


async def test_nothing_is_left_of_it() -> None:
    with file_of(saying(GOOD, 0)) as file, program.unpacked(file, COMMAND) as canary:
        folder = canary.folder
        assert [path.name for path in folder.iterdir()] == ["probe.py"]
    assert not folder.exists()


# The deployed one, in the box.

CODE = """
import json
def handle(event, context):
    said = json.loads({said!r})
    if "raise" in said:
        raise ValueError(said["raise"])
    return said | {{"checks": [{{"name": "heard", "ok": True, "what": json.dumps(event)}}]}}
"""


def deployed(account: Account, said: object) -> str:
    name = f"canary-{next(_NUMBERS)}"
    root = account.root
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("app.py", CODE.format(said=json.dumps(said)))
    root.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=account.role(name=f"{name}-role"),
        Handler="app.handle",
        Code={"ZipFile": data.getvalue()},
    )
    return name


async def test_the_deployed_one_is_told_what_to_expect(account: Account) -> None:
    name = deployed(account, {"verdict": "healthy"})
    verdict = await function.judge(as_root(account), name, {"environment": "preprod", "digest": "sha256:1"})
    assert verdict.healthy
    assert json.loads(verdict.checks[0].what) == {"environment": "preprod", "digest": "sha256:1"}


@pytest.mark.parametrize("said", [{"verdict": "perhaps"}, {}, {"raise": "all is lost"}])
async def test_what_is_no_verdict_of_the_deployed_one_is_not_taken_for_one(account: Account, said: object) -> None:
    name = deployed(account, said)
    with pytest.raises(ProofFailed, match="did not give a verdict") as caught:
        await function.judge(as_root(account), name, {})
    assert caught.value.where == name
    assert ("all is lost" in caught.value.why) == (said == {"raise": "all is lost"})


async def test_a_canary_that_is_not_deployed_is_an_error_of_aws(account: Account) -> None:
    with pytest.raises(AwsError, match="ResourceNotFoundException") as caught:
        await function.judge(as_root(account), "nowhere", {})
    assert caught.value.where == "lambda:Invoke nowhere"
