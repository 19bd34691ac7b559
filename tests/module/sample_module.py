"""A small Dagger module with one of each thing that the fake engine must read back."""

# dagger 0.21.8 leaves `cache=` out of the overloads of `function`, and its decorators hide a dataclass from mypy.
# mypy: disable-error-code="call-overload, call-arg, untyped-decorator"

import enum
import time
from typing import Annotated

import dagger
from dagger import DefaultPath, Doc, Ignore, check, enum_type, field, function, generate, object_type


@enum_type
class Colour(enum.Enum):
    """Colours that a thing can have."""

    RED = "red"
    """Like a rose."""


@object_type
class SampleImage:
    """What `publish` gives back."""

    ref: Annotated[str, Doc("Where it is.")] = field()


@object_type
class Sample:
    """The main object."""

    region: Annotated[str, Doc("Where to.")] = "eu-central-1"
    token: Annotated[dagger.Secret | None, Doc("For AWS.")] = None

    @function(cache="never")
    async def publish(
        self,
        source: Annotated[dagger.Directory, DefaultPath("."), Ignore([".git", ".venv"]), Doc("What to build.")],
        password: Annotated[dagger.Secret, Doc("For the registry.")],
        address: Annotated[str, Doc("Where to.")] = "registry/app:1",
    ) -> SampleImage:
        """Build and publish."""
        image = source.docker_build().with_registry_auth("registry", "AWS", password)
        return SampleImage(ref=await image.publish(address))

    @function(cache="session")
    async def apply(self) -> str:
        """Run a step that is new in each call."""
        return await self._terraform().with_env_variable("CALL", str(time.time_ns())).with_exec(["apply"]).stdout()

    @function(cache="1h")
    async def plan(self) -> str:
        """Run a step that the layer cache answers."""
        return await self._terraform().with_exec(["plan"]).stdout()

    @function
    def silent(self, colours: list[Colour] | None = None, count: int = 3) -> list[Colour]:
        """State no cache policy."""
        return (colours or [])[:count]

    @function
    @check
    def lint(self) -> None:
        """Find nothing."""

    @function
    @generate
    def tidy(self) -> dagger.Changeset:
        """Change nothing."""
        return dagger.dag.directory().changes(dagger.dag.directory())

    @function
    def fail(self) -> str:
        """Fail."""
        raise ValueError(f"no such region: {self.region}")

    def _terraform(self) -> dagger.Container:
        return dagger.dag.container().from_("terraform")
