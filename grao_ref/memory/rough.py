"""A quick upper bound, by which a small run is known to fit without a closer look."""

from typing import Any

from grao_ref.evaluation.monitor import prompts_at_once
from grao_ref.memory.lengths import Lengths
from grao_ref.methods.registry import method_of
from grao_ref.policies.tiles import KEPT, TILE
from grao_ref.settings.config import Config

MARGIN = 3  # how far above the bound the memory has to be
STATE = 28  # bytes of a parameter: weight, copy, reference, gradient twice, two moments, all in float32
COPY = 12  # bytes of a parameter where several updates are made on a batch: weight and two moments once more
KEPT_HIDDEN, KEPT_INNER = 24, 8  # numbers that a layer keeps of a token, in widths of the stream and of the MLP
DRAWN = 32  # bytes by token of the vocabulary that drawing needs, of each answer


def surely_fits(config: Config, architecture: Any, lengths: Lengths, memory: int) -> bool:
    """Whether a bound that no dense transformer exceeds lies far below the memory."""
    text = architecture.get_text_config()
    numbers = [getattr(text, name, None) for name in ("hidden_size", "num_hidden_layers", "vocab_size")]
    experts = [value for name, value in vars(text).items() if "expert" in name and isinstance(value, int) and value > 1]
    if experts or not all(isinstance(number, int) for number in numbers):
        return False
    hidden, layers, vocabulary = (int(number or 0) for number in numbers)
    inner = getattr(text, "intermediate_size", None) or 4 * hidden
    parameters = 2 * vocabulary * hidden + layers * hidden * (6 * hidden + 3 * inner)
    group = config.num_generations if method_of(config.method).needs(config).samples else 1
    trained = len(lengths.prompts) * (group + 2)
    sampled = max(len(lengths.prompts) * group, prompts_at_once(config) * config.num_generations_eval)
    tokens = max(lengths.prompts) + config.max_completion_length
    bound = parameters * (STATE + (COPY if config.num_iterations > 1 else 0))
    bound += 4 * trained * tokens * layers * (KEPT_HIDDEN * hidden + KEPT_INNER * inner)
    bound += 4 * min(trained * tokens * vocabulary * 4, KEPT + 4 * TILE)
    bound += sampled * (DRAWN * vocabulary + 4 * tokens * layers * 6 * hidden)
    return MARGIN * bound < memory
