"""Policies: they sample groups of answers and compute the log-probabilities of answers."""
