"""Who may do what in the box: the permissions of AWS for the calls that it knows, and a refusal for all others."""

from awsbox.authority.access import Authority
from awsbox.authority.audit import Audit, Decision

__all__ = ["Audit", "Authority", "Decision"]
