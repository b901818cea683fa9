#!/usr/bin/env python3
"""Published against better load balancing, over distributions of load and deployments, as a Markdown page.

    tools/balance_table.py build/release/fathom > docs/balance_results.md

Needs NumPy. Loads are made up by a fixed seed; times are of this machine.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

LAYERS = 10  # planned for each cell
DRIFT_STEPS = 50
# GPUs, nodes, experts, slots. Slots are a multiple of the GPUs: 144 and 320 GPUs leave little choice.
DEPLOYMENTS = [(8, 1, 256, 256), (8, 1, 256, 272), (8, 1, 256, 320), (8, 1, 384, 384), (8, 1, 384, 448),
               (32, 4, 256, 256), (32, 4, 256, 288), (32, 4, 256, 320), (32, 4, 384, 384), (32, 4, 384, 448),
               (144, 18, 256, 288), (144, 18, 384, 432), (320, 40, 256, 320), (320, 40, 384, 640)]
GROUPS = 8
UNCUT = ("--time-budget", 10000)  # ms: no search is cut off, so the plans are the same on every machine


def distributions(rng, experts):
    """(name, loads [LAYERS, experts])"""
    ranks = np.stack([rng.permutation(experts) + 1.0 for _ in range(LAYERS)])
    yield "uniform", rng.random(ranks.shape) + 0.5
    for exponent in (0.3, 0.6, 0.9, 1.2):
        yield f"Zipf {exponent}", ranks ** -exponent
    yield "one hot", np.where(ranks == 1, 0.2 * experts, 1.0 + 0.1 * rng.random(ranks.shape))


class Planner:
    def __init__(self, binary, folder):
        self.binary = binary
        self.loads = pathlib.Path(folder) / "loads.npy"
        self.current = pathlib.Path(folder) / "plan.json"

    def plan(self, loads, deployment, policy, *flags):
        gpus, nodes, _, slots = deployment
        np.save(self.loads, loads.astype(np.float32))
        command = [self.binary, "balance", "--loads", self.loads, "--replicas", slots, "--groups", GROUPS, "--nodes", nodes,
                   "--gpus", gpus, "--policy", policy, "--json", *flags]
        return json.loads(subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout)

    def follow(self, plan):
        """The flags that make `plan` the current one."""
        self.current.write_text(json.dumps(plan))
        return "--current", self.current


def mean_of(plan, field):
    return np.mean([layer[field] for layer in plan["per_layer"]])


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


def head(*cells):
    row(*cells)
    row(*["---"] + ["---:"] * (len(cells) - 1))


def compare_distributions(planner):
    print("## Maximum / mean load of a GPU\n")
    print(f"Mean over {LAYERS} layers. Before: experts in their order, no replicas. Bound: no placement is below it. Duplicates:")
    print("slots of all layers that repeat an expert of their GPU. Times: milliseconds of CPU time for one layer; no time budget")
    print("cuts a search off in this table and the next.\n")
    head("deployment", "load", "before", "published", "better", "bound", "duplicates published", "better",
         "ms published", "better")
    worse = 0
    for deployment in DEPLOYMENTS:
        gpus, nodes, experts, slots = deployment
        name = f"{gpus} GPUs, {nodes} nodes, {experts} experts, {slots} slots"
        for load, loads in distributions(np.random.default_rng(1), experts):
            published = planner.plan(loads, deployment, "published")
            better = planner.plan(loads, deployment, "better", *UNCUT)
            for old, new in zip(published["per_layer"], better["per_layer"]):
                worse += new["max_over_mean"] > old["max_over_mean"] * (1 + 1e-9)
            row(name, load, *(f"{value:.3f}" for value in (
                mean_of(better, "max_over_mean_before"), mean_of(published, "max_over_mean"),
                mean_of(better, "max_over_mean"), mean_of(better, "bound"))),
                published["duplicates"], better["duplicates"],
                *(f"{plan['cpu_seconds'] * 1e3 / LAYERS:.2f}" for plan in (published, better)))
    print(f"\nLayers in which the better policy is worse than the published one: {worse}.\n")


def compare_drift(planner):
    print("## Loads that drift\n")
    print(f"Zipf 0.8, one layer; in each of {DRIFT_STEPS} steps every load is multiplied with exp(0.05 x), x normal. Each policy plans")
    print("anew at every step from the plan it made before: published, better without a limit of moves, and better that moves at")
    print("most a fifth of the experts (limited). Maximum / mean load: means over the steps. Moved: experts that come to a GPU")
    print("without them, in one step. Worse: steps in which a plan is above the published one of that step; no other could be:")
    print("those of them in which the bound for so few moves is above it as well.\n")
    head("deployment", "published", "better", "limited", "its bound", "moved published, mean", "better, mean", "better, most",
         "limited, mean", "limited, most", "limit", "worse: better", "worse: limited", "no other could be")
    for deployment in DEPLOYMENTS:
        gpus, nodes, experts, slots = deployment
        rng = np.random.default_rng(2)
        log_loads = -0.8 * np.log(rng.permutation(experts) + 1.0)
        flags = {"published": (), "better": UNCUT, "limited": (*UNCUT, "--max-moves", experts // 5)}
        policy = {name: name if name == "published" else "better" for name in flags}
        plans = {name: planner.plan(np.exp(log_loads)[None], deployment, policy[name]) for name in flags}
        history = {name: [] for name in flags}
        for _ in range(DRIFT_STEPS):
            log_loads += 0.05 * rng.standard_normal(experts)
            for name in flags:
                plans[name] = planner.plan(np.exp(log_loads)[None], deployment, policy[name], *planner.follow(plans[name]),
                                           *flags[name])
                history[name].append(plans[name])
        field = lambda name, key: np.array([plan[key] for plan in history[name]])
        published = field("published", "max_over_mean") * (1 + 1e-9)
        worse = {name: field(name, "max_over_mean") > published for name in ("better", "limited")}
        row(f"{gpus} GPUs, {nodes} nodes, {experts} experts, {slots} slots",
            *(f"{field(name, 'max_over_mean').mean():.3f}" for name in flags), f"{field('limited', 'bound').mean():.3f}",
            f"{field('published', 'moves').mean():.0f}",
            *(f(field(name, "moves")) for name in ("better", "limited") for f in (lambda m: f"{m.mean():.0f}", np.max)), experts // 5,
            worse["better"].sum(), worse["limited"].sum(), (worse["limited"] & (field("limited", "bound") > published)).sum())
    print()


def measure_time(planner):
    print("## Planning time\n")
    print("60 layers of 256 experts, 288 slots on 144 GPUs of 18 nodes, Zipf 0.8, default time budget of 40 ms: the least of 20")
    print("runs, in milliseconds of CPU time of one core; and the experts that move in a layer, in the mean.\n")
    rng = np.random.default_rng(3)
    deployment = (144, 18, 256, 288)
    loads = np.stack([rng.permutation(256) + 1.0 for _ in range(60)]) ** -0.8
    drifted = loads * np.exp(0.05 * rng.standard_normal(loads.shape))
    follow = planner.follow(planner.plan(loads, deployment, "better"))
    head("plan", "ms", "moved")
    for name, policy, planned, flags in (("published", "published", loads, ()), ("better", "better", loads, ()),
                                         ("published, after one step of drift", "published", drifted, follow),
                                         ("better, after one step of drift", "better", drifted, follow)):
        plans = [planner.plan(planned, deployment, policy, *flags) for _ in range(20)]
        row(name, f"{min(plan['cpu_seconds'] for plan in plans) * 1e3:.1f}",
            f"{plans[0]['moves'] / len(loads):.0f}" if flags else "")


def main():
    print("# Load balancing: published against better\n")
    print("Made by `tools/balance_table.py build/release/fathom`; do not edit. What the words mean: [balance.md](balance.md).\n")
    with tempfile.TemporaryDirectory() as folder:
        planner = Planner(sys.argv[1], folder)
        compare_distributions(planner)
        compare_drift(planner)
        measure_time(planner)


if __name__ == "__main__":
    main()
