"""`python -m awsbox`: a box for other programs. Says where it answers as one line of JSON; stays until stopped."""

import json
import signal
import sys

import anyio

from awsbox.box import Box, BoxFailed


async def stay() -> None:
    # Before the line is out: whoever reads it may stop us at once.
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with Box.started() as box:
            said = {"endpoint": box.endpoint, "account": box.account, "key": box.key, "secret": box.secret}
            sys.stdout.write(json.dumps(said) + "\n")
            sys.stdout.flush()
            async for _ in signals:
                return


try:
    anyio.run(stay)
except BoxFailed as error:
    sys.exit(f"awsbox: {error}")
