#!/usr/bin/env python3
"""Writes all that is shown of speed from the committed measurements: the README's table between its two speed marks, the pages
of all dense and all grouped shapes, two pictures.

    tools/speed_page.py           rewrites them from the JSON files in bench/results
    tools/speed_page.py --check   fails when one of them is not that of the JSON files
"""

import json
import pathlib
import re
import statistics
import sys

import speed_charts
from speed_charts import shape

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench/results"
PAGE = ROOT / "README.md"
MEASUREMENT = RESULTS / "2026-11-22-h200-published.json"  # by `fathom bench --suite published`
DENSE_PAGE, GROUPED_PAGE, SCORES, ROOFLINE = (
    RESULTS / f"2026-11-22-h200-{name}" for name in ("published.md", "grouped.md", "scores.svg", "roofline.svg"))
GROUPED = {  # by the suites of these names: RESULTS / 2026-11-22-h200-SUITE.json
    "contiguous": "Contiguous rows (row_group, alignment 128)",
    "masked": "Masked rows, published shapes",
    "masked_decode": "Masked rows as expert-parallel decode has them",
    "unaligned": "Groups from any row (offsets) against the aligned form and against pad + aligned GEMM + unpad",
    "routing": "Routing as in real models (offsets)",
}
MARKS = re.compile(r"(?<=<!-- speed: begin -->\n).*?(?=<!-- speed: end -->)", re.DOTALL)
SHOWN = (1, 16, 64, 128, 4096)  # values of m, so that the table fits a page; the file has all


def number(value, form):
    return format(value, form) if value is not None else ""


def row(result):
    block = result.get("cublaslt_block", {}).get("ratio")
    return "| {m} | {n}, {k} | {us:.2f} | {tflops:.0f} | {gb:.0f} | {block} | {tensor} | {score} | {h800} |".format(
        m=result["m"], n=result["n"], k=result["k"], us=result["median_us"], tflops=result["tflops"], gb=result["gb_per_s"],
        block=number(block, ".2f") or "refused", tensor=number(result.get("cublaslt_tensor", {}).get("ratio"), ".2f"),
        score=number(result.get("score"), ".3f"), h800=number(result.get("h800_2025_tflops"), ".0f"))


def conditions(measured):
    means = measured["geometric_means"]
    return (f"{measured['gpu']['name']}, driver {measured['driver']}, {measured['timer']}, L2 full of dirty lines before each call, "
            f"medians of {measured['rounds']} alternating rounds, commit {measured['commit'][:12]}.\n"
            f"Geometric means over all {len(measured['results'])} shapes: {means['cublaslt_block']:.2f} times as fast as cuBLASLt "
            f"{measured['cublaslt']} block-scaled, score {means['score']:.3f}.\n\n"
            f"    {measured['command']}\n\n")


def table(measured):
    return conditions(measured) + (
        "| m | n, k | us | TFLOPS | GB/s | x cuBLASLt block-scaled | x cuBLASLt per-tensor | score | H800, 2025: TFLOPS |\n"
        "|---|---|---|---|---|---|---|---|---|\n") + "\n".join(
            row(result) for result in measured["results"] if result["m"] in SHOWN) + "\n"


def scores_by_rows(results):
    """For each m: geometric mean and least score; at m = 64 also the time over the floor of streaming B alone."""
    lines = ["| m | score: geometric mean | least |", "|---|---|---|"]
    for m in dict.fromkeys(result["m"] for result in results):
        scores = [result["score"] for result in results if result["m"] == m]
        lines.append(f"| {m} | {statistics.geometric_mean(scores):.3f} | {min(scores):.3f} |")
    over_floor = [result["median_us"] / result["floor_us"] for result in results if "floor_us" in result]
    return "\n".join(lines) + f"\n\nTime over that of streaming B alone, m = 64: {statistics.geometric_mean(over_floor):.3f} in geometric mean.\n"


