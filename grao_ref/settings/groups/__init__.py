"""The settings of a run, one file for each group: a name, a type with its range, a default, and a sentence."""
