"""The preset `paper` on one card of 80 GB, from the command: refused before anything is loaded, with the arithmetic."""

import json

from grao_ref.train import main
from tutorials.scale import LARGEST, architecture


def test_the_paper_s_preset_is_refused_on_a_card_of_80_gb(tmp_path, capsys):
    architecture("Qwen2.5-7B").save_pretrained(tmp_path)
    card = ["--device", "cuda", "--device-memory", "80"]
    assert main(["--preset", "paper", "--model-name-or-path", str(tmp_path), *card, "--dry-run"]) == 2
    said = capsys.readouterr().out
    recorded = json.loads(LARGEST.read_text())["paper"]
    peak = max(sum(parts.values()) for parts in recorded["phases"].values())
    for words in (
        f"{peak / 1e9:.1f} GB",
        "7,615,616,512 parameters × 4 bytes",
        "does not fit",
        "--use-peft saves most",
    ):
        assert words in said
    assert "grao_ref.integrations.trl" in said
