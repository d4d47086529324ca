"""A second transcription of the paper's tables, row by row as printed, against the first: a typo in either shows."""

import re

from theory.paper_tables import ABLATION, ABSTRACT, METHODS, PRINTED_CHANGE, TABLES

# method | Qwen2.5-7B: RAS / NAG | Moonlight-16B: RAS / NAG, % with the printed ±
HELPFUL = """
SFT | 30.95 ±0.8 / 0.28 ±1.2 | 43.45 ±0.7 / −1.64 ±1.0
DPO | 57.75 ±0.7 / 54.12 ±1.1 | 56.24 ±0.6 / 26.20 ±0.9
PPO | 60.87 ±0.9 / 60.27 ±0.9 | 64.37 ±0.6 / 40.35 ±0.7
GRPO | 60.89 ±0.6 / 60.74 ±1.0 | 68.89 ±0.5 / 50.82 ±0.7
GRAO | 64.60 ±0.5 / 67.98 ±0.8 | 70.84 ±0.4 / 55.06 ±0.6
"""
HARMLESS = """
SFT | 51.43 ±0.7 / 0.61 ±1.0 | 60.52 ±0.6 / 0.34 ±0.9
DPO | 61.86 ±0.6 / 25.32 ±0.9 | 62.49 ±0.5 / 3.98 ±0.7
PPO | 66.11 ±0.8 / 27.79 ±0.8 | 70.97 ±0.4 / 20.16 ±0.6
GRPO | 65.61 ±0.5 / 28.26 ±0.7 | 68.08 ±0.7 / 12.11 ±0.5
GRAO | 68.01 ±0.4 / 31.06 ±0.6 | 76.82 ±0.3 / 34.85 ±0.4
"""
ABLATED = """
full 67.98 / 55.06
without imitation 63.79 / 49.87 / -7.79
without exploration 64.38 / 43.86 / -12.81
without regulariser 61.18 / 46.26 / -12.98
"""


def numbers(row: str) -> list[float]:
    return [float(each) for each in re.findall(r"-?\d+\.\d+", row.replace("−", "-").replace("±", " "))]


def test_tables_1_and_2_are_as_printed():
    for name, text in (("helpful", HELPFUL), ("harmless", HARMLESS)):
        rows = {row.split(" | ")[0]: numbers(row.split(" | ", 1)[1]) for row in text.strip().splitlines()}
        assert tuple(rows) == METHODS
        for method, row in rows.items():
            assert [*TABLES[name][method][0], *TABLES[name][method][1]] == row


def test_table_3_is_as_printed():
    rows = ABLATED.strip().splitlines()
    assert len(rows) == len(ABLATION)
    for row, (name, cells) in zip(rows, ABLATION.items(), strict=True):
        assert row.startswith(name)
        printed = [PRINTED_CHANGE[name]] if name in PRINTED_CHANGE else []
        assert numbers(row) == [*cells, *printed]


def test_the_abstract_is_as_printed():
    text = "57.70 % over SFT, 17.65 % over DPO, 7.95 % over PPO, 5.18 % over GRPO"
    assert dict(zip(re.findall("over ([A-Z]+)", text), numbers(text), strict=True)) == ABSTRACT
