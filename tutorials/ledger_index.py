"""The index of the ledger's pages: seven rows to know first, then all of them by topic, with filters."""

import html
from collections import Counter
from dataclasses import dataclass
from typing import Any

from theory.checks import CONDITIONS, FAILS, HOLDS, UNTESTABLE, VERDICTS
from theory.topics import TOPICS
from tutorials.ledger_pictures import FIGURES, image
from tutorials.ledger_text import Texts, page_of
from tutorials.sources import HERE

Row = dict[str, Any]
SITE = HERE / "site"
THUMBNAIL = 540  # pixels, twice the width at which it is seen


@dataclass(frozen=True)
class Advice:
    """A row to know first. `verdict` is the one that the reason was written for."""

    id: str
    verdict: str
    reason: str


SEVEN = (
    Advice(
        "thm-4",
        HOLDS,
        "Train the repaired objective, which is this trainer's default: `imitate_only_when_ahead`.",
    ),
    Advice(
        "claim-12",
        CONDITIONS,
        "Ask first whether your references can be beaten, and tune the learning rate of each method before you "
        "compare them.",
    ),
    Advice(
        "exp-references",
        CONDITIONS,
        "Check how your reward scores the references: one that is scored too high keeps the policy from better answers.",
    ),
    Advice(
        "thm-1",
        HOLDS,
        "Tune one number, the strength of imitation, instead of β and λ: under Adam no other effect of them is left.",
    ),
    Advice(
        "exp-race",
        CONDITIONS,
        "Stay with the default method: `grao_ref.methods.neighbours.bar.BAR`, which wins on these tables under Adam, leads "
        "by less where answers have several tokens, and not at all on a model with shared weights.",
    ),
    Advice(
        "exp-temperature",
        CONDITIONS,
        "Wherever you sample at a temperature other than 1, set `temper_likelihoods`.",
    ),
    Advice(
        "exp-inner",
        FAILS,
        "Make one update on each batch of samples (`num_iterations=1`, the default): GRAO has no clipped ratio.",
    ),
)
# A word, a shape and a colour: the shapes are a disc, half a disc, a square with a cross, and a dashed ring.
SHAPES = {
    HOLDS: '<circle cx="8" cy="8" r="7" fill="currentColor"/>',
    CONDITIONS: '<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2"/>'
    '<path d="M8 1a7 7 0 0 1 0 14z" fill="currentColor"/>',
    FAILS: '<path d="M1 1h14v14H1z" fill="currentColor"/>'
    '<path d="M4.5 4.5l7 7m0-7l-7 7" stroke="#fff" stroke-width="2"/>',
    UNTESTABLE: '<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2" '
    'stroke-dasharray="3.2 2"/>',
}


def slug(text: str) -> str:
    """A word for addresses and classes.

    >>> slug("the paper's numbers")
    'the-papers-numbers'
    """
    return text.replace("'", "").replace(" ", "-")


def badge(verdict: str) -> str:
    """A verdict as a shape and its words."""
    shape = f'<svg viewBox="0 0 16 16" aria-hidden="true">{SHAPES[verdict]}</svg>'
    return f'<span class="badge {slug(verdict)}">{shape}{html.escape(verdict)}</span>'


