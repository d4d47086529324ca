"""beartype as jaxtyping's checker, with the numeric tower on: an int is accepted where a float is expected."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
