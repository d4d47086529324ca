"""What a page that lists the ledger needs beside the verdicts: topics, in their order, and answers in plain words."""

from collections.abc import Mapping

from theory.checks import CONDITIONS, FAILS, HOLDS, UNTESTABLE, VERDICTS

TOPICS = (
    "the equations",
    "advantages and groups",
    "when GRAO helps and hurts",
    "convergence",
    "references",
    "length and temperature",
    "the family and the race",
    "the paper's numbers",
    "the paper's future work",
)
OPENINGS = {HOLDS: "yes", FAILS: "no", CONDITIONS: "", UNTESTABLE: ""}  # an answer's first word, where it is one of two


def checked(id: str, topic: str, answer: Mapping[str, str]) -> None:
    """Raise `ValueError` on an unknown topic, an answer to no verdict, and one that contradicts its verdict.

    The answer to *holds* begins with Yes, the answer to *fails* with No, and no other answer begins with either.
    """
    if topic and topic not in TOPICS:
        raise ValueError(f"{id}: unknown topic {topic!r}; the topics are {', '.join(TOPICS)}")
    for verdict, sentence in answer.items():
        if verdict not in VERDICTS:
            raise ValueError(f"{id}: an answer to {verdict!r}, which is no verdict; those are {', '.join(VERDICTS)}")
        opening = sentence.replace(":", " ").replace(",", " ").lower().split(" ")[0]
        if (opening if opening in ("yes", "no") else "") != OPENINGS[verdict]:
            wanted = f"must begin with {OPENINGS[verdict].title()}" if OPENINGS[verdict] else "is no plain Yes or No"
            raise ValueError(f"{id}: the answer to {verdict!r} {wanted}, got {sentence!r}")
