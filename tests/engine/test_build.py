"""What the engine builds, finds and publishes; the builder without an engine makes the same."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from ferry import lockfile, model
from ferry.config import load
from ferry.guards import image as guard
from ferry.outside.blobs import Store
from ferry.outside.builder.host import HostBuilder
from ferry.outside.git import NO_COMMIT
from ferry.outside.registry import ecr
from ferry.outside.registry.external import Externals
from ferry.report import Report
from ferry.verbs.build import Workshop, build
from tests.engine.conftest import MIRROR, boxed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ferry.outside.aws import Access
    from tests.engine.conftest import Aws, Engine

pytestmark = pytest.mark.engine
ACCOUNT = "111122223333"
REPOSITORY = "preprod-sse-streaming-lambda"
LOCK = "src/lambdas/sse_streaming/requirements.lock"
DOCKERFILE = "src/lambdas/sse_streaming/Dockerfile"
PUBLISH = ("build", "--env=preprod", "publish", "--env=preprod")
NOTHING_CHANGED = "Nothing has changed since this was built and published"

OWN = """
project = "own"
region = "us-east-1"

[artifacts.own]
kind = "image"
repository = "{env}-sse-streaming-own"
dockerfile = "Dockerfile"
inputs = ["app", "moment"]

[infrastructure]
root = "terraform"

[environments.preprod]
account = "111122223333"
deployer = "arn:aws:iam::111122223333:user/sentiment-analyzer-preprod-deployer"
state = { bucket = "state", key = "terraform.tfstate" }
variables = "preprod.tfvars"
"""
# `moment` is in no layer: another one makes the engine run the step again, at another time.
OWN_DOCKERFILE = """
FROM python:3.13-slim
COPY app /var/task
RUN --mount=type=bind,source=moment,target=/run/moment \\
    cd /var/task && ln main.py same.py && ln -s main.py other.py && install -d -o 1000 -g 1001 data && rm /etc/issue
CMD ["python", "/var/task/main.py"]
"""
SHELL = """
release=$(.{mirror} | build)
$release | manifest
$release | prove sse-streaming
$release | package ingestion | export {package}
$release | image sse-streaming | with-exec -- python -c "{program}" | stdout
"""
PROGRAM = "import fastapi; import sse_streaming.app; print(fastapi.__name__)"
HEALTH = """
import subprocess, time, urllib.request
app, end = subprocess.Popen(["python", "-m", "sse_streaming"]), time.monotonic() + 60
while True:
    try:
        print("health", urllib.request.urlopen("http://127.0.0.1:8080/health").status)
        break
    except OSError:
        if app.poll() is not None or time.monotonic() > end:
            raise
        time.sleep(0.1)
