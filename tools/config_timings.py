#!/usr/bin/env python3
"""Puts measurements of `fathom bench --candidates` (or --configs) into a table of timings that tests/fit/gemm_cost.cpp reads.

    tools/config_timings.py TABLE.json RESULT.json... [--about TEXT]

A problem of the table that the results have too loses all its old times: the contenders of a problem come from one run.
"""

import argparse
import json
import pathlib
import sys

FAR = 1.6  # times the best: slower configs tell the model nothing about choices


def problem_of(row):
    return row["m"], row["n"], row["k"]


def measured(paths):
    """{problem: {tag: us}} and the card of the results; the last result of a problem counts."""
    problems, gpu = {}, None
    for path in paths:
        report = json.loads(path.read_text())
        gpu = f"{report['gpu']['name']}, driver {report['driver']}"
        timed = {}
        for row in report["results"]:
            if row["layout"] != "dense":
                raise ValueError(f"{path}: {row['layout']} rows; the table holds dense products")
            if "median_us" in row:
                timed.setdefault(problem_of(row), {})[row["config"]] = round(row["median_us"], 2)
        problems |= timed
    return problems, gpu


def without_far(us):
    best = min(us.values())
    return dict(sorted(((tag, time) for tag, time in us.items() if time <= FAR * best), key=lambda item: item[1]))


def written(head, problems):
    """One problem a line, so that a difference can be read."""
    lines = [json.dumps({"m": m, "n": n, "k": k, "us": without_far(us)}) for (m, n, k), us in sorted(problems.items())]
    return json.dumps(head)[:-1] + ', "problems": [\n' + ",\n".join(lines) + "\n]}\n"


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=pathlib.Path)
    parser.add_argument("results", type=pathlib.Path, nargs="+")
    parser.add_argument("--about", help="what the table's timings are; a new table needs it")
    options = parser.parse_args(arguments)
    if not options.table.exists() and options.about is None:
        parser.error(f"{options.table} is new: say by --about what it holds")
    table = json.loads(options.table.read_text()) if options.table.exists() else {"problems": []}
    fresh, gpu = measured(options.results)
    problems = {problem_of(row): row["us"] for row in table["problems"]} | fresh
    head = {"about": options.about or table["about"], "gpu": gpu}
    options.table.write_text(written(head, problems))
    print(f"{options.table}: {len(problems)} problems, {len(fresh)} of them measured now")


if __name__ == "__main__":
    main(sys.argv[1:])
