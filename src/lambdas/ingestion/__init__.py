"""Asks NewsAPI for each topic on a schedule, keeps what is new, and announces it to analysis."""
