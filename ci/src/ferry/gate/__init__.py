"""The gate: who has to let a change into a stage. Facts in, decision out; nothing here does I/O.

    facts        what was found out, each fact either known or `Unknown` with the reason
    decide       facts → decision: a tier, what it asks of one stage, and the reasons
    ranges       what lies between what a stage runs and the candidate, and whether it was checked
    pulls        who made a pull request, and what it touches
    updates      what an update changes, and whether it closes a known hole
    guarding     whether the stage asks a person, and whether a second person said yes
    versions     how large a step is, and what lies inside a range
    locks        what changed in a lock file
    wire         facts as JSON, and back

The strictest finding wins, and what is not known counts as the worst that it could be.
"""

from ferry.gate.decide import Decision, Verdict, decide, people_needed
from ferry.gate.facts import Facts, Unknown
from ferry.gate.reasons import Reason, Tier

__all__ = ["Decision", "Facts", "Reason", "Tier", "Unknown", "Verdict", "decide", "people_needed"]
