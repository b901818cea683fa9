#!/usr/bin/env python3
"""Writes the README's speed table from one committed measurement, between the two speed marks.

    tools/speed_table.py           rewrites the table from bench/results/MEASUREMENT
    tools/speed_table.py --check   fails when the table is not that of the measurement
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "README.md"
MEASUREMENT = "2026-11-21-h200-published.json"
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


def table(measured):
    means = measured["geometric_means"]
    head = (f"{measured['gpu']['name']}, driver {measured['driver']}, {measured['timer']}, L2 full of dirty lines before each call, "
            f"medians of {measured['rounds']} alternating rounds, commit {measured['commit'][:12]}.\n"
            f"Geometric means over all {len(measured['results'])} shapes: {means['cublaslt_block']:.2f} times as fast as cuBLASLt "
            f"{measured['cublaslt']} block-scaled, score {means['score']:.3f}.\n\n"
            f"    {measured['command']}\n\n"
            "| m | n, k | us | TFLOPS | GB/s | x cuBLASLt block-scaled | x cuBLASLt per-tensor | score | H800, 2025: TFLOPS |\n"
            "|---|---|---|---|---|---|---|---|---|\n")
    return head + "\n".join(row(result) for result in measured["results"] if result["m"] in SHOWN) + "\n"


def main():
    page = PAGE.read_text()
    if not MARKS.search(page):
        sys.exit(f"speed_table: {PAGE.name} lacks the two speed marks")
    new = MARKS.sub(lambda _: table(json.loads((ROOT / "bench/results" / MEASUREMENT).read_text())), page)
    if "--check" not in sys.argv:
        PAGE.write_text(new)
    elif new != page:
        sys.exit(f"speed_table: the README's table is not that of bench/results/{MEASUREMENT}; run tools/speed_table.py")


if __name__ == "__main__":
    main()