app.kill()
"""


@dataclass(frozen=True)
class Made:
    """What the engine built, and what was done with it in the same session."""

    manifest: dict[str, Any]
    package: Path
    said: str


@pytest.fixture(scope="module")
def made(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Made:
    package = tmp_path_factory.mktemp("made") / "ingestion.zip"
    mirror = f" --image-mirror {MIRROR}" if MIRROR else ""
    done = engine.run("-c", SHELL.format(mirror=mirror, package=package, program=PROGRAM))
    assert done.stdout.startswith("{"), done.stderr[-4000:]
    manifest, end = json.JSONDecoder().raw_decode(done.stdout)
    if any("python:3.13-slim" in artifact["stand_ins"] for artifact in manifest["artifacts"]):
        pytest.skip("the base image cannot be reached, and something stands in for it")
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stderr.count("→ Build the image sse-streaming") == 1
    return Made(manifest, package, done.stdout[end:])


@pytest.fixture(scope="module")
def manifest(made: Made) -> dict[str, Any]:
    return made.manifest


def digest(manifest: dict[str, Any], name: str) -> str:
    return next(str(it["digest"]) for it in manifest["artifacts"] if it["name"] == name)


@pytest.mark.req("S-02")
def test_both_builders_make_the_same_bytes(engine: Engine, manifest: dict[str, Any]) -> None:
    python = manifest["artifacts"][0]["inputs"]["python"]

    host = anyio.run(_built_here, engine.clone, python)

    assert json.loads(model.to_json(host)) == manifest


async def _built_here(source: Path, python: str) -> model.Release:
    lock = lockfile.load(source)
    with tempfile.TemporaryDirectory() as work:
        builder = HostBuilder(source, Path(work) / "build", python)
        if await builder.compiler() != python:
            pytest.skip(f"this machine has no Python {python}, which the engine's image compiles with")
        workshop = Workshop(
            builder=builder,
            externals=Externals(lock.images, mirror=MIRROR.replace("tcp://", "http://")),
            store=Store(Path(work) / "store"),
            lock=lock,
        )
        return (await build(load(source / "ferry.toml"), workshop, Report(), commit=NO_COMMIT, dirty=True)).release


def test_a_package_is_the_file_that_the_release_names(made: Made) -> None:
    found = hashlib.sha256(made.package.read_bytes()).hexdigest()
    assert f"sha256:{found}" == digest(made.manifest, "ingestion")


def test_the_image_is_a_container_to_go_on_with(made: Made) -> None:
    assert made.said.strip().endswith("fastapi")


@pytest.mark.req("B-07")
def test_the_image_starts_and_streams_before_anyone_publishes_it(made: Made) -> None:
    assert made.said.strip().startswith("the canary finds sse-streaming healthy")


@dataclass(frozen=True)
class Published:
    aws: Aws
    said: str
    """On the way."""
    references: list[str]


@pytest.fixture(scope="module")
def published(
    engine: Engine, closed_network: list[str], manifest: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Published]:
    """A box that this work tree was published to."""
    assert manifest["artifacts"]
    with boxed(tmp_path_factory.mktemp("box"), closed_network) as aws:
        done = engine.done("call", *aws.flags, *PUBLISH)
        yield Published(aws, done.stderr, done.stdout.split())


@pytest.mark.req("B-06", "B-07", "B-12")
def test_what_is_published_was_tried_before_and_is_an_image_that_lambda_takes(
    published: Published, manifest: dict[str, Any]
) -> None:
    made = digest(manifest, "sse-streaming")

    found, refusals = anyio.run(_refused, published.aws.access)

    assert published.references == [f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/{REPOSITORY}@{made}"]
    assert (found, refusals) == (made, ())
    tried = published.said.index("✓ Ask sse-streaming whether it works · healthy")
    assert tried < published.said.index("→ Publish sse-streaming to")


async def _refused(access: Access) -> tuple[str, tuple[str, ...]]:
    async with ecr.registry(access, ACCOUNT) as registry:
        found = await registry.manifest(REPOSITORY, "latest")
        assert found is not None
        config = await registry.document(REPOSITORY, json.loads(found.data)["config"]["digest"])
        return found.digest, guard.refusals(found.data, found.media_type, config)


@pytest.mark.req("B-08", "B-09")
def test_publishing_the_same_again_builds_nothing_and_writes_nothing(engine: Engine, published: Published) -> None:
    before = _written(published.aws.access)

    again = engine.done("call", *published.aws.flags, *PUBLISH)

    assert again.stdout.split() == published.references
    assert NOTHING_CHANGED in again.stderr
    assert "→ Build the" not in again.stderr
    assert "was there, with its tags" in again.stderr
    assert _written(published.aws.access) == before


def _written(access: Access) -> list[object]:
    """All that is published, and when it was written."""
    images = access.client("ecr")
    buckets = access.client("s3")
    repositories = [it["repositoryName"] for it in images.describe_repositories()["repositories"]]
    bucket = f"preprod-sentiment-analyzer-packages-{ACCOUNT}"
    return [
        *(
            (name, it["imageDigest"], sorted(it["imageTags"]), it["imagePushedAt"])
            for name in sorted(repositories)
            for it in images.describe_images(repositoryName=name)["imageDetails"]
        ),
        *((it["Key"], it["LastModified"]) for it in buckets.list_objects_v2(Bucket=bucket)["Contents"]),
    ]


@pytest.mark.req("B-01", "B-08")
def test_an_edited_file_is_named_and_makes_one_layer(engine: Engine, published: Published, tmp_path: Path) -> None:
    edited = engine.copy(tmp_path / "edited")
    with (edited.clone / "src/lambdas/sse_streaming/ring.py").open("a") as file:
        file.write("# edited\n")

    told = edited.call(*published.aws.flags, "explain", "--env=preprod").splitlines()
    done = edited.done("call", *published.aws.flags, *PUBLISH)

    assert "sse-streaming: src/lambdas/sse_streaming/ring.py changed" in told
    assert [line.partition(": ")[2] for line in told].count("nothing changed") == 4
    assert f"what {LOCK} locks is published already" in done.stderr
    assert "installing what" not in done.stderr
    assert done.stderr.count("· published already, sha256:") == 4
    assert "· 2 blobs, " in done.stderr  # the application's layer, and the config
    assert done.stdout.split() != published.references


@pytest.mark.usefixtures("manifest")
def test_a_dockerfile_of_ones_own_makes_the_same_image_at_another_time(
    engine: Engine, closed_network: list[str], published: Published, tmp_path: Path
) -> None:
    first, second = _own(tmp_path / "first"), _own(tmp_path / "second")

    made = json.loads(engine.call(f"--source={first}", *closed_network, "build", "manifest"))
    done = engine.done("call", f"--source={second}", *published.aws.flags, *PUBLISH)

    assert done.stdout.strip().endswith(f"/preprod-sse-streaming-own@{digest(made, 'own')}")


def _own(folder: Path) -> Path:
    """The folder's own name is what makes one moment another."""
    (folder / "app").mkdir(parents=True)
    for name, text in {
        "ferry.toml": OWN,
        "Dockerfile": OWN_DOCKERFILE,
        "app/main.py": "print()\n",
        "moment": folder.name,
    }.items():
        (folder / name).write_text(text)
    return folder


