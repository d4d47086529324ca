"""A site of three fast tutorials, with each kind of cell that the real ones have."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIRST = """# %% [markdown]
# # A tiny page
#
# What $x^2$ is, in a *word*,
# and `$y$` in code.
#
# ## The square $a^2$
#
# A formula $b_1 + 1$, a price of $5 or $10 a piece, one in code, `$c$`, and a display:
#
# $$ \\frac{1}{G} \\sum_i A_i J(o_i) + \\beta A_y J(y)
# + \\lambda \\frac{1}{G} \\sum_i A_i (J(o_i) - J(y)) + \\text{what a phone is too narrow for} $$
#
# ```text
# $not$ a formula
# ```

# %%
import os
from pathlib import Path

from tutorials import interactive, style

print("a long line of output, " * 20)
print("here:", Path.cwd().name, os.environ["HF_HUB_OFFLINE"], os.environ["OMP_NUM_THREADS"])

# %% tags=["picture"]
drawn, (axes,) = style.figure()
axes.plot([0, 1], **style.METHODS["GRAO"])
style.show(drawn, "A caption with <angles>.", alt="A line & nothing else.")

# %%
def draw_line(β, n):
    drawn, (axes,) = style.figure(height=2)
    axes.plot([0, β, n])
    return drawn


interactive.sliders(
    draw_line, {"β": [0, 0.5, 1], "n": [1, 10]}, {"β": 0.5, "n": 1}, "A line.", alt="A line"
)
interactive.sliders(draw_line, {"β": [0, 1], "n": [1]}, {"β": 0, "n": 1}, "A line.", alt="A line")
"""
SECOND = "# %% [markdown]\n# # The second\n#\n# It says & computes nothing.\n\n# %%\nx = 1\n"
BROKEN = "# %% [markdown]\n# # Broken\n#\n# It claims too much.\n\n# %%\nassert 1 == 2, 'one [is] not two'\n"

PAGE = """# A tiny recipe

How to add $1 + 1$.

```python
x = 1 + 1
print("the sum is", x)
```

A command, and an excerpt, which are shown and not run:

```bash
exit 1
```

```python excerpt
assert False
```

```python table
from tutorials import style

style.table(["word", "meaning"], [["`x`", "a <sum>"]])
```

See [the first](../01_tiny.py), [another page](another.md#here) and [the site](https://example.org/a.md).

```python
assert x == 2  # one namespace
```
"""
BROKEN_PAGE = PAGE.replace("assert x == 2", "assert x == 2\n\nassert x == 3, 'one [is] not two'")


def build(folder: Path, scripts: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Write scripts and pages into a folder and let `python -m tutorials` build them into folder/site."""
    for name, text in scripts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "tutorials", *words(folder), *arguments]
    open_to_all = os.environ | {"HF_HUB_OFFLINE": "0", "OMP_NUM_THREADS": "2"}  # a build sets its own
    return subprocess.run(command, cwd=ROOT, env=open_to_all, capture_output=True, text=True, timeout=120, check=False)


def words(folder: Path) -> list[str]:
    """What the command is given to build folder/site."""
    return ["--source-dir", str(folder), "--output-dir", str(folder / "site")]
