"""`python -m canary URL…`."""

import sys

try:
    # Ctrl-C while the libraries are being read is as quiet as later.
    from canary.cli import main

    code = main(sys.argv[1:])
except KeyboardInterrupt:
    code = 130
sys.exit(code)
