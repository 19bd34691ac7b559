"""The verbs, a file each, readable from top to bottom. They get their hands as arguments and import none."""