def dense_row(result):
    def other(name):
        measured = result.get(name, {})
        return f"{measured['median_us']:.2f} ({measured['ratio']:.2f})" if "ratio" in measured else "refused"
    return (f"| {shape(result)} | {result['config']} | {result['median_us']:.2f} | {result['tflops']:.0f} | {result['gb_per_s']:.0f} | "
            f"{other('cublaslt_block')} | {other('cublaslt_tensor')} | {result['score']:.3f} |")


def dense_page(measured):
    return ("# Dense FP8 GEMM on an H200, planned configs\n\n" + conditions(measured) +
            "Score: our speed relative to cuBLASLt per-tensor in this run over DeepGEMM 2.6.1's relative to it (bench/published.hpp); above 1 is\n"
            "faster. What binds a shape:\n"
            "`fathom plan --m M --n N --k K --device h200`, and docs/kernels/gemm.md. Clocks and rounds: the JSON beside this page.\n"
            "Written by tools/speed_page.py.\n\n" + scores_by_rows(measured["results"]) +
            "\n| m x n x k | config | us | TFLOPS | GB/s | cuBLASLt block us (ratio) | per-tensor us (ratio) | score |\n"
            "|---|---|---|---|---|---|---|---|\n" + "\n".join(map(dense_row, measured["results"])) + "\n")


def grouped_row(result):
    def ratio(name):
        return number(result.get(name, {}).get("ratio"), ".3f")
    return (f"| {result['name']} ({result['n']}, {result['k']}) | {result['config']} | {result['median_us']:.2f} | {result['tflops']:.0f} | "
            f"{result['gb_per_s']:.0f} | {result['rows_valid']} | {result['rows_computed']} | {ratio('aligned')} | {ratio('padded')} | "
            f"{number(result.get('score'), '.3f')} |")


def grouped_page():
    page = """# Grouped FP8 GEMM on an H200, planned configs

Kernel time (CUPTI), L2 full of dirty lines before each call. "Valid": rows that belong to a group; "computed": rows of the tiles visited.
"Aligned", "padded": the time of that contender over ours, the same rows in groups that start at multiples of 128, and our own pad copy + aligned
GEMM + unpad copy; timed where padding adds over 25 % of the rows. Score: ratio to DeepGEMM 2.6.1 by the yardstick of its table (cuBLASLt
per-tensor, dense 4096 x 4096 x 7168, in the same run); above 1 is faster. Written by tools/speed_page.py.
"""
    for suite, title in GROUPED.items():
        measured = json.loads((RESULTS / f"2026-11-22-h200-{suite.replace('_', '-')}.json").read_text())
        means = ", ".join(f"{name} {mean:.3f}" for name, mean in measured["geometric_means"].items())
        page += (f"\n## {title}\n\nCommit {measured['commit'][:12]}, driver {measured['driver']}, medians of {measured['rounds']} alternating "
                 f"rounds. Geometric means: {means}.\n\n    {measured['command']}\n\n"
                 "| groups (n, k) | config | us | TFLOPS | GB/s | valid | computed | aligned | padded | score |\n"
                 "|---|---|---|---|---|---|---|---|---|---|\n" + "\n".join(map(grouped_row, measured["results"])) + "\n")
    return page


def main():
    measured = json.loads(MEASUREMENT.read_text())
    page = PAGE.read_text()
    if not MARKS.search(page):
        sys.exit(f"speed_page: {PAGE.name} lacks the two speed marks")
    derived = {PAGE: MARKS.sub(lambda _: table(measured), page), DENSE_PAGE: dense_page(measured), GROUPED_PAGE: grouped_page(),
               SCORES: speed_charts.scores(measured["results"]), ROOFLINE: speed_charts.roofline(measured["results"])}
    for path, text in derived.items():
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"speed_page: {path.relative_to(ROOT)} is not that of the measurements; run tools/speed_page.py")


if __name__ == "__main__":
    main()
