"""The nearest name."""

from grao_ref.plugins.near import hint


def test_the_nearest_name_or_the_other_advice():
    assert hint("gsm8", ["gsm8k", "hh-helpful"], "nothing is near") == "did you mean gsm8k?"
    assert hint("imdb", iter(["gsm8k", "hh-helpful"]), "nothing is near") == "nothing is near"
    assert hint("gsm8", [], "nothing is near") == "nothing is near"
