"""Every way Ferry can fail: one class for each thing a user would do differently, each with its exit code.

    FerryError
    ├── Blocked              3   a guard found something that must not be applied
    ├── NotAgreed            4   a person has to agree to the plan first
    ├── ConfigError         10   ferry.toml holds mistakes (all of them are listed)
    ├── RecordError         11   a release, deployment or plan record cannot be trusted
    ├── ToolError           12   a program Ferry needs is missing, too old or does not start
    ├── CredentialsError    13   AWS credentials are missing, expired or for another account
    ├── AwsError            14   AWS refused a call, or could not be reached
    ├── NotReady            15   something that a deployment needs is missing
    ├── BuildFailed         20   an artifact could not be built
    ├── RegistryUnavailable 21   the image registry cannot be reached
    ├── RegistryDenied      22   the image registry does not accept our credentials
    ├── RegistryRefused     23   the image registry, or Lambda's rules, do not accept this image
    ├── TerraformFailed     30   terraform ended with an error (init, plan, apply)
    ├── Busy                31   another run is deploying to this environment
    ├── ProofFailed         40   what was deployed does not answer as it must
    ├── BoxError            50   AWS in a box could not start, or broke
    ├── EngineFailed        60   a step in the Dagger engine failed
    ├── UsageError          64   the command line is not one Ferry knows
    ├── InternalError       70   a mistake in Ferry itself
    ├── OutputLost          74   the result could not be written
    └── Interrupted        130   the user, or the runner, stopped it

Exit code 0 is success, 2 is "the plan has changes" (`ferry plan`), 1 is never used on purpose.
An error holds facts: what happened, where, why, and the next command. `report.failure` alone decides how that looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class FerryError(Exception):
    """What happened, where, why, and what to do next."""

    exit_code: ClassVar[int]

    def __init__(self, what: str, *, where: str = "", why: str = "", next: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.next = next


class Blocked(FerryError):
    exit_code = 3


class NotAgreed(FerryError):
    exit_code = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing wrong in a file that a person wrote."""

    file: str
    line: int
    key: str
    found: str
    allowed: str
    nearest: str = ""

    def __str__(self) -> str:
        hint = f" (did you mean {self.nearest!r}?)" if self.nearest else ""
        return f"{self.file}:{self.line}: {self.key or 'the file'}: found {self.found}; allowed: {self.allowed}{hint}"


class ConfigError(FerryError):
    exit_code = 10

    def __init__(self, file: str, mistakes: tuple[Mistake, ...]) -> None:
        count = f"{len(mistakes)} mistake{'s' if len(mistakes) != 1 else ''}"
        super().__init__(
            f"{file} has {count}",
            where=file,
            why="\n".join(str(mistake) for mistake in mistakes),
            next="mend the lines above, then: ferry config check",
        )
        self.mistakes = mistakes


class RecordError(FerryError):
    exit_code = 11


class ToolError(FerryError):
    exit_code = 12


class CredentialsError(FerryError):
    exit_code = 13


class AwsError(FerryError):
    exit_code = 14


class NotReady(FerryError):
    exit_code = 15


class BuildFailed(FerryError):
    exit_code = 20


class RegistryUnavailable(FerryError):
    exit_code = 21


class RegistryDenied(FerryError):
    exit_code = 22


class RegistryRefused(FerryError):
    exit_code = 23


class TerraformFailed(FerryError):
    exit_code = 30


class Busy(FerryError):
    exit_code = 31


class ProofFailed(FerryError):
    exit_code = 40


class BoxError(FerryError):
    exit_code = 50


class EngineFailed(FerryError):
    exit_code = 60


class UsageError(FerryError):
    exit_code = 64


class InternalError(FerryError):
    exit_code = 70


class OutputLost(FerryError):
    exit_code = 74


class Interrupted(FerryError):
    exit_code = 130
