"""House rules that can be tested: layers, sizes, docstrings, settings, the tables of equations and of modules."""

import ast
import re
import sys
import tomllib
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest

import grao_ref
from grao_ref.methods.registry import BUILT_IN
from grao_ref.settings.config import Config

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "grao_ref"
README = (ROOT / "README.md").read_text()
PAGES = ROOT / "tutorials" / "pages"
MODULES = sorted(PACKAGE.rglob("*.py"))
THEORY = sorted((ROOT / "theory").rglob("*.py"))
STANDARD = set(sys.stdlib_module_names)
TENSORS = {"torch", "jaxtyping"}  # jaxtyping writes the shapes into the signatures
MODEL = {"transformers", "safetensors"}
INTERFACES = {"grao_ref.policies.interface", "grao_ref.tasks.interface"}
METHODS = {
    "grao_ref.methods.interface",
    "grao_ref.methods.calls",
    "grao_ref.methods.registry",
}  # never a method by its name
SETTINGS = {"grao_ref.settings.config", "grao_ref.settings.checks"}
THIN = {
    "grao_ref.settings",
    "grao_ref.plugins",
    "grao_ref.runs",
}  # a command reads its flags, then imports what it runs
LAYERS = {  # what the modules below a path may import, beside the standard library
    "equations": TENSORS | {"grao_ref.equations"},
    "records.py": TENSORS,
    "plugins": {"grao_ref.plugins"},
    "plugins/manifest.py": {"safetensors"},
    "settings": {"grao_ref.settings"},
    "settings/groups": {"grao_ref.settings.kinds"},
    "settings/groups/judge.py": {"grao_ref.settings.kinds", "grao_ref.plugins.secrets"},
    "settings/kinds.py": {"grao_ref.equations.ranges"},
    "settings/config.py": {"grao_ref.settings.kinds", "grao_ref.settings.groups"},
    "settings/checks.py": {"grao_ref.settings.config", "grao_ref.methods.calls", "grao_ref.methods.registry"},
    "settings/presets.py": {"grao_ref.settings.config"},
    "settings/flags.py": {
        "yaml",
        "transformers",
        "grao_ref.settings",
        "grao_ref.plugins.near",
        "grao_ref.plugins.secrets",
    },
    "methods": TENSORS
    | {"grao_ref.equations", "grao_ref.records", "grao_ref.methods", "grao_ref.settings.config"}
    | {"grao_ref.plugins.blame"},
    "methods/weights.py": TENSORS
    | {"grao_ref.equations", "grao_ref.records", "grao_ref.methods"}
    | {"grao_ref.settings.config"},
    "methods/registry.py": {"grao_ref.methods", "grao_ref.plugins", "grao_ref.settings.config"},
    "text": {"transformers", "grao_ref.text"},
    "text/padding.py": TENSORS | {"grao_ref.records"},
    "data": {"grao_ref.data", "grao_ref.text", "grao_ref.plugins"}
    | {"datasets", "pyarrow", "reasoning_gym"},  # the three only inside functions
    "data/splits.py": {"grao_ref.data", "grao_ref.settings.config"},
    "rewards": TENSORS | {"grao_ref.text", "grao_ref.rewards", "grao_ref.plugins.blame"},
    "rewards/load.py": {"torch", "grao_ref.data", "grao_ref.plugins", "grao_ref.rewards"},
    "rewards/features.py": TENSORS
    | {"transformers", "grao_ref.records", "grao_ref.plugins.blame", "grao_ref.policies.sampler"}
    | {"grao_ref.text.padding"},
    "rewards/model.py": TENSORS
    | MODEL
    | {"grao_ref.text", "grao_ref.policies.load", "grao_ref.policies.products", "grao_ref.rewards"},
    "rewards/build.py": {"torch", "grao_ref.data.load", "grao_ref.methods.registry", "grao_ref.rewards"}
    | {"grao_ref.settings.config"},
    "rewards/fit.py": {"numpy", "scipy"},
    "rewards/judge.py": {"openai", "grao_ref.text", "grao_ref.equations.checks", "grao_ref.rewards"}
    | {"grao_ref.plugins"},
    "rewards/asking.py": {"openai", "httpx"},
    "tasks": TENSORS | {"grao_ref.records", "grao_ref.equations", "grao_ref.tasks"},
    "tasks/text.py": TENSORS
    | {"grao_ref.records", "grao_ref.data.examples", "grao_ref.data.rows", "grao_ref.text", "grao_ref.tasks.interface"}
    | {"grao_ref.rewards.scorer", "grao_ref.rewards.trl"},
    "policies": TENSORS | {"grao_ref.records", "grao_ref.equations", "grao_ref.policies"},
    "policies/tabular.py": TENSORS | {"safetensors", "grao_ref.records", "grao_ref.equations"},
    "policies/embedded.py": TENSORS | MODEL,
    "policies/cache.py": TENSORS | MODEL,
    "policies/sampler.py": TENSORS
    | MODEL
    | {"grao_ref.records", "grao_ref.policies.cache", "grao_ref.policies.drawing", "grao_ref.policies.steps"},
    "policies/steps.py": TENSORS | MODEL | {"grao_ref.policies.cache"},
    "policies/trial.py": TENSORS | MODEL | {"grao_ref.records", "grao_ref.equations", "grao_ref.policies.sampler"},
    "policies/causal_lm.py": TENSORS
    | MODEL
    | {"grao_ref.records", "grao_ref.equations"}
    | {f"grao_ref.policies.{name}" for name in ("critic", "drawing", "lora", "modes", "paged", "probe", "sampler")}
    | {"grao_ref.policies.scoring", "grao_ref.policies.weights"},
    "policies/weights.py": TENSORS | MODEL,
    "policies/paged.py": TENSORS
    | MODEL
    | {"grao_ref.records"}
    | {f"grao_ref.policies.{name}" for name in ("probe", "scoring", "trial")},
    "policies/probe.py": TENSORS
    | MODEL
    | {"grao_ref.records", "grao_ref.equations", "grao_ref.plugins.blame"}
    | {f"grao_ref.policies.{name}" for name in ("cache", "drawing", "lora", "sampler", "scoring", "trial")},
    "policies/scoring.py": TENSORS
    | MODEL
    | {"grao_ref.records", "grao_ref.equations", "grao_ref.policies.outputs"}
    | {f"grao_ref.policies.{name}" for name in ("products", "tiles")},
    "policies/outputs.py": TENSORS
    | MODEL
    | {"grao_ref.records"}
    | {f"grao_ref.policies.{name}" for name in ("parts", "prefix", "sampler")},
    "policies/prefix.py": TENSORS | MODEL,
    "policies/products.py": TENSORS,
    "policies/tiles.py": TENSORS | {"grao_ref.policies.products"},
    "policies/modes.py": TENSORS | MODEL | {f"grao_ref.policies.{name}" for name in ("lora", "prefix", "products")},
    "policies/critic.py": TENSORS | MODEL,
    "policies/adapters.py": {"huggingface_hub", "transformers", "peft", "grao_ref.policies.lora"},
    "policies/load.py": {"grao_ref.plugins.blame", "grao_ref.plugins.manifest"}
    | TENSORS
    | MODEL
    | {f"grao_ref.policies.{name}" for name in ("adapters", "embedded", "lora", "products", "smollm2")},
    "policies/smollm2.py": {"transformers"},
    "policies/build.py": {"torch", "transformers", "grao_ref.policies", "grao_ref.settings.config", "grao_ref.text"},
    "policies/lora.py": TENSORS | MODEL | {"peft", "grao_ref.plugins.manifest"},
    "training": TENSORS
    | INTERFACES
    | METHODS
    | SETTINGS
    | {"grao_ref.records", "grao_ref.equations.masked", "grao_ref.equations.reduce", "grao_ref.training"}
    | {"grao_ref.plugins.manifest"},
    "training/machine.py": {"torch", "grao_ref.records"},
    "training/schedule.py": {"torch", "transformers", "grao_ref.methods.registry", "grao_ref.settings.config"},
    "training/checkpoint.py": TENSORS
    | {"safetensors", "grao_ref.plugins.manifest", "grao_ref.settings.config", "grao_ref.training"},
    "evaluation": TENSORS
    | INTERFACES
    | SETTINGS
    | {"numpy", "scipy", "rich", "grao_ref.equations", "grao_ref.records", "grao_ref.evaluation"}
    | {"grao_ref.policies.causal_lm", "grao_ref.policies.tabular", "grao_ref.tasks.bandit"},
    "evaluation/answers.py": TENSORS
    | {"grao_ref.equations", "grao_ref.records", "grao_ref.evaluation", "grao_ref.policies.causal_lm"}
    | {"grao_ref.training.logprobs"},
    "evaluation/own_answers.py": TENSORS
    | INTERFACES
    | METHODS
    | {"grao_ref.equations", "grao_ref.records", "grao_ref.settings.config", "grao_ref.training.logprobs"},
    "integrations": TENSORS
    | {"trl", "grao_ref.equations", "grao_ref.methods", "grao_ref.settings.config"}
    | {"grao_ref.text", "grao_ref.integrations"},
    "memory": {"grao_ref.memory", "grao_ref.settings.config"},
    "memory/counting.py": {"torch"},
    "memory/outlines.py": {"torch", "grao_ref.memory.counting"},
    "memory/device.py": {"torch"},
    "memory/lengths.py": {"torch", "grao_ref.data.rows", "grao_ref.methods.registry", "grao_ref.records"}
    | {"grao_ref.settings.config"},
    "memory/phases.py": TENSORS
    | {"transformers", "grao_ref.memory", "grao_ref.methods.registry", "grao_ref.policies", "grao_ref.records"}
    | {"grao_ref.settings.config", "grao_ref.training"},
    "memory/estimate.py": {"torch", "transformers", "grao_ref.evaluation.monitor", "grao_ref.memory"}
    | {"grao_ref.methods.registry", "grao_ref.policies", "grao_ref.settings.config"},
    "memory/rough.py": {"grao_ref.evaluation.monitor", "grao_ref.memory", "grao_ref.methods.registry"}
    | {"grao_ref.policies.tiles", "grao_ref.settings.config"},
    "memory/advice.py": {"grao_ref.memory", "grao_ref.methods.registry", "grao_ref.settings.config"},
    "memory/before.py": {"torch", "grao_ref.data", "grao_ref.memory", "grao_ref.plugins.blame", "grao_ref.policies"}
    | {"grao_ref.settings.config"},
    "runs": TENSORS
    | METHODS
    | SETTINGS
    | {"matplotlib", "rich", "scipy", "yaml", "trackio", "grao_ref.evaluation", "grao_ref.training", "grao_ref.runs"}
    | {"grao_ref.plugins.manifest"},
    "runs/run.py": {"torch", "rich", "grao_ref"},
    "runs/every_run.py": {"rich", "grao_ref"},
    "runs/keeper.py": {"grao_ref"},
    "runs/dry_run.py": {"torch", "rich", "grao_ref.data", "grao_ref.memory", "grao_ref.runs.plan"}
    | {"grao_ref.settings.config", "grao_ref.training.machine"},
    "runs/plan.py": METHODS | SETTINGS | {"grao_ref.rewards.build", "grao_ref.setups"},
    "runs/finetune.py": {"torch", "transformers", "grao_ref"},
    "runs/own_objects.py": {"torch", "transformers", "grao_ref.data.rows", "grao_ref.policies", "grao_ref.methods"}
    | {"grao_ref.settings"},
    "runs/sources.py": {"huggingface_hub", "grao_ref"},
    "runs/entrants.py": {"torch", "grao_ref"},
    "runs/compared.py": {"grao_ref"},
    "runs/card.py": {"huggingface_hub", "yaml", "grao_ref.data", "grao_ref.evaluation", "grao_ref.methods"}
    | {"grao_ref.plugins", "grao_ref.policies", "grao_ref.runs", "grao_ref.settings"},
    "runs/hub.py": {"huggingface_hub", "grao_ref.plugins", "grao_ref.policies", "grao_ref.runs", "grao_ref.settings"},
    "runs/trackers.py": {"torch", "trackio", "wandb", "grao_ref.plugins", "grao_ref.settings.config"},
    "setups.py": {"torch", "transformers", "grao_ref"},
    "runs/train_command.py": {"torch", "rich", "grao_ref"},
    "runs/evaluate_command.py": {"torch", "rich", "grao_ref"},
    "runs/head_command.py": {"torch", "numpy", "rich", "grao_ref.data", "grao_ref.rewards", "grao_ref.text"}
    | {"grao_ref.policies.load", "grao_ref.training.machine", "grao_ref.settings.head"}
    | {"grao_ref.runs.folder", "grao_ref.runs.progress", "grao_ref.plugins", "grao_ref.settings.flags"},
    "train.py": THIN,
    "reward_head.py": THIN,
    "evaluate.py": THIN,
    "pretrain.py": TENSORS | {"tokenizers", "transformers", "grao_ref"},
    "__init__.py": {"grao_ref.equations", "grao_ref.runs.finetune"},  # each when its name is first read
    "__main__.py": {"grao_ref", "grao_ref.plugins.near"},  # `grao`: a command is imported by name, when it is chosen
}
COMMANDS = {"train.py", "evaluate.py", "pretrain.py", "reward_head.py", "__main__.py"}  # nobody imports them
ASSEMBLY = {
    "setups.py",
    "runs/run.py",
    "runs/every_run.py",
    "runs/keeper.py",
    "runs/finetune.py",
    "runs/sources.py",
    "runs/train_command.py",
    "runs/evaluate_command.py",
    "runs/entrants.py",
    "runs/compared.py",
}  # what the commands are put together from
TOP = COMMANDS | {"setups.py", "records.py", "__init__.py"}
UNREACHED = {"grao_ref.policies.causal_lm", "grao_ref.policies.load", "grao_ref.train", "grao_ref.setups"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_theory_never_imports_transformers_and_exact_judges_the_package_without_it():
    for path in THEORY:
        assert "transformers" not in {module.split(".")[0] for module in imports(path)}
        assert not UNREACHED & imports(path), f"{name_of(path)} reaches beyond the loop"
    judges = [ROOT / "theory" / name for name in ("exact.py", "groups.py")]
    own = {"math", "numpy", "operator", "scipy", "dataclasses", "theory.groups"}
    for path in judges:
        assert {module if module.startswith("theory") else module.split(".")[0] for module in imports(path)} <= own


def test_only_one_file_of_the_theory_reaches_the_loop_and_its_config():
    reach = {"grao_ref.training.loop", "grao_ref.settings.config", "grao_ref.policies.tabular", "grao_ref.tasks.bandit"}
    assert {name_of(path) for path in THEORY if reach & imports(path)} <= {"theory/runs.py"}


def imports(path: Path) -> set[str]:
    """Full names of the modules a file imports, wherever in it they are imported."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively"
            found.add(str(node.module))
    return found


def functions(path: Path) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]


def allowed(module: str, layer: set[str]) -> bool:
    return any(module == name or module.startswith(name + ".") for name in STANDARD | layer)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_respect_the_layers(path):
    place = path.relative_to(PACKAGE)
    layer = LAYERS.get(str(place)) or LAYERS.get(str(place.parent)) or LAYERS[place.parts[0]]
    assert {module for module in imports(path) if not allowed(module, layer)} == set()


def test_control_the_layers_would_notice():
    assert not allowed("transformers", LAYERS["equations"])
    assert not allowed("grao_ref.methods.grao", LAYERS["training"])  # the loop knows no method by its name
    assert not allowed("grao_ref.settings.checks", LAYERS["methods"])
    assert not allowed("torchvision", LAYERS["equations"])
    assert not any(
        allowed("grao_ref.train", layer) for name, layer in LAYERS.items() if name not in COMMANDS | ASSEMBLY
    )
    commands = {f"grao_ref.{name.removesuffix('.py')}" for name in COMMANDS}
    assert not [path for path in MODULES if commands & imports(path)]


def test_at_the_top_stand_commands_records_and_setups_alone():
    assert {path.name for path in PACKAGE.glob("*.py")} == TOP


def edges() -> dict[str, set[str]]:
    """Module -> the package's modules that it imports, wherever in the file."""
    names = {str(path.relative_to(ROOT).with_suffix("")).replace("/", "."): path for path in MODULES}
    return {name: {module for module in imports(path) if module in names} for name, path in names.items()}


def circles(graph: dict[str, set[str]]) -> set[str]:
    """The modules that import themselves, by way of others or not."""

    def reached(start: str) -> set[str]:
        seen, waiting = set(), list(graph[start])
        while waiting:
            module = waiting.pop()
            if module not in seen:
                seen.add(module)
                waiting += graph[module]
        return seen

    return {module for module in graph if module in reached(module)}


def test_no_module_imports_itself_by_way_of_others():
    assert circles(edges()) == set()
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == {"a", "b", "c"}  # control


NAMES = {"bandit", "sorting", "tiny", "tabular", "sft", "dpo", "ppo", "grpo", "grao"}
DISPATCH = {"settings/config.py", "settings/checks.py"}  # bandit or text: once, and what does not fit with either


def compared(path: Path) -> set[str]:
    """The strings that a file compares something with."""
    return {
        constant.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare)
        for constant in ast.walk(node)
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    }


