"""The model card beside a trained model."""

import pytest
import yaml
from huggingface_hub import ModelCard

from grao_ref.runs.card import write_card
from grao_ref.settings.config import Config, settings_of


@pytest.mark.parametrize("method", ["grao", "tests.extensions.rloo.RLOO"])
def test_the_card_is_what_the_hub_reads(method, tmp_path):
    config = Config(imitation_coef=0.25, method=method)
    scores = (0.36, 0.667, 0.9)
    write_card(tmp_path, config, name="its label", note="Method: its summary.", scores=scores, version="1.2.3")
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.library_name == "transformers"
    assert card.data.tags == ["grao_ref", "grao" if method == "grao" else "rloo"]  # a name, not a path
    assert card.text.lstrip().startswith("# tiny, trained by its label")
    for line in (
        "| before training | 0.360 |",
        "| the references | 0.667 |",
        "| after training | 0.900 |",
        "Method: its summary.",
    ):
        assert line in card.text
    settings = yaml.safe_load(card.text.split("```yaml\n")[1].split("```")[0])
    assert settings == settings_of(config)
    assert settings["imitation_coef"] == 0.25
