"""The rows of a run: those that are trained on, and those that are evaluated on."""

from collections.abc import Sequence

from grao_ref.data.load import load_rows, splits_of
from grao_ref.data.parts import WHOLE
from grao_ref.data.rows import Row, Rows, apart, split_by_prompt
from grao_ref.settings.config import Config


def rows_of(config: Config) -> tuple[Rows, Rows]:
    """Rows to train on and rows to evaluate on; no prompt is among both, and each names what was left out (`skipped`).

    The rows to evaluate on are those of the data set `dataset_test_name`, or of the split `dataset_test_split`, or of
    both together; without the two they are held out from the rows to train on. Raises `ValueError` where one of the two
    has no row.
    """
    rows = load_rows(
        config.dataset_name, split=config.dataset_train_split, config=config.dataset_config, column=config.column
    )
    test = evaluation_set(config)
    if test is not None:
        return _beside(rows, test, config)
    training, held_out = split_by_prompt(rows, share=config.test_size, seed=config.seed)
    if not training or not held_out:
        raise ValueError(
            f"test_size {config.test_size} leaves {len(training)} rows to train on and {len(held_out)} to evaluate on"
        )
    return Rows(training, rows.skipped), Rows(held_out)


def evaluation_set(config: Config) -> Rows | None:
    """The rows of the test set that the config names; None where rows are held out from those to train on."""
    if config.dataset_test_name is None and config.dataset_test_split is None:
        return None
    name = config.dataset_test_name or config.dataset_name
    split = config.dataset_test_split or splits_of(name)
    other = name != config.dataset_name  # which has its own configurations
    return load_rows(name, split=split, config=None if other else config.dataset_config, column=config.column)


def _beside(rows: Rows, test: Rows, config: Config) -> tuple[Rows, Rows]:
    """The rows without those of the test set, and the test set."""
    training = apart(rows, test)
    if not training:
        name = config.dataset_test_name or config.dataset_name
        where = f"in {name}" if name != config.dataset_name else f"in {config.dataset_test_split!r}"
        raise ValueError(
            f"every prompt of the split {config.dataset_train_split!r} is {where} too: nothing is left to train on"
        )
    return training, test


def require_parts(
    rows: Sequence[Row],
    source: str,
    *,
    reader: str,
    references: bool,
    rejected: bool,
    sampled: bool,
    prompts_alone: Sequence[str],
) -> None:
    """Raise `ValueError` on the first row that lacks what is read of it.

    `reader`: the method, which reads `references`, or `rejected` answers too. `sampled`: answers are sampled, to which
    a prompt is needed. `prompts_alone`: methods that read no reference, for the message.
    """
    for row in rows:
        place = f"row {row.number} of {source}" if row.number else source
        if references and row.reference is None:
            names = ", ".join(row.columns)
            one = f" (of its columns {names}, one is read as y by --column completion=NAME)" if names else ""
            raise ValueError(
                f"{reader} needs a reference answer in every row, and {place} has none{one}; "
                f"{' and '.join(prompts_alone)} train on prompts alone"
            )
        if sampled and row.prompt == WHOLE:
            raise ValueError(
                f"{place} is a whole text without a prompt, and answers to prompts are sampled here; sft without "
                "reward_funcs trains on whole texts"
            )
        if rejected and row.rejected is None:
            raise ValueError(
                f"{reader} needs a rejected answer in every row (the column rejected), and {place} has none"
            )


def require_pairs(rows: Sequence[Row], source: str, *, reader: str) -> None:
    """Raise `ValueError` where no row has two different answers: their gradients cancel, and nothing is learned.

    `reader`: the method, which reads both answers.
    """
    if all(row.reference == row.rejected for row in rows):
        raise ValueError(
            f"the chosen and the rejected answer are the same in every row of {source}: {reader} learns from their "
            "difference, and its gradient would be 0"
        )


def alike(rows: Sequence[Row], *, reader: str) -> tuple[str, ...]:
    """A line of the log about rows whose two answers are the same; none where there is no such row."""
    same = [row.number for row in rows if row.reference == row.rejected]
    if not same:
        return ()
    first = f" (the first: row {same[0]})" if same[0] else ""
    return (f"Note: {len(same):,} rows{first} have the same chosen and rejected answer, which teach {reader} nothing.",)
