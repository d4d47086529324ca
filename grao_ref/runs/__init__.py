"""Runs: a policy trained, evaluated, logged, checkpointed and saved into a folder."""
