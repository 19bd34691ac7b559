"""AWS's side of the hands, which is the same for every entry point: the module, the command line, the rehearsal."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ferry.outside.aws import probes, rights
from ferry.outside.aws.bucket import S3Bucket
from ferry.outside.canary import function
from ferry.outside.registry import ecr
from ferry.verbs.hands import Depot, Hands

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ferry.model import Environment
    from ferry.outside.aws import Access
    from ferry.outside.terraform import Terraform
    from ferry.verbs.hands import Agree, Run


@asynccontextmanager
async def depot(access: Access, environment: Environment, *, stand_in: bool) -> AsyncIterator[Depot]:
    async with ecr.registry(access, environment.account) as registry:
        yield Depot(
            registry=registry,
            bucket=S3Bucket(access, environment.account, environment.packages),
            ensure_repository=partial(ecr.ensure_repository, access),
            described=partial(ecr.described, access),
            scanned=partial(ecr.findings, access),
            stand_in=stand_in,
        )


def ledger(access: Access, environment: Environment) -> S3Bucket:
    state = environment.state
    return S3Bucket(replace(access, region=state.region or access.region), environment.account, state.bucket)


@asynccontextmanager
async def hands(
    access: Access, environment: Environment, *, terraform: Terraform, run: Run, agree: Agree, stand_in: bool
) -> AsyncIterator[Hands]:
    async with depot(access, environment, stand_in=stand_in) as place:
        yield Hands(
            depot=place,
            ledger=ledger(access, environment),
            run=run,
            terraform=terraform,
            probe=partial(probes.existing, access),
            restore=partial(probes.restore, access),
            stored=partial(ecr.stored, access),
            rights=partial(rights.rights, access),
            ask=partial(function.judge, access),
            agree=agree,
        )
