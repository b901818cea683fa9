#!/usr/bin/env python3
"""Draws the arrows of tools/layers.py into ARCHITECTURE.md, between the two depgraph marks.

    tools/depgraph.py           rewrites the picture
    tools/depgraph.py --check   fails when the picture is not that of the table
"""

import difflib
import re
import sys

import layers

PAGE = layers.ROOT / "ARCHITECTURE.md"
MARKS = re.compile(r"(?<=<!-- depgraph: begin -->\n).*?(?=<!-- depgraph: end -->)", re.DOTALL)

LABELS = {
    "values": "values<br>include/fathom: dtype, tensor, error, context",
    "public": "public<br>include/fathom: gemm, quantize, c_api",
    "problem": "problem<br>src/plan/*_problem.hpp",
    "contract": "contract<br>device/**/*.hpp",
    "device": "device<br>device/**/*.cuh",
    "emulator": "emulator<br>emulator",
    "bench": "benchmarks<br>bench",
    "cli": "command line<br>cli",
    "emulated_driver": "emulated driver<br>emulator/driver, emulator/kernels",
}


def reachable(name, arrows, without):
    """What `name` reaches when the direct arrow to `without` is left out."""
    seen, todo = set(), [goal for goal in arrows[name] if goal != without]
    while todo:
        goal = todo.pop()
        if goal not in seen:
            seen.add(goal)
            todo += arrows[goal]
    return seen


def drawing():
    """Mermaid text; an arrow that follows from others is left out."""
    drawn = [layer for layer in layers.LAYERS if layer.drawn]
    names = {layer.name for layer in drawn}
    arrows = {layer.name: [goal for goal in layer.sees if goal in names] for layer in drawn}
    lines = ["```mermaid", "graph TD"]
    for layer in drawn:
        lines.append(f'  {layer.name}["{LABELS.get(layer.name, f"{layer.name}<br>src/{layer.name}")}"]')
    for name, goals in arrows.items():
        lines += [f"  {name} --> {goal}" for goal in goals if goal not in reachable(name, arrows, goal)]
    return "\n".join([*lines, "```", ""])


def main():
    page = PAGE.read_text()
    if not MARKS.search(page):
        sys.exit(f"depgraph: {PAGE.name} lacks the two depgraph marks")
    new = MARKS.sub(lambda _: drawing(), page)
    if "--check" not in sys.argv:
        PAGE.write_text(new)
    elif new != page:
        sys.stdout.writelines(difflib.unified_diff(page.splitlines(True), new.splitlines(True), "in the page", "of the table"))
        sys.exit("depgraph: run tools/depgraph.py")


if __name__ == "__main__":
    main()
