"""One event stream, many readers: verbs say what happens once, and never how it looks."""

from ferry.report.masking import Mask
from ferry.report.stream import Reader, Report, Step

__all__ = ["Mask", "Reader", "Report", "Step"]
