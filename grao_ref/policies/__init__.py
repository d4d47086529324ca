"""Policies: things that sample a group of answers and say how likely an answer is."""
