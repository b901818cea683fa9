#!/usr/bin/env python3
"""`make demo`: FP8 matrix products on the weights of a real model by the command build/release/fathom, against FP64.

First every linear layer: weights quantised with one scale per 128x128, activations with one per 1x128, and the product
compared with the FP64 product of what was quantised and of what it was quantised from. Then one layer with outlier
channels of growing size, with one scale per tensor and with fine-grained scales. NumPy holds the FP64 side and checks the
library's quantised bytes against its own.
"""

import json
import pathlib
import subprocess
import sys
import textwrap

import numpy as np

import fp8
import model
import plot
import tensor_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
FATHOM = ROOT / "build/release/fathom"
OUT = ROOT / "build/demo"

SEED = 1
ROWS = 512  # tokens: the longest input that the model takes
NUM_OUTLIERS = 2  # channels; about one in a thousand, as published for large language models
FACTORS = [10 ** (e / 2) for e in range(11)]  # 1 to 1e5
TOLERANCE = 5e-4  # of an FP32 result against FP64 of the quantised operands: docs/numerics.md


def fathom(*words):
    """Runs the command and gives back its JSON object."""
    done = subprocess.run([str(FATHOM), *map(str, words), "--json"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"demo: {' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def multiply(a, scale_a, b, scale_b):
    """d in FP64 from an FP32 result of `fathom run`, and its report."""
    operands, result = OUT / "operands.safetensors", OUT / "d.safetensors"
    tensor_file.write(operands, {"a": a, "scale_a": scale_a, "b": b, "scale_b": scale_b})
    report = fathom("run", "--a", f"{operands}::a", "--a-scale", f"{operands}::scale_a", "--b", f"{operands}::b",
                    "--b-scale", f"{operands}::scale_b", "--out-dtype", "fp32", "-o", result)
    return np.array(tensor_file.File(result).tensor("d"), np.float64), report


def relative_error(got, want):
    return float(np.linalg.norm(got - want) / np.linalg.norm(want))


def activations(k, factor=1.0):
    """Seeded standard normal values [ROWS, k] with NUM_OUTLIERS seeded channels multiplied by `factor`; and which."""
    rng = np.random.default_rng([SEED, k])
    x = rng.standard_normal((ROWS, k), np.float32)
    outliers = np.sort(rng.choice(k, NUM_OUTLIERS, replace=False))
    x[:, outliers] *= np.float32(factor)
    return x, outliers


def timings(shapes):
    """Seconds of one product for each (n, k): the median of `fathom bench`."""
    times = {}
    for n, k in shapes:
        report = fathom("bench", "--m", ROWS, "--n", n, "--k", k)
        times[n, k] = report["results"][0]["median_us"] * 1e-6
    return times


def run_layers(weights):
    """Every layer once, without outliers. Returns whether all was right."""
    quantized_path = OUT / "quantized.safetensors"
    fathom("quantize", weights.path, "-o", quantized_path, *(word for name in weights.layers for word in ("--include", name)))
    source, quantized = tensor_file.File(weights.path), tensor_file.File(quantized_path)
    times = timings(sorted({source.shape(name) for name in weights.layers}))

    print(f"{'layer':<48} {'m x n x k':>16}  {'backend':<7} {'plan':<24} {'us':>7} {'GFLOP/s':>8} {'vs FP8':>9} {'vs FP32':>8}")
    good = True
    for name in weights.layers:
        w = np.array(source.tensor(name))
        codes, scale = np.array(quantized.tensor(name)), np.array(quantized.tensor(name + "_scale_inv"))
        own_codes, own_scale = fp8.quantize(w, 128)
        same_bytes = np.array_equal(codes, own_codes) and np.array_equal(scale, own_scale)

        (n, k), (x, _) = w.shape, activations(w.shape[1])
        a, scale_a = fp8.quantize(x, 1)
        d, report = multiply(a, scale_a, codes, scale)
        error = relative_error(d, fp8.dequantize(a, scale_a, 1) @ fp8.dequantize(codes, scale, 128).T)
        against_source = relative_error(d, x.astype(np.float64) @ w.astype(np.float64).T)
        seconds = times[n, k]
        verdict = "" if same_bytes and error <= TOLERANCE else "  WRONG"
        print(f"{name:<48} {f'{ROWS} x {n} x {k}':>16}  {report['backend']:<7} {report['config']:<24} {seconds * 1e6:7.0f} "
              f"{2e-9 * ROWS * n * k / seconds:8.1f} {error:9.1e} {100 * against_source:6.2f} %{verdict}")
        good = good and not verdict
    print(f"\nvs FP8: against the FP64 product of the FP8 operands (the arithmetic's error; {TOLERANCE:g} is allowed).\n"
          "vs FP32: against the FP64 product of the weights and activations before the cast (the price of FP8).")
    return good


def outlier_errors(w, factor):
    """Errors of D and of the ordinary channels' part of it, with one scale per tensor and with fine-grained ones."""
    x, outliers = activations(w.shape[1], factor)
    ordinary = np.ones(w.shape[1], bool)
    ordinary[outliers] = False
    exact = x.astype(np.float64) @ w.astype(np.float64).T
    exact_ordinary = x[:, ordinary].astype(np.float64) @ w[:, ordinary].astype(np.float64).T
    errors = {}
    for scales, cast_x, cast_w in (("tensor", fp8.quantize_per_tensor(x, 1), fp8.quantize_per_tensor(w, 128)),
                                   ("fine", fp8.quantize(x, 1), fp8.quantize(w, 128))):
        (a, scale_a), (b, scale_b) = cast_x, cast_w
        errors[scales, "all"] = relative_error(multiply(a, scale_a, b, scale_b)[0], exact)
        only_ordinary = np.where(ordinary, a, 0).astype(np.uint8)
        errors[scales, "ordinary"] = relative_error(multiply(only_ordinary, scale_a, b, scale_b)[0], exact_ordinary)
    return errors


def finding(rows):
    """What the numbers show, said from the numbers."""
    ratio_all = [row["tensor", "all"] / row["fine", "all"] for _, row in rows]
    apart = [factor for factor, row in rows if row["tensor", "ordinary"] > 1.25 * row["fine", "ordinary"]]
    last_factor, last = rows[-1]
    text = (f"In D as a whole one scale per tensor does {min(ratio_all):.2f} to {max(ratio_all):.2f} times as badly as fine-grained "
            "scales, and no factor changes that: the outlier channels come to make up nearly all of D, and e4m3, a floating-point "
            "format, holds them about as well either way (a little better as the largest value of their own block, which is cast "
            "to 448 without rounding).\n")
    if not apart:
        return text + "The ordinary channels' part shows no difference up to the largest factor."
    return text + (
        f"The ordinary channels' part shows no difference either until the outliers pass {apart[0] / 10**0.5:,.0f} times the rest "
        f"(next factor measured: {apart[0]:,.0f}). From there on a shared scale pushes ordinary values below the smallest numbers of "
        f"e4m3 and they round to zero: at {last_factor:,.0f} their part of D is off by {100 * last['tensor', 'ordinary']:.0f} % with one "
        f"scale per tensor and by {100 * last['fine', 'ordinary']:.1f} % with fine-grained scales, which confine the damage to the "
        "blocks of 128 that hold an outlier.")


def run_outliers(weights):
    name = max(weights.layers, key=lambda layer: tensor_file.File(weights.path).shape(layer)[1])
    w = np.array(tensor_file.File(weights.path).tensor(name))
    print(f"\n{name}: {NUM_OUTLIERS} of {w.shape[1]} activation channels are `factor` times the rest (seed {SEED}).\n"
          "Error against the FP64 product before the cast; the ordinary channels' part is D with the outlier channels' codes set to 0.\n")
    print(f"{'':>10}  {'error of D':^23}  {'error of the ordinary part':^27}")
    print(f"{'factor':>10}  {'per tensor':>11} {'fine':>11}  {'per tensor':>13} {'fine':>13}")
    rows = []
    for factor in FACTORS:
        row = outlier_errors(w, factor)
        rows.append((factor, row))
        print(f"{factor:10,.0f}  {100 * row['tensor', 'all']:9.2f} % {100 * row['fine', 'all']:9.2f} %  "
              f"{100 * row['tensor', 'ordinary']:11.2f} % {100 * row['fine', 'ordinary']:11.2f} %")
    for paragraph in finding(rows).splitlines():
        print(f"\n{textwrap.fill(paragraph, 120)}")

    def series(label, scales, part, color, dash=""):
        return plot.Series(label, [row[scales, part] for _, row in rows], color, dash)

    picture = OUT / "outliers.svg"
    plot.line_chart(picture, "FP8 with activation outliers: one scale per tensor against fine-grained scales",
                    f"{name}, m = {ROWS}, k = {w.shape[1]}, {NUM_OUTLIERS} outlier channels, seed {SEED}; weights 128x128, activations 1x128",
                    "size of the outlier channels, as a multiple of the rest", "error against FP64", FACTORS,
                    [series("ordinary part, per tensor", "tensor", "ordinary", "#c0392b"),
                     series("ordinary part, fine-grained", "fine", "ordinary", "#1f6fb4"),
                     series("all of D, per tensor", "tensor", "all", "#c0392b", "5 4"),
                     series("all of D, fine-grained", "fine", "all", "#1f6fb4", "5 4")], (0.02, 1.0))
    print(f"\nPicture: {picture.relative_to(ROOT)}")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    weights = model.load(OUT)
    print(f"Model: {weights.title}\n")
    good = run_layers(weights)
    run_outliers(weights)
    if not good:
        sys.exit("demo: a result marked WRONG is outside its tolerance, or quantised bytes differ from NumPy's")


if __name__ == "__main__":
    main()
