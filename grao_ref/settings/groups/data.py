"""Settings: data and rewards."""

from dataclasses import dataclass

from grao_ref.settings.kinds import Count, Fraction


@dataclass(frozen=True)
class DataGroup:
    """Data and rewards."""

    dataset_name: str = "sorting"
    """Prompts and references: `sorting` (embedded), `bandit`, `hh-harmless`, `hh-helpful`, `gsm8k`,
    `reasoning-gym:TASK`, a file (.jsonl, .json, .csv, .tsv, .parquet), a folder, or an id on the hub."""
    dataset_config: str | None = None
    """The hub data set's configuration, where it has several."""
    dataset_train_split: str = "train"
    """The split that is trained on."""
    dataset_test_split: str | None = None
    """The split that is evaluated on; without one, `test_size` of the prompts are held out."""
    dataset_test_name: str | None = None
    """Another file, folder or hub id to evaluate on: its `dataset_test_split`, or else its split `test`."""
    column: tuple[str, ...] = ()
    """Columns under other names: `prompt=question completion=answer` reads the column question as prompt, and so on."""
    test_size: Fraction = 0.1
    """Share of the prompts held out for evaluation, chosen by `seed`."""
    max_prompt_length: Count | None = None
    """Drop rows whose prompt has more tokens; without it, a prompt too long for the model's context is an error."""
    max_completion_length: Count = 8
    """Tokens of a sampled answer at most; rows with a longer answer are dropped."""
    reward_funcs: tuple[str, ...] = ()
    """What scores answers and references alike: exact, final_number, sorting, reasoning_gym, judge_helpful,
    judge_harmless, a dotted path to a function with TRL's signature, a reward model's folder or hub id. Empty: the data
    set's own rule."""
    reward_weights: tuple[float, ...] = ()
    """A weight for each reward function; empty: 1 each."""
