"""The two pictures of a measurement by `fathom bench --suite published`, as SVG text: scores, and the roofline."""

import html
import math

# What an H200 gave to kernels that do one thing only (the conditions of bench/published.hpp):
COPY_TB_PER_S = 4.29  # device-to-device copy, read + write
TENSOR_TFLOPS = 1675  # wgmma m64n128k32 e4m3 with promotion every 128 of k, no memory traffic, burst

FONT = "font-family='Helvetica, Arial, sans-serif'"
COLORS = ("#2b7a4b", "#b5562b", "#3565a8", "#8a4fa3", "#a8891a", "#4d4d4d")  # one per layer


def text(x, y, content, size=12, anchor="start", color="#222"):
    return f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}' fill='{color}' {FONT}>{html.escape(content)}</text>"


def line(x1, y1, x2, y2, color, width=1.0, dash=""):
    return (f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{color}' stroke-width='{width}' "
            f"stroke-dasharray='{dash}'/>")


def svg(width, height, title, parts):
    return "\n".join([f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' role='img'>",
                      f"<title>{html.escape(title)}</title>", f"<rect width='{width}' height='{height}' fill='white'/>",
                      text(12, 24, title, 16), *parts, "</svg>", ""])


def shape(result):
    return f"{result['m']} x {result['n']} x {result['k']}"


def scores(results):
    """A bar for each shape that has a score; dashed where the score is 1."""
    bars = [(shape(result), result["score"]) for result in results if "score" in result]
    row, left, top, width = 20, 150, 40, 480
    scale = width / max(1.2, 1.05 * max(score for _, score in bars))
    parts = []
    for index, (label, score) in enumerate(bars):
        y = top + row * index
        parts += [text(left - 8, y + 14, label, anchor="end"),
                  f"<rect x='{left}' y='{y + 3}' width='{score * scale:.1f}' height='{row - 5}' fill='{COLORS[0 if score >= 1 else 1]}'/>",
                  text(left + score * scale + 6, y + 14, f"{score:.3f}")]
    bottom = top + row * len(bars)
    parts.append(line(left + scale, top - 4, left + scale, bottom + 4, "black", dash="4 3"))
    return svg(left + width + 60, bottom + 16, "Score against DeepGEMM 2.6.1 on an H200 (above 1 is faster)", parts)


class LogAxes:
    """A plane with logarithmic axes from (x0, y0) to (x1, y1)."""
    LEFT, TOP, WIDTH, HEIGHT = 76, 56, 640, 420

    def __init__(self, x0, x1, y0, y1):
        self.x0, self.x1, self.y0, self.y1 = x0, x1, y0, y1

    def x(self, value):
        return self.LEFT + self.WIDTH * math.log(value / self.x0) / math.log(self.x1 / self.x0)

    def y(self, value):
        return self.TOP + self.HEIGHT * (1 - math.log(value / self.y0) / math.log(self.y1 / self.y0))

    def grid(self, x_label, y_label):
        right, bottom = self.LEFT + self.WIDTH, self.TOP + self.HEIGHT
        parts = [text((self.LEFT + right) / 2, bottom + 40, x_label, anchor="middle"), text(12, self.TOP - 12, y_label)]
        for value in (v * 10**e for e in range(5) for v in (1, 2, 5)):
            if self.x0 <= value <= self.x1:
                parts += [line(self.x(value), self.TOP, self.x(value), bottom, "#e6e6e6"),
                          text(self.x(value), bottom + 18, f"{value}", anchor="middle")]
            if self.y0 <= value <= self.y1:
                parts += [line(self.LEFT, self.y(value), right, self.y(value), "#e6e6e6"),
                          text(self.LEFT - 8, self.y(value) + 4, f"{value}", anchor="end")]
        return parts


def roofline(results):
    """Rate over FLOPs per byte: a dot for each shape, a ring where its weights could at best have been streamed."""
    axes = LogAxes(1, 5000, 2, 2500)
    ridge = TENSOR_TFLOPS / COPY_TB_PER_S
    parts = axes.grid("FLOPs per byte of A, B, the scales and D", "TFLOPS")
    parts += [line(axes.x(1), axes.y(COPY_TB_PER_S), axes.x(ridge), axes.y(TENSOR_TFLOPS), "black", 2),
              line(axes.x(ridge), axes.y(TENSOR_TFLOPS), axes.x(5000), axes.y(TENSOR_TFLOPS), "black", 2),
              text(axes.x(1.15), axes.y(24), f"copy: {COPY_TB_PER_S} TB/s"),
              text(axes.x(5000), axes.y(TENSOR_TFLOPS) - 8, f"tensor cores, promotion included: {TENSOR_TFLOPS}", anchor="end")]
    layers = list(dict.fromkeys((result["n"], result["k"]) for result in results))
    for result in results:
        flops = 2 * result["m"] * result["n"] * result["k"]
        x = axes.x(1e3 * result["tflops"] / result["gb_per_s"])
        color = COLORS[layers.index((result["n"], result["k"])) % len(COLORS)]
        parts.append(f"<circle cx='{x:.1f}' cy='{axes.y(result['tflops']):.1f}' r='4' fill='{color}'>"
                     f"<title>{shape(result)}: {result['median_us']:.2f} us</title></circle>")
        if "floor_us" in result:
            floor = flops / result["floor_us"] * 1e-6
            parts.append(f"<circle cx='{x:.1f}' cy='{axes.y(floor):.1f}' r='6' fill='none' stroke='{color}' stroke-width='1.5'>"
                         f"<title>{shape(result)}: streaming B alone {result['floor_us']:.2f} us</title></circle>")
    x, y = axes.LEFT + axes.WIDTH - 190, axes.TOP + axes.HEIGHT - 150
    for index, (n, k) in enumerate(layers):
        parts += [f"<circle cx='{x}' cy='{y + 18 * index}' r='4' fill='{COLORS[index % len(COLORS)]}'/>",
                  text(x + 12, y + 18 * index + 4, f"n = {n}, k = {k}")]
    y += 18 * len(layers)
    parts += [f"<circle cx='{x}' cy='{y}' r='6' fill='none' stroke='#222' stroke-width='1.5'/>", text(x + 12, y + 4, "streaming B alone, m = 64")]
    return svg(axes.LEFT + axes.WIDTH + 24, axes.TOP + axes.HEIGHT + 56, "Fathom's FP8 GEMM on an H200, L2 full of dirty lines", parts)
