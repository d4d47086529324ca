"""beartype as jaxtyping's checker, with the numeric tower on: an int is good enough where a float is asked for."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
