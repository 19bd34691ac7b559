"""How numbers read in every report."""

from __future__ import annotations


def duration(seconds: float) -> str:
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def size(octets: int) -> str:
    value, unit = float(octets), "B"
    for larger in ("kB", "MB", "GB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def line(text: str, longest: int = 300) -> str:
    """One line, not too long."""
    joined = " ".join(text[: longest * 4].split())
    return joined if len(joined) <= longest else joined[: longest - 1] + "…"
