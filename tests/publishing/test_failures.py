"""Everything that may stand in a release's way, as whoever publishes it meets it: told apart, in time, nothing spoiled.

There is no terraform on the PATH of any of these: what they fail with, they fail with before any runs.
"""

from __future__ import annotations

import resource
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ferry import lockfile
from ferry.outside.registry.patience import LIMIT_SECONDS
from tests.awsbox.people import allow, deny
from tests.outside.registry.local_registry import nobody
from tests.publishing.shop import SLIM, Ended

if TYPE_CHECKING:
    from awsbox.faults import Switchboard
    from tests.outside.registry.local_registry import LocalRegistry
    from tests.publishing.shop import Shop

UNAVAILABLE, DENIED, REFUSED = (21, "RegistryUnavailable"), (22, "RegistryDenied"), (23, "RegistryRefused")
AWS, BUILD, USAGE = (14, "AwsError"), (20, "BuildFailed"), (64, "UsageError")
NO_PIN = f"sha256:{'a' * 64}"


def how(ended: Ended) -> tuple[int, str]:
    return ended.code, ended.error["class"]


# The registry, and AWS.


@pytest.mark.req("B-05", "B-11")
@pytest.mark.parametrize(
    ("fault", "ends"),
    [
        ("registry-down", (*UNAVAILABLE, "answered 503")),
        pytest.param("dns:registry", (*UNAVAILABLE, "cannot be reached"), marks=pytest.mark.slow),
        pytest.param("refused:registry", (*UNAVAILABLE, "cannot be reached"), marks=pytest.mark.slow),
        pytest.param("throttle:registry", (*UNAVAILABLE, "asked too often"), marks=pytest.mark.slow),
        ("registry-expired", (*DENIED, "login to the image registry has expired")),
        pytest.param("deny:registry", (*DENIED, "does not allow"), marks=pytest.mark.slow),
        pytest.param("deny:ecr:GetAuthorizationToken", (*AWS, "AccessDenied"), marks=pytest.mark.slow),
        ("deny:ecr:CreateRepository", (*AWS, "AccessDenied")),
        pytest.param("deny:s3:PutObject", (*AWS, "AccessDenied"), marks=pytest.mark.slow),
    ],
)
def test_each_outage_and_refusal_has_an_error_of_its_own(
    shop: Shop, faults: Switchboard, paused: list[float], fault: str, ends: tuple[int, str, str]
) -> None:
    switched = faults.add(fault)
    ended = shop.publish()
    *end, what = ends
    assert how(ended) == tuple(end)
    assert what in ended.error["what"]
    assert switched.hits
    assert sum(paused) <= LIMIT_SECONDS
    assert bool(paused) == (how(ended) == UNAVAILABLE), "only what may pass is tried again"
    assert "preprod/releases/latest.json" not in shop.objects


@pytest.mark.slow
@pytest.mark.req("B-05", "B-11", "B-13")
@pytest.mark.parametrize("action", ["ecr:CompleteLayerUpload", "ecr:PutImage", "ecr:DescribeImages", "s3:GetObject"])
def test_who_lacks_a_right_reads_which(shop: Shop, action: str) -> None:
    shop.enter(shop.account.user(allow("*"), deny(action)))
    ended = shop.publish()
    assert ended.code in {AWS[0], DENIED[0]}
    assert action in ended.error["why"]
    assert shop.tags == set(), "no name leads to what is half done"


@pytest.mark.req("B-11")
@pytest.mark.parametrize(
    ("key", "secret", "what"),
    [
        ("", "", "there are no AWS credentials"),
        ("AKIAMISTYPED", "mistyped-secret", "InvalidAccessKeyId"),
        ("", "secret-without-key", "there are no AWS credentials"),
    ],
)
def test_who_cannot_log_in_reads_why(shop: Shop, key: str, secret: str, what: str) -> None:
    shop.secrets |= {secret} if secret else set()
    shop.log_in(*([f"aws_access_key_id = {key}"] if key else []), f"aws_secret_access_key = {secret}")
    ended = shop.publish()
    assert how(ended) == (13, "CredentialsError")
    assert what in ended.error["what"]


@pytest.mark.req("B-11")
def test_a_secret_that_does_not_fit_its_key_is_told(shop: Shop) -> None:
    caller = shop.account.user(allow("*"))
    shop.enter(replace(caller, secret="mistyped-secret"))
    ended = shop.publish()
    assert how(ended) == (13, "CredentialsError")
    assert "SignatureDoesNotMatch" in ended.error["what"]


def test_a_profile_that_is_not_there_is_named(shop: Shop) -> None:
    shop.monkeypatch.setenv("AWS_PROFILE", "nobody")
    ended = shop.publish()
    assert how(ended) == (13, "CredentialsError")
    assert "nobody" in ended.error["why"]


@pytest.mark.slow  # boto3's own pauses cannot be handed in
@pytest.mark.req("B-11")
def test_an_aws_that_does_not_answer_is_told(shop: Shop) -> None:
    shop.monkeypatch.setenv("AWS_ENDPOINT_URL", nobody())
    ended = shop.publish()
    assert how(ended) == AWS
    assert "could not be reached" in ended.error["what"]


# What is built.