def test_a_step_of_a_dockerfile_that_fails_is_told_with_its_last_words(engine: Engine, tmp_path: Path) -> None:
    source = _own(tmp_path / "broken")
    with (source / "Dockerfile").open("a") as file:
        file.write("RUN echo the disk is on fire >&2 && exit 7\n")

    done = engine.run("call", f"--source={source}", "build", "manifest")

    assert done.returncode == 1
    assert "error: a step of the Dockerfile fails" in done.stderr
    assert "ended with 7" in done.stderr
    assert "the disk is on fire" in done.stderr
    assert "exit code 20 (BuildFailed)" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def locked(engine: Engine, closed_network: list[str], tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A clone whose ferry.lock `lock` has just written."""
    copy = engine.copy(tmp_path_factory.mktemp("locked") / "clone")
    (copy.clone / lockfile.FILE).unlink(missing_ok=True)
    copy.call(*closed_network, "--auto-apply", "lock")
    return copy


def test_lock_pins_what_the_release_was_built_on(
    locked: Engine, closed_network: list[str], manifest: dict[str, Any]
) -> None:
    inputs = manifest["artifacts"][0]["inputs"]
    lock = lockfile.load(locked.clone)

    assert lock.images["python:3.13-slim"] == inputs["base python:3.13-slim"]
    assert lock.python == inputs["python"]
    assert locked.call(*closed_network, "lock", "is-empty").strip() == "true"


@pytest.mark.req("B-01")
def test_the_generated_dockerfile_is_held_to_the_recipe_and_makes_an_image_that_answers(
    locked: Engine, tmp_path: Path
) -> None:
    copy = locked.copy(tmp_path / "generated")
    with (copy.clone / DOCKERFILE).open("a") as file:
        file.write("# edited by hand\n")

    stale = copy.run("check", "dockerfiles")
    copy.done("generate", "--auto-apply", "dockerfiles")
    current = copy.run("check", "dockerfiles")
    said = copy.done(
        "core", "host", "directory", "--path=.", "docker-build", f"--dockerfile={DOCKERFILE}",
        "with-new-file", "--path=/health.py", f"--contents={HEALTH}",
        "with-exec", "--args=python", "--args=/health.py", "stdout",
    )  # fmt: skip

    assert stale.returncode == 1
    assert "run 'dagger generate ferry:dockerfiles' to apply" in stale.stderr
    assert current.returncode == 0, current.stderr[-4000:]
    assert lockfile.load(copy.clone).images["python:3.13-slim"] in (copy.clone / DOCKERFILE).read_text()
    assert said.stdout.strip() == "health 200"
