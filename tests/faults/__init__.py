"""Whatever may happen to a run, done to it on purpose: `python -m tests.faults`, or `make faults`.

harness.py runs a command in a forked child, outcomes.py decides what was seen; the other files are the parts.
"""
