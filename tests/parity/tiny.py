"""A language model and a tokenizer small enough for TRL's trainers to be built in milliseconds, without a network.

Precision: parameters are float64, but TRL 1.16 computes its token log-probabilities (`add_fused_lm_head`)
in float32 whatever the model's dtype. So every loss is compared twice. Handed recorded float64
log-probabilities, TRL's loss and its gradient must agree with ours to rounding (`EXACT`). Through the
model, where gradients go to the parameters, they must agree to float32's rounding (`THROUGH_MODEL`).
"""

from types import SimpleNamespace

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, TrainerCallback

from grao_ref.equations.logprob import next_token_logprobs

WORDS = ("<pad>", "<eos>", "<unk>", *"abcdefghijklmnopq")
EXACT = {"rtol": 1e-12, "atol": 1e-13}
THROUGH_MODEL = 2e-6  # relative error of a loss or a whole gradient
DIFFERENT = 1e-3  # what a control has to be off by: far beyond any rounding

# TRL still sets `gradient_checkpointing`, which its transformers has renamed. The warning is not about this project.
FOREIGN_WARNINGS = pytest.mark.filterwarnings(
    "ignore:`(is_)?gradient_checkpointing(_enable|_disable)?` is deprecated:FutureWarning:transformers"
)

# No mixed precision, no recomputation, no GPU, no logger, no file, no clipping that would hide a wrong factor.
COMMON = {
    "bf16": False,
    "gradient_checkpointing": False,
    "use_cpu": True,
    "report_to": "none",
    "save_strategy": "no",
    "logging_strategy": "no",
    "disable_tqdm": True,
    "max_grad_norm": 0.0,
}


def tokenizer() -> PreTrainedTokenizerFast:
    """One token per letter, split at spaces."""
    words = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")


def random_model() -> LlamaForCausalLM:
    """One layer, 16 wide, float64. The weights are large, so that its predictions are far from uniform."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=WORDS.index("<eos>"),
        pad_token_id=WORDS.index("<pad>"),
    )
    return LlamaForCausalLM(config).to(torch.float64)


def load_model(checkpoint, moved_by: float = 0.0) -> LlamaForCausalLM:
    """The model of the checkpoint, or a policy that has moved away from it."""
    model = LlamaForCausalLM.from_pretrained(checkpoint, dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += moved_by * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return model.train()


def model_logprobs(model, ids: Tensor, attention_mask: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
    """Our log-probabilities of the tokens in `mask`, (B, L) -> (B, L − 1), from the model's plain logits."""
    logits = model(input_ids=ids, attention_mask=attention_mask).logits
    return next_token_logprobs(logits, ids, mask, temperature=temperature)


def recorded_model(logprobs: Tensor):
    """A stand-in for a model with TRL's fused head: called with labels, it returns these log-probabilities."""

    def forward(labels, **_):
        mask = labels[:, 1:] != -100
        unused = torch.zeros_like(logprobs)  # TRL logs them
        return SimpleNamespace(
            log_probs=logprobs.masked_fill(~mask, 0),  # the head's contract: zero where there is no label
            label_mask=mask,
            entropy=unused,
            mean_logits=unused,
            is_top1=mask,
        )

    return forward


def vector_gradient(loss: Tensor, model) -> Tensor:
    """The gradient with respect to all parameters, as one vector."""
    parameters = list(model.parameters())
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, parameters, retain_graph=True)])


def assert_exact(ours: Tensor, theirs: Tensor, logprobs: Tensor) -> None:
    """Same float64 loss, same gradient for every token's recorded log-probability."""
    torch.testing.assert_close(ours, theirs, **EXACT)
    ours, theirs = (torch.autograd.grad(loss, logprobs, retain_graph=True)[0] for loss in (ours, theirs))
    torch.testing.assert_close(ours, theirs, **EXACT)


def relative_error(theirs: Tensor, ours: Tensor) -> float:
    """‖theirs − ours‖ / ‖ours‖, of two gradients or two losses."""
    return float((theirs.detach() - ours.detach()).norm() / ours.detach().norm())


def one_real_step(trainer) -> tuple[list[dict], Tensor]:
    """Let TRL's own loop train for one optimiser step: the micro-batches it saw and the gradient it accumulated."""
    batches, accumulated = [], []
    compute_loss = trainer.compute_loss

    def recording(model, inputs, *args, **kwargs):
        batches.append(dict(inputs))
        return compute_loss(model, inputs, *args, **kwargs)

    class Spy(TrainerCallback):
        def on_pre_optimizer_step(self, *_, model, **__):
            accumulated.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))

    trainer.compute_loss = recording
    trainer.add_callback(Spy())
    trainer.train()
    assert len(accumulated) == 1
    return batches, accumulated[0]
