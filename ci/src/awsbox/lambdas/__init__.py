"""Where deployed functions of type Image really run: pulled from the box's registry, behind Lambda's Runtime API.

`host` keeps warm instances, `instance` is one of them, `runtime_api` is what it talks to, `seat` is where all of it
meets the emulator. `later` is for functions of both types: what is called asynchronously, and tried again.
"""

from awsbox.lambdas.host import Host, Run
from awsbox.lambdas.later import Later

__all__ = ["Host", "Later", "Run"]