class Index:
    """The index of rows, as HTML."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = {row["id"]: row for row in rows}
        self.texts = Texts(self.rows)
        for advice in SEVEN:
            row = self.rows.get(advice.id)
            if row is None or row["verdict"] != advice.verdict:
                found = row["verdict"] if row else "missing"
                raise ValueError(
                    f"SEVEN: {advice.id} is {found}, and its reason is for {advice.verdict}"
                )

    def ordered(self) -> list[Row]:
        """All rows as the index lists them: by topic, in the report's order in each."""
        known = {topic: place for place, topic in enumerate(TOPICS)}
        unknown = [id for id, row in self.rows.items() if row["topic"] not in known]
        if unknown:
            raise ValueError(f"rows without a topic of theory.topics: {unknown}")
        return sorted(self.rows.values(), key=lambda row: known[row["topic"]])

    def body(self) -> str:
        """What stands in <main>."""
        count = Counter(row["verdict"] for row in self.rows.values())
        tally = "".join(
            f"<li>{badge(verdict)} <b>{count[verdict]}</b></li>" for verdict in VERDICTS
        )
        seven = "".join(self._advice(each) for each in SEVEN)
        sections = "".join(self._section(topic) for topic in TOPICS)
        return (
            f"<h1>The ledger</h1>{self._introduction()}"
            f'<ul class="tally" aria-label="Verdicts">{tally}</ul>'
            f'<section aria-labelledby="seven"><h2 id="seven">Seven you should know</h2>'
            "<p>Each of these changes a decision in training. They were chosen by hand; no measurement ranks them.</p>"
            f'<ol class="cards seven">{seven}</ol></section>'
            f'<section aria-labelledby="all"><h2 id="all">All {len(self.rows)} claims by topic</h2>'
            f"{self._filters(count)}{sections}</section>"
        )

    def _introduction(self) -> str:
        return (
            f"<p>The ledger lists {len(self.rows)} claims: what the <a href='https://arxiv.org/abs/2508.07750'>GRAO "
            "paper</a> states, theorems about its method, and questions that it leaves open. Each was settled by "
            "computation on small problems that can be solved exactly or run thousands of times, not on large "
            "language models. A verdict follows from checks, and each check has a control, which is the same "
            "measurement in a case where the result must be the opposite.</p>"
        )

    def _filters(self, count: Counter[str]) -> str:
        """Hidden until the script shows them."""
        boxes = "".join(
            f'<label><input type="checkbox" name="verdict" value="{slug(verdict)}">{badge(verdict)} '
            f"<span class='count'>{count[verdict]}</span></label>"
            for verdict in VERDICTS
            if count[verdict]
        )
        topics = Counter(row["topic"] for row in self.rows.values())
        options = "".join(
            f'<option value="{slug(topic)}">{html.escape(topic)} ({topics[topic]})</option>'
            for topic in TOPICS
        )
        return (
            f'<form class="filters" hidden aria-label="Filters"><fieldset><legend>Verdict</legend>{boxes}</fieldset>'
            f'<label class="topic">Topic <select name="topic"><option value="">all topics</option>{options}</select>'
            '</label> <button type="reset">Show all</button> <output aria-live="polite"></output></form>'
        )

    def _section(self, topic: str) -> str:
        ours = [row for row in self.ordered() if row["topic"] == topic]
        cards = "".join(self._card(row) for row in ours)
        name = slug(topic)
        return (
            f'<section class="of-topic" data-topic="{name}" aria-labelledby="{name}"><h3 id="{name}">'
            f"{html.escape(topic[0].upper() + topic[1:])} <span class='count'>{len(ours)}</span></h3>"
            f'<ul class="cards">{cards}</ul></section>'
        )

    def _card(self, row: Row, reason: str = "") -> str:
        thumbnail = ""
        for figure in row["figures"][:1]:
            picture = image(FIGURES / f"{figure['name']}.png", THUMBNAIL)
            thumbnail = f'<img class="thumbnail" alt="First panel of the figure of {row["id"]}" {picture}>'
        head = f'<span class="id">{row["id"]}</span> {badge(row["verdict"])}'
        why = f'<p class="reason">{self.texts.words(reason)}</p>' if reason else ""
        return (
            f'<li class="card{" pictured" if thumbnail else ""}" data-id="{row["id"]}" '
            f'data-verdict="{slug(row["verdict"])}"><div><p class="head">{head}</p>'
            f'<p class="claim"><a href="{page_of(row["id"])}">{self._statement(row)}</a></p>{why}'
            f'<p class="answer">{html.escape(row["answer"], quote=False)}</p></div>{thumbnail}</li>'
        )

    def _statement(self, row: Row) -> str:
        """Without links, since it is one."""
        return Texts(()).words(row["statement"])

    def _advice(self, advice: Advice) -> str:
        return self._card(self.rows[advice.id], advice.reason)
