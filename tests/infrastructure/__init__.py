"""A package, and not only a folder: what its fixtures make goes when its last test is done, not with the session."""
