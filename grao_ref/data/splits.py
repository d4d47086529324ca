"""The rows of a run: those that are trained on, and those that are evaluated on."""

from grao_ref.data.load import load_rows, splits_of
from grao_ref.data.rows import Rows, apart, split_by_prompt
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
    if config.dataset_test_name is not None or config.dataset_test_split is not None:
        return _beside(rows, config)
    training, held_out = split_by_prompt(rows, share=config.test_size, seed=config.seed)
    if not training or not held_out:
        raise ValueError(
            f"test_size {config.test_size} leaves {len(training)} rows to train on and {len(held_out)} to evaluate on"
        )
    return Rows(training, rows.skipped), Rows(held_out)


def _beside(rows: Rows, config: Config) -> tuple[Rows, Rows]:
    """The rows without those of the test set, and the test set."""
    name = config.dataset_test_name or config.dataset_name
    split = config.dataset_test_split or splits_of(name)
    other = name != config.dataset_name  # which has its own configurations
    test = load_rows(name, split=split, config=None if other else config.dataset_config, column=config.column)
    training = apart(rows, test)
    if not training:
        where = f"in {name}" if other else f"in {split!r}"
        raise ValueError(
            f"every prompt of the split {config.dataset_train_split!r} is {where} too: nothing is left to train on"
        )
    return training, test
