"""Settings: their names, ranges and defaults, what is refused, presets to start from, the command line."""
