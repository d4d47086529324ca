"""The table of the page *Which models*, architecture by architecture; and whether those that train are right to.

A handful of them is in tests/policies/test_which_models.py: all of them take a minute.
"""

import pytest
import transformers

from tests.policies.table_of_models import PAGE, disagreement, row_of, rows_of

RECORDED = rows_of(PAGE.read_text())
# Their formulas for many tokens and for one differ more in float32; all others are within the first number. The largest
# of these differs between processors: less than 2e-5 on an Intel, 2.6e-5 (granitemoe) on an AMD.
CLOSE, COARSE = (
    4e-5,
    {"qwen3_5", "qwen3_5_moe", "qwen3_5_text", "qwen3_5_moe_text", "qwen3_next", "hrm_text", "rembert"},
)


@pytest.mark.skipif(
    f"transformers {transformers.__version__}:" not in PAGE.read_text(), reason="the page is of another transformers"
)
@pytest.mark.parametrize("family", RECORDED)
def test_every_row_of_the_page_is_what_comes_out(family):
    row, policy = row_of(family)
    assert row == RECORDED[family]
    if policy is not None:
        numbers, gradients = disagreement(policy)
        assert numbers < (3e-4 if family in COARSE else CLOSE)
        assert gradients < 5e-4
