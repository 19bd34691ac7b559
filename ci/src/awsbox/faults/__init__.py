"""Faults that no emulator has: throttles, denials, failures, slowness, broken connections, deaths; each on demand.

A fault is named, says which calls it meets, and how often. `Switchboard.layer` stands before every other layer, so a
fault meets a call as the network or a front door of AWS would. A server cannot refuse a connection that the kernel
has already accepted, and cannot answer for a name server: `refused` resets the connection before any answer, and
`dns` closes it without one. Clients treat both as they treat the real thing, a connection error to be tried again.
"""

from awsbox.faults.kinds import KINDS, BadFault, Fault, Kind
from awsbox.faults.switchboard import Switchboard, Switched

__all__ = ["KINDS", "BadFault", "Fault", "Kind", "Switchboard", "Switched"]
