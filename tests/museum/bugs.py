"""Bugs that real code has shipped, or easily could, as edits of this package.

`test_museum.py` plants them one at a time and demands that the suite rejects each. `origin` says where the
bug ("of the kind of": where its like) was reported, by the number in the project's tracker on GitHub, read in
excerpts; or that it is easily made, where no report is known.
An edit whose left side is no longer in the file fails loudly: then the exhibit has to be restored by hand.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """`edits` turn the right lines of `file` (as seen from equations/) into the wrong ones."""

    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    origin: str


def bug(name: str, file: str, right: str, wrong: str, origin: str) -> Bug:
    return Bug(name, file, ((right, wrong),), origin)


ADVANTAGE = [
    bug(
        "bessel_deviation",
        "advantage.py",
        "mean((unit_pool - mu).square()).sqrt()",
        "(unit_pool - mu).square().sum(dim=-1, keepdim=True).div(unit_pool.shape[-1] - 1).sqrt()",
        "torch.std's default and TRL's nanstd; eq-4 prints 1/G",
    ),
    bug("eps_in_the_deviation", "advantage.py", "/ sigma  #", "/ (sigma + 1e-4)  #", "TRL, and most code after it"),
    Bug(
        "eps_instead_of_the_flat_case",
        "advantage.py",
        (
            ("lowest = pool.amin(dim=-1, keepdim=True)", "lowest = pool.new_zeros(1)"),
            ("span = pool.amax(dim=-1, keepdim=True) - lowest", "span = pool.new_ones(1)"),
            ("/ sigma  #", "/ (sigma + 1e-12)  #"),
        ),
        "trl#3857: the deviation of a constant group is rounding noise, and dividing by it makes a signal of it",
    ),
    Bug(
        "one_pass_variance",
        "advantage.py",
        (
            ("lowest = pool.amin(dim=-1, keepdim=True)", "lowest = pool.new_zeros(1)"),
            ("span = pool.amax(dim=-1, keepdim=True) - lowest", "span = pool.new_ones(1)"),
            (
                "mean((unit_pool - mu).square()).sqrt()",
                "(mean(unit_pool.square()) - mu.square()).abs().sqrt().clamp(min=1e-9)",
            ),
        ),
        "NeMo-RL#4158: E[x²] − E[x]² cancels, seven rewards of 0.95 get an advantage of −2075",
    ),
    bug(
        "statistics_of_the_whole_batch",
        "advantage.py",
        "lambda x: x.mean(dim=-1, keepdim=True)",
        "lambda x: x.mean()",
        "grpo-flat#2, open-r1#66: one prompt's luck becomes another's advantage",
    ),
    bug(
        "reference_outside_its_pool",
        "advantage.py",
        'members if pool == "with_reference" else rewards',
        "rewards",
        "NeMo-RL#1518: the scored item is left out of its own statistic, ±1e6",
    ),
    bug(
        "pools_swapped",
        "advantage.py",
        'members if pool == "with_reference" else rewards',
        'members if pool == "outputs" else rewards',
        "easily made",
    ),
    bug(
        "advantages_of_the_wrong_rows",
        "advantage.py",
        'members if pool == "with_reference" else rewards)\n    return advantages[..., :-1], advantages[..., -1]',
        'members if pool == "with_reference" else rewards)\n    return advantages[..., 1:], advantages[..., 0]',
        "tt-metal#46548: advantages matched to other rows than they were computed for",
    ),
    bug("mean_not_subtracted", "advantage.py", "(unit_values - mu) / sigma", "unit_values / sigma", "easily made"),
    bug(
        "no_deviation",
        "advantage.py",
        "(unit_values - mu) / sigma",
        "unit_values - mu",
        "Dr. GRPO's choice, in code that claims to be GRPO",
    ),
    bug(
        "advantages_with_gradient",
        "advantage.py",
        "values, pool = values.detach(), pool.detach().to",
        "values, pool = values, pool.to",
        "a learned reward model then trains itself through the policy's loss",
    ),
    bug(
        "statistics_in_half_precision",
        "advantage.py",
        "pool.detach().to(torch.promote_types(pool.dtype, torch.float32))",
        "pool.detach()",
        "bf16 keeps three digits; sums of groups lose them",
    ),
    bug(
        "unscored_answers_in_the_pool",
        "advantage.py",
        "in_pool = counted[..., :size]",
        "in_pool = torch.ones_like(counted[..., :size])",
        "easily made: an answer without a reward still counts in P",
    ),
    bug(
        "group_mean_over_the_unscored_too",
        "masked.py",
        "hide(values, scored) / share",
        "hide(values, scored)",
        "easily made: a group's step shrinks with each reward that is missing",
    ),
]

GRAO = [
    bug("alignment_mirrored", "grao.py", "(J_o - J_y[..., None])", "(J_y[..., None] - J_o)", "easily made"),
    bug(
        "alignment_without_advantage",
        "grao.py",
        "(A_o * (J_o - J_y[..., None])).mean",
        "(J_o - J_y[..., None]).mean",
        "reading the regulariser as a plain distance",
    ),
    bug(
        "reference_counted_G_times",
        "grao.py",
        "imitation = A_y * J_y",
        "imitation = A_y * J_y * J_o.shape[-1]",
        "the reference repeated for every sample and summed, as a subclass of TRL's trainer gets it",
    ),
    bug(
        "beta_on_exploration",
        "grao.py",
        "exploration + beta * imitation +",
        "beta * exploration + imitation +",
        "the paper's prose around eq-3, against its own equation",
    ),
    bug(
        "beta_and_lambda_swapped",
        "grao.py",
        "beta * imitation + lam * alignment",
        "lam * imitation + beta * alignment",
        "easily made",
    ),
    bug(
        "sum_over_the_group",
        "grao.py",
        "exploration = (A_o * J_o).mean(dim=-1)",
        "exploration = (A_o * J_o).sum(dim=-1)",
        "1/G forgotten: the learning rate depends on the group size",
    ),
    bug(
        "reference_advantage_not_constant",
        "grao.py",
        "A_o, A_y = advantages.detach(), reference_advantage.detach()\n    J_o",
        "A_o, A_y = advantages, reference_advantage\n    J_o",
        "gradient flows into whatever made the advantages",
    ),
    bug(
        "regulariser_has_no_reference",
        "grao.py",
        "beta * A_y - lam * A_o.mean(dim=-1)",
        "beta * A_y",
        "true over the outputs alone, wrong where the reference is in the pool (thm-1)",
    ),
    bug("weights_without_lambda", "grao.py", "(1 + lam) * A_o /", "A_o /", "easily made"),
    bug(
        "repair_clamps_the_advantage_too_early",
        "grao.py",
        "advantages, reference_advantage, beta=beta, lam=lam)\n"
        "    return weights, imitate_while_ahead(reference_weight)",
        "advantages, imitate_while_ahead(reference_advantage), beta=beta, lam=lam)\n"
        "    return weights, reference_weight",
        "the regulariser's share of w_y goes on unlearning the reference",
    ),
    bug("repair_mirrored", "grao.py", ".clamp(min=0)", ".clamp(max=0)", "imitates only while the reference is behind"),
    bug(
        "repair_of_the_outputs_too",
        "grao.py",
        "return weights, imitate_while_ahead(reference_weight)",
        "return weights.clamp(min=0), imitate_while_ahead(reference_weight)",
        "rejection sampling by accident: bad samples are no longer pushed down",
    ),
    bug(
        "repair_forgotten", "grao.py", "torch.where(w_y > 0,", "torch.where(w_y < torch.inf,", "an option nobody reads"
    ),
]

LOGPROB_AND_MASK = [
    bug(
        "logprobs_divided_by_temperature",
        "logprob.py",
        "torch.log_softmax(scored / temperature, dim=-1)",
        "(torch.log_softmax(scored, dim=-1) / temperature)",
        "NeMo-RL#316, miles#68: not a distribution any more",
    ),
    bug("temperature_ignored", "logprob.py", "scored / temperature,", "scored,", "compose-rl#105, prime-rl#679"),
    bug("logits_not_shifted", "logprob.py", "logits[..., :-1, :]", "logits[..., 1:, :]", "unsloth#4364: off by one"),
    bug(
        "mask_not_shifted",
        "logprob.py",
        "mask[..., 1:]",
        "mask[..., :-1]",
        "of the kind of trl#3279, open-r1#652: the border between prompt and answer",
    ),
    bug(
        "mask_by_pad_id",
        "logprob.py",
        "scored, chosen = logits[mask], ids[mask]",
        "mask = mask & (ids != 0)\n    scored, chosen = logits[mask], ids[mask]",
        "trl#4970, torchtune#749: where pad is eos, the policy never learns to stop",
    ),
    bug(
        "scored_in_half_precision",
        "logprob.py",
        "scored = scored.to(torch.promote_types(logits.dtype, torch.float32))",
        "scored = scored.clone()",
        "verl#2088, trl#2669: ratios differ from 1 on the policy that sampled",
    ),
    bug(
        "logits_for_logprobs",
        "logprob.py",
        "torch.log_softmax(scored / temperature, dim=-1)",
        "(scored / temperature)",
        "shifts with every constant that is added to the logits",
    ),
    bug(
        "sum_for_the_mean_log_likelihood",
        "logprob.py",
        "return masked_mean(token_logprobs, mask)",
        "return masked_sum(token_logprobs, mask)",
        "DPO#40: eq-1 and eq-3 have 1/|o|",
    ),
    bug(
        "mean_for_the_sum",
        "logprob.py",
        "return masked_sum(token_logprobs, mask)",
        "return masked_mean(token_logprobs, mask)",
        "trl#789: DPO's log-likelihoods are sums",
    ),
    bug(
        "mask_by_multiplication",
        "masked.py",
        "torch.where(mask, values, torch.zeros_like(values))",
        "values * mask",
        "OpenRLHF#1240, verl#6361: 0 · NaN is NaN",
    ),
    bug(
        "mean_over_the_padded_width",
        "masked.py",
        "mask.sum(dim=-1).clamp(min=1)",
        "mask.shape[-1]",
        "ms-swift#7066: the loss depends on its neighbours' lengths",
    ),
    bug("empty_sequence_is_nan", "masked.py", ".clamp(min=1)", "", "trl#5826, trl#6439: 0/0 when all is truncated"),
    bug(
        "mean_over_the_batch_s_tokens",
        "masked.py",
        "mask.sum(dim=-1).clamp(min=1)",
        "mask.sum().clamp(min=1)",
        "a sequence's mean divided by everybody's tokens",
    ),
]

CLIPPED_RATIO = [
    bug(
        "mask_after_exp",
        "logprob.py",
        "    log_ratio = hide(logprobs - old_logprobs.detach(), mask)\n"
        "    return log_ratio.clamp(max=math.log(torch.finfo(log_ratio.dtype).max) - 1).exp()",
        "    return torch.where(mask, (logprobs - old_logprobs.detach()).exp(), 1)",
        "of the kind of NeMo-RL#4120: the value is clean and the gradient NaN",
    ),
    bug(
        "ratio_inverted",
        "logprob.py",
        "hide(logprobs - old_logprobs.detach(), mask)",
        "hide(old_logprobs.detach() - logprobs, mask)",
        "easily made; a sign error of the kind of rlhf-book#125",
    ),
    bug(
        "ratio_overflows",
        "logprob.py",
        "log_ratio.clamp(max=math.log(torch.finfo(log_ratio.dtype).max) - 1).exp()",
        "log_ratio.exp()",
        "inf · 0 is NaN: one token of a dead group poisons the batch",
    ),
    bug(
        "clip_takes_the_maximum",
        "ppo.py",
        "return torch.minimum(ratio",
        "return torch.maximum(ratio",
        "easily made: the pessimistic bound turned into an optimistic one",
    ),
    bug("clip_ignores_epsilon_high", "ppo.py", "1 + epsilon_high)", "1 + epsilon_low)", "DAPO's option, read nowhere"),
    bug(
        "old_policy_not_constant",
        "logprob.py",
        "old_logprobs.detach(), mask)",
        "old_logprobs, mask)",
        "ratio 1, gradient 0",
    ),
    bug(
        "ratio_not_clipped",
        "ppo.py",
        "clipped * advantages)",
        "ratio * advantages)",
        "of the kind of trl#6807: a stale copy of the loss ignores an option",
    ),
    bug(
        "score_on_the_last_column",
        "ppo.py",
        "is_last = mask & (tokens_left == 1)",
        "is_last = mask & (torch.arange(mask.shape[-1]) == mask.shape[-1] - 1)",
        "trl#3750, trl#5338: the score lands on padding",
    ),
    bug(
        "kl_rewarded",
        "ppo.py",
        "is_last) - penalty",
        "is_last) + penalty",
        "a sign error, of the kind of rlhf-book#132",
    ),
    bug(
        "advantages_for_returns",
        "ppo.py",
        "return advantages, advantages + values",
        "return advantages, advantages",
        "of the kind of rlhf-book#216: returns and what is not",
    ),
    bug("gae_without_lambda", "ppo.py", "gamma * gae_lambda * advantage", "gamma * advantage", "easily made"),
    bug("gae_without_the_next_value", "ppo.py", "+ gamma * next_value -", "-", "of the kind of rlhf-book#216"),
    bug(
        "gae_through_masked_tokens",
        "ppo.py",
        "torch.where(mask[..., t], values[..., t], next_value)",
        "values[..., t]",
        "miles#1827: padding leaks into the advantages",
    ),
    bug("value_error_optimistic", "ppo.py", "torch.maximum((moved", "torch.minimum((moved", "easily made"),
    bug(
        "value_error_not_halved",
        "ppo.py",
        "(clipped + ahead).square()) / 2",
        "(clipped + ahead).square())",
        "of the kind of trl#1540: the scale of the value loss",
    ),
    bug(
        "whitened_with_padding",
        "ppo.py",
        "masked_scatter(mask, standardize(tokens, tokens))",
        "masked_scatter(mask, standardize(tokens, advantages.nan_to_num().flatten()))",
        "verl#7110",
    ),
]

REDUCTION = [
    bug(
        "sums_in_half_precision",
        "masked.py",
        "_hidden(values, mask).sum(dim=-1, dtype=torch.promote_types(values.dtype, torch.float32))",
        "_hidden(values, mask).sum(dim=-1)",
        "2048 tokens of −40 nats are −inf in float16",
    ),
    bug(
        "per_micro_batch_mean",
        "reduce.py",
        "(-terms.sum(dtype=torch.promote_types(terms.dtype, torch.float32)) / denominator)",
        "-terms.mean()",
        "verl#906, trl#3021, transformers#34191: the commonest of all",
    ),
    bug("sign_flipped", "reduce.py", "return (-terms.sum(", "return (terms.sum(", "rlhf-book#125"),
    bug(
        "divided_twice",
        "reduce.py",
        "(-terms.sum(dtype=torch.promote_types(terms.dtype, torch.float32)) / denominator)",
        "(-terms.sum() / denominator / max(terms.numel(), 1))",
        "ms-swift#10117, trl#5619: once by hand, once by the framework",
    ),
    bug(
        "denominator_counts_masked_tokens",
        "reduce.py",
        "int(mask.sum())",
        "mask.numel()",
        "trl#6369: the numerator masks what the denominator counts",
    ),
    bug(
        "budget_is_the_padded_width",
        "reduce.py",
        "sequence_count(mask) * max_completion_length",
        "mask.numel()",
        "verl#3741, trl#3256: Dr. GRPO's constant that is none",
    ),
    bug(
        "grpo_loss_by_tokens",
        "grpo.py",
        '"grpo": LossType(masked_mean, lambda mask, _: sequence_count(mask)',
        '"grpo": LossType(masked_sum, lambda mask, _: token_count(mask)',
        "DAPO's reduction under GRPO's name",
    ),
]

PREFERENCES_AND_KL = [
    bug(
        "dpo_pair_swapped",
        "dpo.py",
        "- (rejected - ref_rejected.detach())",
        "+ (rejected - ref_rejected.detach())",
        "easily made",
    ),
    bug("dpo_without_its_reference_model", "dpo.py", "(chosen - ref_chosen.detach())", "(chosen)", "easily made"),
    bug("dpo_reference_model_trained", "dpo.py", "ref_chosen.detach()", "ref_chosen", "one optimiser over both models"),
    bug("ipo_target_doubled", "dpo.py", "1 / (2 * kl_coef)", "1 / kl_coef", "easily made"),
    bug("ipo_maximised_upside_down", "dpo.py", "return -(margin", "return (margin", "a loss among objectives"),
    bug(
        "kl_mirrored",
        "divergence.py",
        "hide(logprobs, possible).exp()",
        "hide(ref_logprobs, possible).exp()",
        "an expectation under the wrong policy",
    ),
    bug("k1_mirrored", "divergence.py", "return -_log_ratio", "return _log_ratio", "easily made"),
    bug("k2_not_halved", "divergence.py", ".square() / 2", ".square()", "easily made"),
    bug("k3_naive", "divergence.py", "torch.expm1(r) - r", "r.exp() - 1 - r", "rlhf-book PR#525: negative near 0"),
    bug(
        "k3_mirrored",
        "divergence.py",
        "torch.expm1(r) - r",
        "torch.expm1(-r) + r",
        "easily made: unbiased for another KL",
    ),
    bug(
        "k3_masked_after_exp",
        "divergence.py",
        "    r = _log_ratio(logprobs, ref_logprobs, mask)\n    return torch.expm1(r) - r",
        "    r = ref_logprobs - logprobs\n    return hide(torch.expm1(r) - r, mask)",
        "of the kind of OpenRLHF#1120: NaN after a hundred steps",
    ),
    bug(
        "importance_ratio_is_a_constant",
        "divergence.py",
        "probability_ratio(logprobs, old_logprobs, mask) *",
        "probability_ratio(logprobs.detach(), old_logprobs, mask) *",
        "trl#4637, #6503: the value is right and the gradient another one",
    ),
]

METRICS_AND_CHECKS = [
    bug("ties_are_wins", "metrics.py", "(scores > 0)", "(scores >= 0)", "the appendix against eq-5"),
    bug("ties_ignored", "metrics.py", "TIES[ties] * equal", "0 * equal", "an option nobody reads"),
    bug("gain_against_the_reference", "metrics.py", "(after > before)", "(after > 0)", "RAS under the name of NAG"),
    bug("gain_always_signed", "metrics.py", "if signed else", "if not signed else", "table-1 against eq-6"),
    bug(
        "silent_broadcast",
        "grao.py",
        ' + ADVANTAGES + "; reference_loglik: ..."',
        " + ADVANTAGES",
        "trl#6533: a list of the wrong length was stretched to fit, and trained the wrong samples",
    ),
    bug(
        "nan_rewards_pass",
        "checks.py",
        "if not value.isfinite().all():",
        "if value.isinf().any():",
        "trl#5773: one NaN poisons its group",
    ),
    bug("negative_weights_pass", "ranges.py", "and value >= 0):", "):", "a typo in a config turns imitation around"),
]

LOOP = [
    bug(
        "grpo_with_the_reference_in_its_pool",
        "../methods/grpo.py",
        'return standardized(rewards, pool="outputs")',
        "return standardized(rewards, pool=config.pool)",
        "an early version of this package: GRPO borrowed GRAO's baseline",
    ),
    bug(
        "samples_at_one_temperature_scored_at_another",
        "../training/logprobs.py",
        "policy.logprobs(batch.prompts, *_joined(groups), temperature=temperature)",
        "policy.logprobs(batch.prompts, *_joined(groups), temperature=1.0)",
        "Kimi-Audio#161",
    ),
    bug(
        "kl_against_the_current_policy",
        "../training/collect.py",
        "log_probabilities_in_parts(reference_model, batch,",
        "log_probabilities_in_parts(policy, batch,",
        "easily made: the penalty is always 0",
    ),
    bug(
        "old_is_new",
        "../methods/grpo.py",
        "        new,\n        samples.logprobs,",
        "        new,\n        new.detach(),",
        "easily made: the ratio is 1 for ever, and nothing is ever clipped",
    ),
    bug(
        "non_finite_steps_are_taken",
        "../training/update.py",
        "if machine.total(int(not is_finite)):",
        "if False:",
        "trl#6702: a NaN step looks clean in the log",
    ),
    bug(
        "micro_batches_divided_by_their_own_size",
        "../training/update.py",
        "batch_loss(terms.objective, denominator)",
        "batch_loss(terms.objective, len(part))",
        "verl#7200",
    ),
    bug(
        "unscored_samples_stay_in_the_batch",
        "../methods/interface.py",
        "given(batch.samples).mask & given(batch.rewards).scored[..., None]",
        "given(batch.samples).mask",
        "of the kind of trl#5773: what has no reward still takes part",
    ),
    bug(
        "mean_over_the_unscored_too",
        "../methods/grao.py",
        "over_scored(A.outputs, scored)",
        "A.outputs",
        "easily made: 1/G where one of the G could not be scored",
    ),
    bug(
        "resumed_without_the_dice",
        "../training/generators.py",
        "set_state(tensors[_name(training.machine.rank, name)])",
        "pass",
        "transformers#40691: another order after resuming",
    ),
    bug(
        "damage_within_a_file",
        "../plugins/manifest.py",
        "if hash_of_file(path) != described[OWN]:",
        "if False:",
        "an early version of this package: a flipped bit was trained on without a word",
    ),
    bug(
        "only_the_last_update_is_refused",
        "../training/undo.py",
        "        put_back()\n",
        "        pass\n",
        "an early version of this package: the updates before one that was not finite stayed",
    ),
    bug(
        "resumed_without_the_moments",
        "../training/checkpoint.py",
        "_restore_moments(training.optimizer, tensors)\n",
        "pass\n",
        "of the kind of NeMo-RL#108",
    ),
    bug(
        "reference_without_its_end",
        "../text/encoding.py",
        "kept = len(ids) - ids[::-1].index(end)\n",
        "kept = len(ids) - ids[::-1].index(end) - 1\n",
        "of the kind of trl#4970: never learns to stop",
    ),
    bug(
        "turn_closed_with_eos",
        "../text/template.py",
        "*first_special(self.tokenizer, after)",
        '"", None, None',
        "axolotl#3754, LLaMA-Factory#7454, an early version of this package: Gemma and Phi 3 end turns otherwise",
    ),
    bug(
        "prompt_ends_in_eos",
        "../text/encoding.py",
        "ids = tokens(self.tokenizer, texts, names)",
        "ids = tokens(self.tokenizer, texts, names, special=True)",
        "reward-bench#90: tokenizers append it",
    ),
    bug(
        "answer_read_apart_from_its_prompt",
        "../text/seam.py",
        "_reads(tokenizer, [*cut[row][1], *ids]) == _reads(tokenizer, wholes[row])",
        "True",
        "easily made: SentencePiece puts a blank in front of it",
    ),
    bug(
        "cache_tiled_instead_of_repeated",
        "../policies/sampler.py",
        "logits, attended = logits[of], left.mask[of]",
        "logits, attended = logits.repeat(group, 1), left.mask.repeat(group, 1)",
        "easily made: the groups of two prompts change places",
    ),
    bug(
        "recurrent_states_of_other_prompts",
        "../policies/cache.py",
        "layer.reorder_cache(prompts)",
        "layer.reorder_cache(prompts.flip(0))",
        "hybrids inherit attention's way to repeat a cache, and their states stayed as they were: this package did so",
    ),
    bug(
        "answers_attend_to_another_prompt",
        "../policies/outputs.py",
        "of = number[rows // group]",
        "of = number[rows % len(number)]",
        "easily made: the cache of a prompt serves its group, not every so many rows",
    ),
    bug(
        "gradient_without_its_temperature",
        "../policies/tiles.py",
        "gradient[rows, None] / ctx.temperature",
        "gradient[rows, None]",
        "easily made where a backward pass is written by hand",
    ),
    bug(
        "tokens_of_probability_0_are_drawn",
        "../policies/drawing.py",
        "torch.searchsorted(shares, at, right=True)",
        "torch.searchsorted(shares, at)",
        "easily made: the first cumulative probability that is not below 0 may be that of a token without any",
    ),
    Bug(
        "new_method_gets_somebody_else_s_advantages",
        "../training/collect.py",
        (
            (
                "from grao_ref.methods.interface import Method\n",
                "from grao_ref.methods.interface import Method, standardized\n",
            ),
            ("advantages=advantages_of(method, rewards, config)", "advantages=standardized(rewards, pool=config.pool)"),
        ),
        "an early version of this package: every method was trained on eq-4's advantages, also one that had its own",
    ),
    bug(
        "standardised_again_by_the_learner",
        "../training/update.py",
        "        part = take(batch, rows)\n",
        "        part = take(batch, rows)\n"
        "        if part.advantages is not None:\n"
        "            again = part.advantages.outputs - part.advantages.outputs.mean(-1, keepdim=True)\n"
        "            part = replace(part, advantages=replace(part.advantages, outputs=again))\n",
        "of the kind of axon-rl/gem#113: once where it is collected, and once more where it is trained on",
    ),
    bug(
        "every_micro_batch_has_the_first_one_s_advantages",
        "../training/update.py",
        "        part = take(batch, rows)\n",
        "        part = take(batch, rows)\n"
        "        if part.advantages is not None:\n"
        "            part = replace(part, advantages=take(batch, slice(0, len(part))).advantages)\n",
        "tt-metal#46548, trl's shuffled generation batch: advantages of other rows",
    ),
    bug(
        "one_update_a_batch",
        "../training/update.py",
        "range(config.num_iterations)",
        "range(1)",
        "a setting nobody reads",
    ),
]

BUGS = [
    *LOOP,
    *ADVANTAGE,
    *GRAO,
    *LOGPROB_AND_MASK,
    *CLIPPED_RATIO,
    *REDUCTION,
    *PREFERENCES_AND_KL,
    *METRICS_AND_CHECKS,
]
