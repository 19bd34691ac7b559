"""Functions whose code is not settled by the plan: an image by tag or of another's registry, a zip without a hash."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from ferry.guards.values import WHOLE_PLAN, resulting, text, unknown, word
from ferry.model import Finding, Severity
from ferry.shape import show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ferry.guards.context import Context
    from ferry.tfplan import Change, Plan

FUNCTION = "aws_lambda_function"
BY_DIGEST = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
ECR = re.compile(
    r"(?P<account>[0-9]{12})\.(?:dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?"
    r"|dkr-ecr(?:-fips)?\.(?P<region6>[a-z0-9-]+)\.on\.(?:aws|amazonwebservices\.com\.cn))"
    r"/(?P<repository>[a-z0-9._/-]+)(?:[:@].*)?"
)
"""A reference to a private registry of AWS, by either of its host names."""

_said = partial(Finding, guard="images")
_blocked = partial(_said, severity=Severity.BLOCK)
_BY_DIGEST = "hand Terraform repository@sha256:… of the image that was pushed"


def findings(plan: Plan, context: Context) -> tuple[Finding, ...]:
    """Of every function that there will be, whether the plan touches it or not: all of them run."""
    functions = resulting(plan, FUNCTION)
    return (*(found for function in functions for found in _judged(function, context)), *_left_out(functions, context))


def _judged(function: Change, context: Context) -> Iterator[Finding]:
    if text(function, "package_type") == "Image" or text(function, "image_uri"):
        yield from _image(function, context)
    else:
        yield from _zip(function, context)


def _image(function: Change, context: Context) -> Iterator[Finding]:
    image = text(function, "image_uri")
    if not image:
        yield _not_known(function, "image_uri", context)
        return
    if not BY_DIGEST.fullmatch(image):
        yield _blocked(
            verdict="by-tag",
            address=function.address,
            what=f"{show(image)} is a tag, and no digest",
            why="whoever pushes next decides what runs; and Terraform does not see that anything changed",
            next=_BY_DIGEST,
        )
    yield from _place(function, image, context)
    if context.references and image not in context.references.values():
        yield _not_released(function, image)


def _place(function: Change, image: str, context: Context) -> Iterator[Finding]:
    """Lambda takes images of ECR alone, and of the function's own region; the rest is whose hands the bytes are in."""
    place = ECR.fullmatch(image)
    if not place:
        yield _blocked(
            verdict="not-in-ecr",
            address=function.address,
            what=f"{show(image)} is no image of a private ECR registry",
            why="Lambda takes no other",
            next="publish it to the environment's own repository, and name that",
        )
        return
    region = place["region"] or place["region6"]
    others = (other.name for other in context.neighbours if re.search(word(other.name), place["repository"]))
    for wrong, mine, theirs in (
        ("account", context.account, place["account"]),
        ("region", context.region, region),
        ("repository", f"{context.environment or 'ours'}", next(others, "")),
    ):
        if mine and theirs and theirs != mine:
            yield _blocked(
                verdict=f"other-{wrong}",
                address=function.address,
                what=f"{show(image)} is of {wrong} {theirs}, and this environment is {mine}",
                why="the image is not the environment's own: who may write there decides what runs here",
                next="promote the image: its digest stays the same in the environment's own repository",
            )


def _zip(function: Change, context: Context) -> Iterator[Finding]:
    hash = text(function, "source_code_hash")
    pinned = text(function, "s3_object_version")
    if hash and context.references and hash not in context.references.values():
        yield _not_released(function, hash)
    elif not hash and unknown(function, ("source_code_hash",)):
        if not pinned or context.references:
            yield _not_known(function, "source_code_hash", context)
    elif not hash and not pinned:
        yield _blocked(
            verdict="no-hash",
            address=function.address,
            what="its zip has neither a hash nor a version",
            why="Terraform cannot see that the zip changed, and nobody can say which one runs",
            next="set source_code_hash to the zip's SHA-256 in base64",
        )


def _not_known(function: Change, attribute: str, context: Context) -> Finding:
    """A release that is to be deployed exactly may not hang on what the apply finds."""
    return _said(
        severity=Severity.BLOCK if context.references else Severity.WARN,
        verdict="not-known",
        address=function.address,
        what=f"only the apply will know {attribute}, if it is set at all",
        why="what runs is then not what this plan was judged by",
        next=f"set {attribute} from the release, and not from another resource",
    )


def _not_released(function: Change, found: str) -> Finding:
    return _blocked(
        verdict="not-released",
        address=function.address,
        what=f"it would run {show(found)}, which is not of the release that is deployed",
        why="something other than the release says what runs: a default, a variable of old, or a fixed value",
        next="let the function take its image or package from what ferry hands over",
    )


def _left_out(functions: list[Change], context: Context) -> Iterator[Finding]:
    running = {text(function, name) for function in functions for name in ("image_uri", "source_code_hash")}
    for artifact, reference in context.references.items():
        if reference not in running:
            yield _said(
                severity=Severity.WARN,
                verdict="left-out",
                address=WHOLE_PLAN,
                what=f"no function of this plan runs {artifact} of the release",
                why=f"{show(reference)} was published, and nothing would use it",
                next=f"let a function take {artifact}, or leave it out of ferry.toml",
            )
