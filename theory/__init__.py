"""The theory laboratory: what the paper's equations do, computed exactly where that is possible."""
