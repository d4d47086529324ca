"""How long a step takes and how much memory it needs, beside TRL and a bare loop: `make bench`."""
