"""GRAO inside of other trainers."""