@pytest.mark.slow
@pytest.mark.req("B-05", "B-11")
@pytest.mark.parametrize(
    ("lock", "what", "why"),
    [
        (f"nowhere==1.0 --hash={NO_PIN}\n", "could not be installed", "nowhere"),
        (f"first==9.0 --hash={NO_PIN}\n", "the lock is out of date", "first==9.0"),
        (f"first==1.0 --hash={NO_PIN}\n", "not the one that was locked", "Hash mismatch for `first==1.0`"),
        ("first==1.0\n", "without a version or a hash", "first"),
    ],
)
def test_a_build_that_fails_ends_with_the_last_words_of_uv(shop: Shop, lock: str, what: str, why: str) -> None:
    shop.write(**{"app.lock": lock})
    ended = shop.publish()
    assert how(ended) == BUILD
    assert what in ended.error["what"]
    assert why in ended.error["why"]
    assert ended.error["where"] == "app.lock"
    assert (shop.tags, shop.objects) == (set(), set())


def test_without_uv_nothing_is_built(shop: Shop) -> None:
    shop.monkeypatch.setenv("PATH", str(shop.folder))
    shop.write(**{"app.lock": f"nowhere==1.0 --hash={NO_PIN}\n"})
    ended = shop.publish()
    assert how(ended) == (12, "ToolError")
    assert "install uv" in ended.error["next"]


def test_what_ferry_toml_names_and_nobody_has_is_listed(shop: Shop) -> None:
    shutil.rmtree(shop.folder / "job")
    (shop.folder / "app.lock").unlink()
    ended = shop.publish()
    assert how(ended) == BUILD
    assert ended.error["where"] == "app.lock, job"


@pytest.mark.parametrize("command", ["build", "publish"])
def test_where_nothing_can_be_kept_nothing_is_built(shop: Shop, command: str) -> None:
    shutil.rmtree(shop.folder / ".ferry")
    shop.write(**{".ferry": "a file is in the way"})
    ended = shop.publish() if command == "publish" else shop.ferry("build", "--offline")
    assert how(ended) == BUILD
    assert ended.error["where"] == str(shop.folder / ".ferry")
    assert "Build the" not in ended.err


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="this system cannot limit another process")
@pytest.mark.req("B-05")
def test_a_disk_that_is_full_is_told_and_leaves_nothing_half_written(shop: Shop) -> None:
    before = shop.kept
    (shop.folder / "app/more.txt").write_text("more")
    most = 32 * 1024, resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    with shop.started() as process:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, most)
        ended = shop.ended(process)
    assert how(ended) == BUILD
    assert "make room" in ended.error["next"]
    assert shop.kept == before
    assert (shop.tags, shop.objects) == (set(), set())
    assert shop.publish().code == 0


# External images.


@pytest.mark.req("B-05", "B-11")
def test_a_base_that_is_gone_is_told_apart_from_one_that_never_was(shop: Shop, hub: LocalRegistry) -> None:
    shop.write(**{"ferry.lock": lockfile.render(lockfile.Lock(images={SLIM: NO_PIN}))})
    gone = shop.ferry("publish", "--env=preprod", "--mirror", hub.url)
    assert how(gone) == REFUSED
    assert "is gone" in gone.error["what"]
    assert gone.error["next"].endswith("ferry lock")
    hub.answers.clear()
    (shop.folder / "ferry.lock").unlink()
    unknown = shop.ferry("publish", "--env=preprod", "--mirror", hub.url)
    assert how(unknown) == REFUSED
    assert unknown.error["what"] == "the image does not exist"
    assert (shop.tags, shop.objects) == (set(), set())


@pytest.mark.req("B-11")
@pytest.mark.parametrize(
    ("status", "ends"),
    [
        (401, (*DENIED, "does not accept our login")),
        (403, (*DENIED, "does not allow us")),
        (429, (*UNAVAILABLE, "asked too often")),
        (503, (*UNAVAILABLE, "answered 503")),
    ],
)
def test_a_lock_is_whole_or_not_written(
    shop: Shop, hub: LocalRegistry, paused: list[float], status: int, ends: tuple[int, str, str]
) -> None:
    hub.refuses = status
    ended = shop.ferry("lock", "--mirror", hub.url)
    *end, what = ends
    assert how(ended) == tuple(end)
    assert what in ended.error["what"]
    assert hub.url in ended.error["where"]
    assert sum(paused) <= LIMIT_SECONDS
    assert not (shop.folder / "ferry.lock").exists()


@pytest.mark.req("B-11")
@pytest.mark.parametrize("mirror", [nobody(), "http://no-such-host.invalid"], ids=["nobody listens", "no such name"])
def test_a_mirror_that_cannot_be_reached_is_named(shop: Shop, paused: list[float], mirror: str) -> None:
    ended = shop.ferry("lock", "--mirror", mirror)
    assert how(ended) == UNAVAILABLE
    assert mirror in ended.error["where"]
    assert 0 < sum(paused) <= LIMIT_SECONDS


@pytest.mark.parametrize("command", ["lock", "build"])
def test_a_mirror_is_an_address(shop: Shop, command: str) -> None:
    assert how(shop.ferry(command, "--mirror", "nonsense")) == USAGE
