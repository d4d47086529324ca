"""An estimate in words: the arithmetic behind each number, a refusal, a warning."""

from grao_ref.memory.advice import Change
from grao_ref.memory.counting import CACHE, CAST, COPY, GRADIENTS, LOGITS, MOMENTS, OTHER, REFERENCE, WEIGHTS
from grao_ref.memory.estimate import Estimate

ORDER = (WEIGHTS, REFERENCE, CAST, MOMENTS, COPY, GRADIENTS, CACHE, OTHER, LOGITS)


def size(count: float) -> str:
    """Bytes as people say them.

    >>> size(30_462_466_048), size(1_250_000), size(820)
    ('30.5 GB', '1.2 MB', '0.0 MB')
    """
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def arithmetic(estimate: Estimate) -> dict[str, str]:
    """What each number of the peak is made of; nothing where it was counted piece by piece."""
    parts = estimate.phases[estimate.phase]
    found = {
        WEIGHTS: f"{estimate.parameters:,} parameters × {estimate.weight_bytes} bytes",
        MOMENTS: f"2 moments of {estimate.trained:,} trained parameters",
        COPY: "weights and moments before the first of several updates, should a later one fail",
        GRADIENTS: f"of {estimate.trained:,} trained parameters",
        CAST: "what autocast keeps of them",
        REFERENCE: "the policy before training, for the KL penalty",
        CACHE: "keys and values of the answers that are sampled at once",
        LOGITS: "in tiles",
    }
    lengths = estimate.lengths
    rows = estimate.answers or len(lengths.references)
    longest = estimate.tokens - max(lengths.prompts)
    found[OTHER] = f"of {rows} answers of up to {longest:,} tokens to {len(lengths.prompts)} prompts"
    return {kind: found[kind] for kind in ORDER if parts.get(kind)}


def sum_of(estimate: Estimate) -> str:
    """The peak as a sum: 30.5 GB weights (...) + 60.9 GB moments (...) + ..."""
    parts, why = estimate.phases[estimate.phase], arithmetic(estimate)
    large = [kind for kind in ORDER if parts.get(kind, 0) >= 0.005 * estimate.peak]
    return " + ".join(f"{size(parts[kind])} {kind} ({why[kind]})" for kind in large)


def need(estimate: Estimate, memory: int | None) -> str:
    """The first sentence: what is needed, when, and what there is."""
    there = "" if memory is None else f", and {size(memory)} are free"
    return f"the run needs {size(estimate.peak)} of memory at its peak, in the {estimate.phase}{there}"


def beyond() -> str:
    """Where a run goes that outgrows one card."""
    return (
        "What outgrows one card is trained on several by GRAOTrainer, in grao_ref.integrations.trl (the page Scale, "
        "tutorials/pages/scale.md)."
    )


def refusal(estimate: Estimate, memory: int, best: Change | None) -> str:
    """Why a run is not started, with the arithmetic and what to do."""
    words = f"{need(estimate, memory)}: {sum_of(estimate)}. "
    if best is not None:
        fits = "fits" if best.peak <= memory else "is still too much"
        words += f"{best.flags} helps most: it would need {size(best.peak)}, which {fits}. "
    return f"{words}{beyond()} --device-memory GB is for an estimate that is wrong"


def warning(estimate: Estimate, memory: int) -> str:
    """A line for a run that may not fit."""
    return f"Memory: {need(estimate, memory)}. It may run out; --dry-run shows what needs it, and what helps most."
