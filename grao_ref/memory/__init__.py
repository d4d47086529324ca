"""How much memory a run will need, worked out before anything is loaded."""
