"""A search and its answer, cell by cell: run it as a script, or open it in an editor that knows ``# %%``.

python examples/quickstart.py                     # two minutes on two cores
python examples/quickstart.py --trials 4 --budget 100     # a look at how it works, in some seconds
"""

# %% What to search: the space file, and how much of it
from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.figure import Figure

import paretune

SPACE = Path(__file__).parent.parent / "search_spaces" / "quickstart.yaml"

parser = argparse.ArgumentParser(description="How small can a transformer be and still add?")
parser.add_argument("--trials", type=int, default=32)
parser.add_argument("--budget", type=int, default=None, help="steps of each trial; the file's if left out")
parser.add_argument("--results", default="results")
options = parser.parse_args()

# %% Check it: every mistake has its line, and nothing is trained yet
plan = paretune.check(SPACE, trials=options.trials, budget=options.budget)
for name, text in paretune.summary(plan).sentences:
    print(f"{name:>15}: {text}")

# %% Search: Ctrl-C, or the stop button, keeps what is known
search = paretune.search(SPACE, trials=options.trials, budget=options.budget, results=options.results)
print(search.endings)

# %% What was found, in sentences
print("\n".join(search.answer().sentences))

# %% The best configurations
columns = [
    "rank",
    "configuration",
    "params",
    "solved",
    "seeds",
    "exact_match_median",
    "d_model",
    "n_heads",
    "d_ff",
    "lr",
]
print(search.ranking()[columns].head(8).to_string(index=False))

# %% The cliff: the sizes between which the success rate rises
cliff = search.cliff()
print("\n".join(cliff.sentences))

# %% The frontier: configurations that no other beats in both size and success rate
frontier = search.frontier(against="params")
print(frontier.points[["configuration", "params"]].to_string(index=False))

# %% A figure of both
figure = Figure(figsize=(11, 4.5), layout="constrained")
left, right = figure.subplots(1, 2)
for finding, axes in ((cliff, left), (frontier, right)):
    if finding.pictures:
        finding.plot(axes)
path = search.folder / "quickstart.png"
figure.savefig(path, dpi=150)
print(f"figure: {path}")
