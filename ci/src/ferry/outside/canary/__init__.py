"""The project's own canary: the same probe that is deployed on a schedule judges images, and deployments, here.

    program    run on this machine, over an image that is not published yet
    function   the deployed one, asked what it sees of its environment

docs/reference/canary.md says what a canary has to do.
"""

from ferry.outside.canary.verdict import Check, Verdict

__all__ = ["Check", "Verdict"]
