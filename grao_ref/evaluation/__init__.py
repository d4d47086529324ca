"""Evaluation: held-out prompts, one sampling loop, one registry of metrics, tables."""
