"""The embedded model as an ordinary model folder, and what it can do before training."""

import hashlib
import json
import time

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, pipeline

from grao_ref.data.sorting import sorting_rows
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.embedded import CHARACTERS, END, tiny_folder, tiny_model, tiny_tokenizer
from grao_ref.policies.load import load_language_model
from grao_ref.rewards.sorting import sorting
from tests.sorting_twin import ANSWER, Sorting

CPU = torch.device("cpu")


def digest(model) -> str:
    """Of the weights alone, by name."""
    sha = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        sha.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return sha.hexdigest()[:16]


def test_the_folder_is_what_from_pretrained_and_pipeline_load():
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny_folder()), AutoTokenizer.from_pretrained(tiny_folder())
    assert digest(model) == digest(tiny_model())
    (said,) = pipeline("text-generation", model=str(tiny_folder()))("52914=")
    assert said["generated_text"].startswith("52914=")
    assert sorted(said["generated_text"][6:].rstrip(".")) == list("12459")
    ids = model.generate(**tokenizer("52914=", return_tensors="pt"))
    assert ids[0, -1] == END
    assert sum(path.stat().st_size for path in tiny_folder().iterdir()) < 2 * 2**20
    names = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in tiny_folder().iterdir()} == names


def test_the_weights_are_those_that_every_recorded_result_was_made_with():
    assert digest(tiny_model()) == "08778cfc1beb5595"


def test_the_folder_s_architecture_is_that_of_the_random_model():
    assert LlamaConfig.from_pretrained(tiny_folder()).to_diff_dict() | {"architectures": 0, "dtype": 0} == tiny_model(
        seed=0
    ).config.to_diff_dict() | {"architectures": 0, "dtype": 0}
    assert digest(tiny_model(seed=1)) == digest(tiny_model(seed=1)) != digest(tiny_model(seed=2))


def test_making_a_model_leaves_the_caller_s_random_numbers_alone():
    before = torch.get_rng_state()
    tiny_model(seed=3)
    tiny_model()
    load_language_model("tiny", device=CPU)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_token_for_each_character_and_the_full_stop_ends():
    tokenizer = tiny_tokenizer()
    assert tokenizer(CHARACTERS).input_ids == list(range(12))
    assert tokenizer(["52914=", "1"]).input_ids == [[5, 2, 9, 1, 4, 10], [1]]
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.bos_token_id) == (END, END, None)
    assert tokenizer.decode([1, 2, 4, 5, 9, END]) == "12459."
    assert tokenizer.decode([1, 2, 4, 5, 9, END], skip_special_tokens=True) == "12459"
    generation = json.loads((tiny_folder() / "generation_config.json").read_text())
    assert (generation["eos_token_id"], generation["max_new_tokens"]) == (END, 8)


def test_it_is_loaded_by_its_name_like_any_other_and_quickly():
    times = []
    for _ in range(4):
        start = time.process_time()
        model, tokenizer = load_language_model("tiny", device=CPU)
        times.append(time.process_time() - start)
    assert min(times) < 0.5  # 0.04 s on a laptop
    assert digest(model) == digest(tiny_model())
    assert not model.training
    assert model.dtype == torch.float32
    assert tokenizer.eos_token_id == model.generation_config.eos_token_id == END


def test_the_base_policy_rarely_succeeds_and_has_room_to_learn():
    policy = CausalLMPolicy(tiny_model(), eos_ids=[END], max_completion_length=ANSWER + 2)
    batch = Sorting(200).draw(torch.Generator().manual_seed(1))
    samples = policy.sample(batch.prompts, 4, temperature=1.0, rng=torch.Generator().manual_seed(0))
    rewards = Sorting(1).reward(batch, samples.ids, samples.mask).values
    assert 0.3 < rewards.mean() < 0.45
    assert 0.01 < (rewards == 1).float().mean() < 0.15


def test_the_base_model_does_the_same_on_the_rows_of_the_data_set():
    rows, tokenizer = sorting_rows()[:200], tiny_tokenizer()
    batch = tokenizer([row.prompt for row in rows], return_tensors="pt")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ids = tiny_model().generate(**batch, do_sample=True)[:, batch["input_ids"].shape[1] :]
    said = tokenizer.batch_decode(ids, skip_special_tokens=True)
    rewards = sorting(said, [row.columns["solution"] for row in rows])
    assert 0.3 < sum(rewards) / len(rewards) < 0.45


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_the_folder_holds_no_path_of_the_machine_it_was_made_on(name):
    assert "/" not in (tiny_folder() / name).read_text()
