"""The runs that a command makes: of each method that is compared, one for each seed."""

from dataclasses import replace

from grao_ref.methods.registry import BUILT_IN, ignored, label_of
from grao_ref.rewards.build import require_reward
from grao_ref.settings.checks import check
from grao_ref.settings.config import Config
from grao_ref.setups import read_rows, require_answers


def plan(config: Config) -> dict[str, list[Config]]:
    """Label -> the settings of its runs, one for each seed (the bandit's are one, with a row for each seed).

    Raises `ValueError` on settings or rows that one of the runs can't use: a comparison is refused before its first.
    """
    variants = compared(config) if config.compare else [config]
    for variant in variants:
        check(variant)
        require_reward(variant)
    if config.compare and config.setup == "text" and not config.dry_run:  # whose data may not be here yet
        _require_rows_of_all(variants)
    copies = config.num_seeds // len(config.seeds)  # of a run: what the seeds of separate runs leave
    methods = {label_of(variant): replace(variant, num_seeds=copies) for variant in variants}
    return {label: [replace(settings, seed=seed) for seed in config.seeds] for label, settings in methods.items()}


def compared(config: Config) -> list[Config]:
    """The settings for every method of ours, without those that it ignores; GRAO repaired and as printed.

    A step has the same prompts in every method, and an evaluation the same random numbers: a method that samples
    nothing gets 1/num_generations of the others' batch, and answers as many prompts of an evaluation at once.
    """
    answers = config.per_device_eval_batch_size or 8 * config.per_device_train_batch_size
    config = replace(config, per_device_eval_batch_size=answers)
    variants = []
    for name, method in BUILT_IN.items():
        group = 1 if method.needs(config).samples else config.num_generations
        size = max(config.per_device_train_batch_size // group, 1)  # the bandit, which ignores it, may have a small one
        beta = None if method.kl_weight is None else config.beta
        ablate = config.ablate if "ablate" in method.reads else ()
        mine = replace(config, compare=False, method=name, per_device_train_batch_size=size, beta=beta, ablate=ablate)
        mine = replace(mine, **{name: getattr(Config, name) for name in ignored(mine)})
        repaired = replace(mine, imitate_only_when_ahead=True)
        variants.append(repaired)
        if "imitate_only_when_ahead" in method.reads:
            variants.append(replace(repaired, imitate_only_when_ahead=False))
    return variants


def _require_rows_of_all(variants: list[Config]) -> None:
    """Raise `ValueError`, naming the method and the row, where a row lacks what one of the methods reads."""
    rows, held_out = read_rows(variants[0])
    for variant in variants:
        try:
            require_answers(variant, rows, held_out, scored=True)
        except ValueError as error:
            raise ValueError(f"compare trains every method, and {error}; --method trains one of them") from None
