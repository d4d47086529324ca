"""Rows of data sets: prompts with their references y, from files, the hub and reasoning-gym, under TRL's columns."""