def test_nobody_asks_for_a_method_or_a_task_by_its_name():
    found = {str(path.relative_to(PACKAGE)): compared(path) & NAMES for path in MODULES}
    assert {name for name, strings in found.items() if strings} <= DISPATCH
    assert found["settings/config.py"] == {"bandit"}  # control: the place where it is done is seen


@pytest.mark.parametrize("path", [*MODULES, *THEORY], ids=name_of)
def test_files_and_functions_stay_small(path):
    lines = path.read_text().count("\n")
    assert lines <= 210, f"{lines} lines"
    for function in functions(path):
        arguments = [a for a in (*function.args.args, *function.args.kwonlyargs) if a.arg not in ("self", "cls")]
        assert function.end_lineno - function.lineno < 60, function.name
        contract = function.name == "expected_update"  # eight, fixed by the public contract
        assert len(arguments) <= (8 if contract else 7), function.name


@pytest.mark.parametrize("path", [*MODULES, *THEORY], ids=name_of)
def test_everything_public_is_documented(path):
    tree = ast.parse(path.read_text())
    public = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")]
    methods = [m for c in public if isinstance(c, ast.ClassDef) for m in c.body if isinstance(m, ast.FunctionDef)]
    undocumented = [n.name for n in (*public, *methods) if not n.name.startswith("_") and not ast.get_docstring(n)]
    assert undocumented == []
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("path", sorted((PACKAGE / "equations").glob("*.py")), ids=name_of)
def test_tensors_in_an_equation_s_signature_have_shapes(path):
    for function in functions(path):
        if path.name == "checks.py" or function.name.startswith("_"):
            continue
        annotations = [
            ast.unparse(a.annotation) for a in (*function.args.args, *function.args.kwonlyargs) if a.annotation
        ]
        annotations.append(ast.unparse(function.returns))
        assert not [text for text in annotations if re.search(r"(?<![\w\[])Tensor", text)], function.name


