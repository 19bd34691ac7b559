"""`python -m awsbox`: a box for other programs. Says where it answers as one line of JSON; stays until stopped."""

import json
import signal
import sys

import anyio

from awsbox.box import Box


async def stay() -> None:
    async with Box.started() as box:
        said = {"endpoint": box.endpoint, "account": box.account, "key": box.key, "secret": box.secret}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                return


anyio.run(stay)
