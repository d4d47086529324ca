"""The rows of a run: those that are trained on, and those that are evaluated on."""

from grao_ref.data.load import load_rows
from grao_ref.data.rows import Row, apart, split_by_prompt
from grao_ref.settings.config import Config


def rows_of(config: Config) -> tuple[list[Row], list[Row]]:
    """Rows to train on and rows to evaluate on; no prompt is among both."""
    rows = load_rows(config.dataset_name, split=config.dataset_train_split, config=config.dataset_config)
    if config.dataset_test_split is not None:
        test = load_rows(config.dataset_name, split=config.dataset_test_split, config=config.dataset_config)
        training = apart(rows, test)
        if not training:
            raise ValueError(
                f"every prompt of the split {config.dataset_train_split!r} is in {config.dataset_test_split!r} too: "
                "nothing is left to train on"
            )
        return training, test
    training, held_out = split_by_prompt(rows, share=config.test_size, seed=config.seed)
    if not training or not held_out:
        raise ValueError(
            f"test_size {config.test_size} leaves {len(training)} rows to train on and {len(held_out)} to evaluate on"
        )
    return training, held_out
