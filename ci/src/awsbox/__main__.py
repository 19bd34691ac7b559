"""`python -m awsbox`: a box without Ferry."""

import argparse
import functools
import sys

import anyio

from awsbox.box import ACCOUNT, BoxFailed
from awsbox.cli import Wish, stay


def read(arguments: list[str]) -> Wish:
    parser = argparse.ArgumentParser("awsbox", description="AWS in a box: on a loopback port, until Ctrl-C.")
    parser.add_argument("--account", default=ACCOUNT, help="12 digits")
    parser.add_argument("--port", type=int, default=0, help="a free one unless named")
    parser.add_argument("--user", dest="people", action="append", default=[], metavar="[ACCOUNT/]NAME[=POLICY.json]")
    parser.add_argument(
        "--faults", action="append", default=[], metavar="throttle:ecr:PutImage:3", help="again for more"
    )
    parser.add_argument("--close-root", dest="closed", action="store_true", help="only the users get in")
    parser.add_argument("--verbose", action="store_true", help="a line per call")
    parser.add_argument("--audit", action="store_true", help="a line per decision of IAM")
    parser.add_argument("--json", action="store_true", help="one line for a program")
    return Wish(**vars(parser.parse_args(arguments)))


def main() -> int:
    try:
        anyio.run(stay, read(sys.argv[1:]), functools.partial(print, flush=True))
    except BoxFailed as error:
        sys.stderr.write(f"awsbox: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
