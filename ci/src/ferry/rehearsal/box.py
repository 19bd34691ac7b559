"""`ferry box`: the AWS of a rehearsal, alone, for whoever wants to try something against it."""

from __future__ import annotations

import sys
from functools import partial

import awsbox
import awsbox.cli
from awsbox.cli import Wish
from ferry.errors import BoxError

__all__ = ["Wish", "stay"]


async def stay(wish: Wish) -> None:
    """Until Ctrl-C. What it says goes out at once, and not with the result at the end: then the box is gone."""
    try:
        await awsbox.cli.stay(wish, partial(print, flush=True, file=sys.__stdout__))
    except awsbox.BoxFailed as error:
        raise BoxError(str(error), where="ferry box", next="ferry box --help") from None
