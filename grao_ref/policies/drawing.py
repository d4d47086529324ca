"""Which token follows the logits: one that is drawn, by the inverse of the cumulative distribution, or the likeliest.

The distribution is laid out as 2⁶² whole numbers, of which each token has its share, side by side. A uniform number
says where in them to look. Sums of whole numbers are exact in whatever order a GPU adds, so a token's share is its
float32 probability to 2⁻⁶², in the far tail as well, and a token of probability 0 has none: it is never drawn.
(`torch.multinomial` draws a random number for each token of the vocabulary, which is a fifth of decoding.)
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

# The logits of some rows, which of the answers these rows are, and which of their tokens comes -> it, log π(it).
Choose = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]
WHOLE = 2**62  # an int64 holds twice as much, so a rounding error in a sum of probabilities has room


def drawer(
    answers: int, length: int, rng: torch.Generator, *, temperature: float, likelihood_temperature: float
) -> Choose:
    """Draw tokens of `answers` answers from softmax(logits / temperature), scored at `likelihood_temperature`.

    All uniform numbers are drawn here, one for each token that an answer of `length` tokens can have. What is taken
    from `rng` therefore depends on these two alone, and a token on its own number alone: not on when other answers
    end, nor on which of them are still in the batch.
    """
    if rng.device.type == "mps":  # has no float64 for the uniform numbers: these are drawn as the tokens come

        def choose(logits: Tensor, rows: Tensor, t: int) -> tuple[Tensor, Tensor]:
            tokens = tempered(logits, temperature).softmax(dim=-1).multinomial(1, generator=rng)[:, 0]
            return tokens, score(logits, tokens, likelihood_temperature)

        return choose
    uniforms = torch.rand(length, answers, dtype=torch.float64, generator=rng, device=rng.device)
    at = {"temperature": temperature, "likelihood_temperature": likelihood_temperature}
    return lambda logits, rows, t: draw(logits, uniforms[t, rows], **at)


def draw(
    logits: Float[Tensor, "B V"], uniforms: Float[Tensor, "B"], *, temperature: float, likelihood_temperature: float
) -> tuple[Int[Tensor, "B"], Float[Tensor, "B"]]:
    """One token of softmax(logits / temperature) for each row, and its log-probability at `likelihood_temperature`.

    - `logits`: float32 or float64; -inf where a token is not to be drawn. A row with NaN or +inf gets some token, and
      NaN as its log-probability: nothing is read back from a GPU here, see `require_drawn`.
    - `uniforms`: one number in [0, 1) for each row, in float64. The token is the first one at which the cumulative
      probability exceeds it.

    The log-probability comes from the same softmax where the two temperatures agree, and is as exact as log_softmax.
    """
    probabilities = tempered(logits, temperature).softmax(dim=-1)
    shares = cumulative(probabilities)
    at = (uniforms[:, None] * shares[:, -1:]).long()  # below the last: the largest number under 1 is, after rounding
    tokens = torch.searchsorted(shares, at, right=True).clamp(max=logits.shape[-1] - 1)  # it may be V in a row of NaN
    if likelihood_temperature != temperature:
        return tokens[:, 0], score(logits, tokens[:, 0], likelihood_temperature)
    return tokens[:, 0], probabilities.gather(-1, tokens)[:, 0].log()


def cumulative(probabilities: Float[Tensor, "B V"]) -> Int[Tensor, "B V"]:
    """Each token's share of `WHOLE`, added up to and including the token."""
    shares = (probabilities * WHOLE).long()  # exact but for the whole number: WHOLE is a power of two
    return torch.cumsum(shares, dim=-1, out=shares)


def likeliest(logits: Float[Tensor, "B V"], *_: object) -> tuple[Int[Tensor, "B"], Float[Tensor, "B"]]:
    """The likeliest token of each row, scored at temperature 1."""
    tokens = logits.argmax(dim=-1)
    return tokens, score(logits, tokens, 1.0)


def score(logits: Float[Tensor, "B V"], tokens: Int[Tensor, "B"], temperature: float) -> Float[Tensor, "B"]:
    """log softmax(logits / temperature) of one token for each row."""
    return tempered(logits, temperature).log_softmax(dim=-1).gather(-1, tokens[:, None])[:, 0]


def tempered(logits: Float[Tensor, "B V"], temperature: float) -> Float[Tensor, "B V"]:
    """logits / temperature, without a copy where it is 1."""
    return logits if temperature == 1 else logits / temperature


def require_drawn(logprobs: Float[Tensor, "N G T"]) -> None:
    """Raise `ValueError` where the logits were no distribution: asked once for all tokens, a GPU is waited for once."""
    wrong = logprobs.isnan()
    if wrong.any():
        prompt, sample, token = wrong.nonzero()[0].tolist()
        raise ValueError(
            "no token can be drawn from logits that are NaN or infinite: "
            f"prompt {prompt}, sample {sample}, token {token}"
        )
