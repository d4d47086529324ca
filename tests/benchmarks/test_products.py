"""The table of products: every way multiplies, and is timed."""

import json

import pytest
import torch

from grao_ref.policies.products import _multiplies
from tests.benchmarks import products

pytestmark = pytest.mark.skipif(not _multiplies(), reason="this torch has no such product of oneDNN's")


def test_a_large_product_takes_longer_than_a_small_one_in_every_way(monkeypatch):
    monkeypatch.setattr(products, "DISTINCT", 2**18)  # bytes: 21 weights in place of 5,461
    small, large = (products.of_layer(rows, 64, 48, repeats=5) for rows in (1, 2048))
    assert tuple(small) == tuple(large) == products.WAYS
    assert all(0 < small[way] < large[way] for way in products.WAYS)


def test_layers_count_as_often_as_a_model_has_them(monkeypatch):
    monkeypatch.setattr(products, "of_layer", lambda rows, *shape, repeats: dict.fromkeys(products.WAYS, rows * 1.0))
    assert products.of_rows(3, {(2, 2): 10, (4, 2): 1}) == dict.fromkeys(products.WAYS, 33.0)


def test_the_record_says_on_which_machine_and_whether_they_are_used(monkeypatch, tmp_path):
    monkeypatch.setattr(products, "RECORD", tmp_path / "record.json")
    monkeypatch.setattr(products, "ROWS", (1,))
    monkeypatch.setattr(products, "of_rows", lambda rows: {"way": 1.0})
    threads = torch.get_num_threads()
    try:
        assert products.main({"cpu": "one"}) == 0
    finally:
        torch.set_num_threads(threads)
    found = json.loads((tmp_path / "record.json").read_text())
    assert found["machine"] == {"cpu": "one"}
    assert found["used"] in (True, False)
    assert found["rows"] == [{"rows": 1, "ms": {"way": 1.0}}]
