"""How long the rows of a step are: by the data where they are at hand, else by the settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from grao_ref.data.rows import Row
from grao_ref.methods.registry import prompts_per_step
from grao_ref.records import Tokens
from grao_ref.settings.config import Config

TEMPLATE = 200  # tokens that a chat template adds at most
ASSUMED = 512  # tokens of a prompt, where neither the data nor max_prompt_length say


@dataclass(frozen=True)
class Lengths:
    """Tokens of one micro-batch's rows: N prompts, their references, and their rejected answers if there are any."""

    prompts: tuple[int, ...]
    references: tuple[int, ...]
    rejected: tuple[int, ...]
    known: bool  # whether they are those of rows; else they are what the settings allow


def micro_batch(config: Config) -> int:
    """N, the prompts of a micro-batch."""
    return max(1, prompts_per_step(config) // config.gradient_accumulation_steps)


def by_settings(config: Config, context: int | None = None) -> Lengths:
    """Every prompt and answer as long as it may be. `context`: the most tokens that the model takes."""
    count, answer = micro_batch(config), config.max_completion_length
    room = ASSUMED if context is None else max(1, min(ASSUMED, context - answer))
    given = (answer,) * count
    return Lengths((config.max_prompt_length or room,) * count, given, given, known=False)


def by_characters(config: Config, rows: Sequence[Row]) -> Lengths:
    """Longer than any row is: a token has at least one character, and a template adds few."""
    longest = TEMPLATE + max((_characters(row) for row in rows), default=ASSUMED)
    count = micro_batch(config)
    return Lengths((min(longest, config.max_prompt_length or longest),) * count, (0,) * count, (0,) * count, known=True)


def by_rows(config: Config, rows: Sequence[Row], tokens: Callable[[Sequence[Row]], Sequence[Lengths]]) -> Lengths:
    """A micro-batch of rows of all lengths, the longest among them.

    `tokens`: rows -> the lengths of each. Only those that are needed are encoded: rows are first put in order by their
    characters. A row that is longer than the settings allow is left out of a run, so it counts as long as is allowed.
    """
    count = micro_batch(config)
    ordered = sorted(rows, key=_characters)
    places = [round((len(ordered) - 1) * (number + 1) / count) for number in range(count)]
    found = tokens([ordered[place] for place in places])
    most_prompt, most = config.max_prompt_length, config.max_completion_length

    def of(name: str, limit: int | None) -> tuple[int, ...]:
        each = [length for one in found for length in getattr(one, name)]
        return tuple(length if limit is None else min(length, limit) for length in each)

    return Lengths(of("prompts", most_prompt), of("references", most), of("rejected", most), known=True)


def _characters(row: Row) -> int:
    prompt = row.prompt if isinstance(row.prompt, str) else "".join(str(each) for each in row.prompt)
    return len(prompt) + len(row.reference or "") + len(row.rejected or "")


def tokens_of(lengths: Sequence[int]) -> Tokens:
    """Rows of these lengths, of token 0."""
    ends = torch.tensor(lengths)
    mask = torch.arange(int(ends.max()))[None] < ends[:, None]
    return Tokens(torch.zeros(mask.shape, dtype=torch.long), mask)
