"""Who runs this, for people to read: the job on CI, or somebody on a machine. Nobody verifies it."""

from __future__ import annotations

import getpass
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

JOB = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")


def who(environment: Mapping[str, str] = os.environ) -> str:
    server, repository, run = (environment.get(name, "") for name in JOB)
    if server and repository and run:
        actor = environment.get("GITHUB_TRIGGERING_ACTOR") or environment.get("GITHUB_ACTOR") or "a job"
        return f"{actor} ({server}/{repository}/actions/runs/{run})"
    return f"{_user()}@{socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # containers run as users that nobody named
        return f"user {os.getuid()}"
