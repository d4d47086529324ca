"""What runs of models with shared weights say of a row of the ledger, for its page."""

import html
import json
from typing import Any

from theory.experiments.plan import HERE

VERDICTS = {
    "yes": "it is so here",
    "no": "it is not so here",
    "open": "the runs do not tell",
}


def at_this_scale(id: str) -> str:
    """A section, or nothing where no table of runs says anything of it."""
    rows = [row for row in recorded() if row["id"] == id]
    if not rows:
        return ""
    items = "".join(
        f"<li><p><b>{html.escape(row['task'])}: {VERDICTS[row['verdict']]}.</b> {html.escape(row['words'])}</p></li>"
        for row in rows
    )
    return (
        "<h2>With shared weights</h2><p>The laboratory's tables have a parameter for each answer. Small transformers "
        f'were trained too (<a href="results.html">Results</a>):</p><ul>{items}</ul>'
    )


def recorded() -> list[dict[str, Any]]:
    """What `make results` has written."""
    rows: list[dict[str, Any]] = json.loads((HERE / "at_this_scale.json").read_text())
    return rows
