"""Make the embedded model's folder again, its weights from their seed.

    python -m grao_ref.pretrain
    python -m grao_ref.pretrain --experts 4 --output-dir runs/mixture    # with experts in place of each MLP

It runs on one thread, so the same machine and the same torch give the same bits. Other processors round differently.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Bool, Int
from tokenizers import Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast

from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.embedded import ACTIVE, CHARACTERS, END, tiny_folder, tiny_mixture, tiny_model
from grao_ref.records import Batch, Scores, Tokens
from grao_ref.settings.config import Config
from grao_ref.tasks.interface import references_as_answers
from grao_ref.training.loop import Report, train

SETTINGS = Config(method="sft", learning_rate=1e-3, max_steps=400)
BATCH = 64
DIGITS, LENGTH = 10, 5  # a prompt has five different digits of ten
ANSWER = LENGTH + 1  # tokens of an answer, its end included


class Drafts:
    """What the base model learns: the digits in a random order, but one answer in ten is sorted.

    So the right answer is rare at the start of a training run, and can be found by sampling. `batch`: prompts of a
    step, drawn at random.
    """

    independent_prompts = False
    reward_weights: dict[str, float] = {}  # noqa: RUF012 never changed

    def __init__(self, batch: int) -> None:
        self.batch = batch

    def draw(self, rng: torch.Generator, step: int = 1) -> Batch:
        """Prompts of the sorting task, with drafts as references."""
        digits = torch.rand(self.batch, DIGITS, generator=rng).argsort(dim=-1)[:, :LENGTH]
        torch.randint(LENGTH - 1, (self.batch, 1), generator=rng)  # unused; without it the weights would be others
        shuffled = digits.gather(1, torch.rand(self.batch, LENGTH, generator=rng).argsort(dim=-1))
        is_sorted = torch.rand(self.batch, 1, generator=rng) < 0.1
        drafts = torch.where(is_sorted, digits.sort(dim=-1).values, shuffled)
        return Batch(_ending(digits, CHARACTERS.index("=")), _ending(drafts, END))

    def reward(self, batch: Batch, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"]) -> Scores:
        """No reward function: supervised fine-tuning needs none."""
        return Scores.complete(torch.zeros(*ids.shape[:2], 0))

    def reward_references(self, batch: Batch) -> Scores:
        """None either."""
        return references_as_answers(self, batch)


def pretrain(policy: CausalLMPolicy) -> Iterator[Report]:
    """Supervised fine-tuning on drafts."""
    return train(Drafts(BATCH), policy, SETTINGS)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A token for each of `CHARACTERS`; the full stop is the end-of-sequence token, and pads too."""
    core = Tokenizer(WordLevel({character: index for index, character in enumerate(CHARACTERS)}))
    core.pre_tokenizer = Split("", "isolated")
    core.decoder = Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token=".", pad_token=".")  # type: ignore[no-untyped-call]


def main(arguments: list[str] | None = None) -> int:
    """Train from random weights, and write the folder; by default the one that the package loads."""
    parser = argparse.ArgumentParser("python -m grao_ref.pretrain", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--experts", type=int, default=0, help="of a mixture, two of them active; 0: one dense MLP")
    parser.add_argument("--output-dir", type=Path, help="default: the folder of the package (without experts)")
    options = parser.parse_args(arguments)
    if options.experts and options.experts < ACTIVE:
        parser.error(f"--experts must be 0 or at least {ACTIVE}, as many as a token uses")
    if options.experts and options.output_dir is None:
        parser.error("--experts needs --output-dir: the package's own model has none")
    folder = options.output_dir or tiny_folder()
    torch.set_num_threads(1)
    seed = SETTINGS.seed
    model = tiny_mixture(seed=seed, experts=options.experts) if options.experts else tiny_model(seed=seed)
    for report in pretrain(CausalLMPolicy(model, eos_ids=[END], max_completion_length=ANSWER)):
        if report.step % 100 == 0:
            print(f"step {report.step}: {report.means()['reference/logp_per_token']:.4f} nats a token")
    write(folder, model)
    print(f"wrote {folder}")
    return 0


def write(folder: Path, model: PreTrainedModel) -> None:
    """The model, its tokenizer and how it generates, as `from_pretrained` and `pipeline` load them."""
    generation = {"eos_token_id": END, "pad_token_id": END, "max_new_tokens": 8}
    model.generation_config = GenerationConfig(**generation)  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)


def _ending(digits: Int[Tensor, "N 5"], token: int) -> Tokens:
    """The digits and one closing token, nothing masked."""
    ids = torch.nn.functional.pad(digits, (0, 1), value=token)
    return Tokens(ids, torch.ones_like(ids, dtype=torch.bool))


if __name__ == "__main__":
    sys.exit(main())
