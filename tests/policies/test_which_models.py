"""The page *Which models*: a handful of its rows come out as they stand there; tests/parity has all of them."""

import pytest
import transformers

from grao_ref.policies import probe
from tests.policies.families import FAMILIES
from tests.policies.table_of_models import PAGE, REFUSED, TRAINS, UNTRIED, disagreement, row_of, rows_of, with_rows

RECORDED = rows_of(PAGE.read_text())
MEASURED = (
    "llama",
    "gemma3n_text",
    "lfm2_moe",
    "jamba",
)  # quick ones, with a window, shared keys, two recurrent layers
HANDFUL = (
    *MEASURED, "gemma3", "qwen3_next", "zaya",
    "mamba", "nemotron_h", "rwkv", "deepseek_v32", "deepseek_v4", "openai-gpt",
)  # fmt: skip
as_recorded = pytest.mark.skipif(
    f"transformers {transformers.__version__}:" not in PAGE.read_text(), reason="the page is of another transformers"
)


@as_recorded
@pytest.mark.parametrize("family", HANDFUL)
def test_a_row_of_the_page_is_what_comes_out(family):
    row, policy = row_of(family)
    assert row == RECORDED[family]
    if family in MEASURED:
        numbers, gradients = disagreement(policy)
        assert numbers < 1e-4
        assert gradients < 1e-4


@as_recorded
def test_the_page_has_every_architecture_that_transformers_has_and_few_are_not_tried():
    assert set(RECORDED) == set(FAMILIES)
    assert {RECORDED[family].result for family in HANDFUL} == {TRAINS, REFUSED}
    assert sum(row.result == UNTRIED for row in RECORDED.values()) < 20
    assert all(bool(row.why) for row in RECORDED.values() if row.result != TRAINS)
    assert with_rows(PAGE.read_text(), list(RECORDED.values())) == PAGE.read_text()


def test_control_rows_that_differ_are_seen():
    first, *others = RECORDED.values()
    other = rows_of(with_rows(PAGE.read_text(), others))
    assert set(RECORDED) - set(other) == {first.family}


def test_refusals_name_what_was_compared():
    texts = {probe.READING, probe.SCORING, probe.SAMPLING}
    assert {
        next((text for text in texts if row.why.startswith(text)), None)
        for row in RECORDED.values()
        if row.result == REFUSED
    } == texts
