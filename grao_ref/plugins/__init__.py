"""Names and dotted paths that users write: the nearest known name, and importing what a path leads to."""
