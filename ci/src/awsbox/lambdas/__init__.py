"""Where deployed functions of type Image really run: pulled from the box's registry, behind Lambda's Runtime API.

`host` keeps warm instances, `instance` is one of them, `runtime_api` is what it talks to, `seat` is where all of it
meets the emulator.
"""

from awsbox.lambdas.host import Host, Run

__all__ = ["Host", "Run"]