def test_every_setting_is_read_and_documented():
    text = "".join(path.read_text() for path in (PACKAGE / "settings" / "groups").glob("*.py"))
    read = {
        node.attr
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) in ({"self"} if path.name == "config.py" else {"config", "self.config"})
    }
    for field in fields(Config):
        assert field.name in read, f"nobody reads {field.name}"
        assert re.search(rf'    {field.name}: .*\n    """\w', text), f"{field.name} has no sentence"


def test_the_public_names_are_those_of_the_contract():
    contract = {
        "group_advantages",
        "grao_objective",
        "likelihood_weights",
        "mean_log_likelihood",
        "relative_adversarial_score",
        "normalized_alignment_gain",
        "imitate_while_ahead",
    }
    assert contract <= set(grao_ref.__all__)
    assert all(hasattr(grao_ref, name) for name in grao_ref.__all__)
    assert set(BUILT_IN) == {"sft", "dpo", "ppo", "grpo", "grao"}


def equation_rows() -> list[list[str]]:
    """The cells of the table of every function."""
    page = (PAGES / "from_the_paper_to_the_code.md").read_text()
    table = page.split("\n## Every function\n")[1].split("\n## Symbols\n")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def equations() -> set[str]:
    """module.name of every public function and class of the equations."""
    return {
        f"{path.stem}.{node.name}"
        for path in (PACKAGE / "equations").glob("*.py")
        if path.stem not in ("checks", "ranges")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    } - {"grao.GRAOTerms"}  # what grao_objective returns, not an equation


