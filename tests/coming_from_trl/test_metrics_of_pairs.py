"""The metrics of preference pairs: TRL's names with the values that the page gives them."""

import pytest
import torch
from torch.nn.functional import logsigmoid

from grao_ref import finetune
from tests.coming_from_trl.page import scripts_of
from tests.coming_from_trl.ten import DPO, likelihoods, ten

row = scripts_of("Metrics")


def implicit(now, embedded, batch):
    """(log π of the chosen answers, of the rejected ones, β times the gain of each) by transformers alone."""
    sums = [
        [sum(each).item() for each in likelihoods(model, batch.prompts, answers)]
        for model in (now, embedded)
        for answers in (batch.references, batch.rejected)
    ]
    gains = [[0.1 * (a - b) for a, b in zip(sums[n], sums[n + 2], strict=True)] for n in (0, 1)]
    return sums[0], sums[1], *gains


@row("logps/chosen, logps/rejected, rewards/margins, rewards/accuracies", "the same")
def test_dpo_s_metrics_are_of_whole_answers(paired, embedded):
    (middle, _), (_, report), (first, means) = paired
    chosen, rejected, gained, lost = implicit(middle, embedded, report.batch)
    assert means["logps/chosen"] == pytest.approx(sum(chosen) / 4, rel=1e-4)
    assert means["logps/rejected"] == pytest.approx(sum(rejected) / 4, rel=1e-4)
    margins = [a - b for a, b in zip(gained, lost, strict=True)]
    assert means["rewards/margins"] == pytest.approx(sum(margins) / 4, rel=1e-2)
    assert means["rewards/accuracies"] == sum(margin > 0 for margin in margins) / 4
    assert first["rewards/margins"] == 0


@row("rewards/chosen, rewards/rejected while training", "of held-out rows only")
@row(
    "eval_loss, eval_rewards/chosen, eval_rewards/rejected, eval_rewards/margins, eval_rewards/accuracies",
    "the same, in sft and dpo, of the method's own loss",
)
def test_held_out_pairs_are_evaluated_with_trl_s_names(paired, embedded, tokenizer, model):
    (_, after), _, (first, means) = paired
    assert not {"rewards/chosen", "rewards/rejected"} & (set(first) | set(means))
    held_out = ten("prompt", "chosen", "rejected")[8:]
    (report,) = finetune(model, tokenizer, held_out, **DPO | {"max_steps": 1, "per_device_train_batch_size": 2})
    _, _, gained, lost = implicit(after, embedded, report.batch)
    margins = torch.tensor(gained) - torch.tensor(lost)
    wanted = {
        "eval_rewards/chosen": sum(gained) / 2,
        "eval_rewards/rejected": sum(lost) / 2,
        "eval_rewards/margins": margins.mean().item(),
        "eval_rewards/accuracies": (margins > 0).float().mean().item(),
        "eval_loss": -logsigmoid(margins).mean().item(),
    }
    assert {name: means[name] for name in wanted} == pytest.approx(wanted, rel=1e-2)
