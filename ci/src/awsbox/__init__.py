"""AWS in a box: an emulator on a loopback port, and a place where deployed images run. Knows nothing of Ferry."""

from awsbox.box import Box, BoxFailed
from awsbox.host import running

__all__ = ["Box", "BoxFailed", "running"]
