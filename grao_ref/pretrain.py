"""`python -m grao_ref.pretrain`: make the embedded model's weights again, from its seed.

On one thread, so that the same machine and the same torch give the same bits; other processors round differently.
"""

import sys
from collections.abc import Iterator

import torch
from safetensors.torch import save_file

from grao_ref.config import Config
from grao_ref.loop import Report, train
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.tiny import WEIGHTS, tiny_model
from grao_ref.tasks.sorting import ANSWER, END, Drafts

SETTINGS = Config(method="sft", learning_rate=1e-3, max_steps=400)
BATCH = 64


def pretrain(policy: CausalLMPolicy) -> Iterator[Report]:
    """Supervised fine-tuning on drafts."""
    return train(Drafts(BATCH), policy, SETTINGS)


def main() -> int:
    """Train from random weights, and write them where the package looks for them."""
    torch.set_num_threads(1)
    model = tiny_model(seed=SETTINGS.seed)
    for report in pretrain(CausalLMPolicy(model, eos_ids=[END], max_completion_length=ANSWER)):
        if report.step % 100 == 0:
            print(f"step {report.step}: {report.means()['reference/logp_per_token']:.4f} nats a token")
    save_file(model.state_dict(), WEIGHTS)
    print(f"wrote {WEIGHTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
