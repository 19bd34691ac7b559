"""Everything outside Ferry: a folder each, with a small Protocol and its adapters (the host's own hands, Dagger's)."""
