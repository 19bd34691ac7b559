"""Guards: a plan in, findings out. Pure, each alone; none of them calls anything."""