def test_the_table_has_a_row_for_every_equation_and_only_for_those_that_exist():
    assert {row[2].strip("*`") for row in equation_rows()} == equations()
    ids = {id_ for row in equation_rows() for id_ in row[0].split(", ")}
    assert {f"eq-{n}" for n in (1, 2, 3, 4, 5, 6)} <= ids


def test_the_rows_name_tests_that_exist_and_mark_what_is_public():
    for _, _, function, test, _ in equation_rows():
        file, name = test.strip("`").split("::")
        assert f"def {name}(" in (ROOT / "tests" / "equations" / file).read_text(), test
        assert function.startswith("**") == (function.strip("*`").split(".")[1] in grao_ref.__all__), function


def test_the_tree_names_every_module():
    tree = (PAGES / "the_house.md").read_text().split("\n## The tree\n")[1].split("```")[1]
    assert [name_of(path) for path in MODULES if path.name != "__init__.py" and path.name not in tree] == []


def test_ci_runs_the_readme_s_commands():
    assert "make test" in README
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text()


def test_what_mutation_testing_leaves_out_is_there():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]["pytest_add_cli_args"]
    left_out = [after for option, after in pairwise(options) if option == "--deselect"]
    assert left_out
    for path, name in (each.split("::") for each in left_out):
        assert f"\ndef {name}(" in (ROOT / path).read_text()


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    names = {re.split(r"[><=!~\[ ]", dependency)[0].lower().replace("-", "_") for dependency in wanted} - {"grao_ref"}
    assert names <= {name.replace("-", "_") for name in pinned}
