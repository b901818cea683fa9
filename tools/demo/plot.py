"""One line chart with logarithmic axes as plain SVG: no plotting package to install for one picture."""

import dataclasses
import html
import math

WIDTH, HEIGHT = 860, 480
LEFT, RIGHT, TOP, BOTTOM = 76, 232, 64, 64
FONT = "font-family='Helvetica, Arial, sans-serif'"


@dataclasses.dataclass
class Series:
    label: str
    ys: list[float]
    color: str
    dash: str = ""


def _decades(low, high):
    return [10.0**e for e in range(math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9) + 1)]


def _tick_text(value):
    exponent = round(math.log10(value))
    return f"{value:g}" if -3 <= exponent <= 3 else f"1e{exponent}"


class _Axes:
    def __init__(self, xs, y_low, y_high):
        self.x_low, self.x_high, self.y_low, self.y_high = math.log10(min(xs)), math.log10(max(xs)), math.log10(y_low), math.log10(y_high)

    def x(self, value):
        return LEFT + (math.log10(value) - self.x_low) / (self.x_high - self.x_low) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return HEIGHT - BOTTOM - (math.log10(value) - self.y_low) / (self.y_high - self.y_low) * (HEIGHT - TOP - BOTTOM)


def _text(x, y, text, size=13, anchor="start", color="#222", extra=""):
    return f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}' fill='{color}' {FONT} {extra}>{html.escape(text)}</text>"


def _spread(labels, gap):
    """Moves label positions apart, in their order, so that none lies on another."""
    placed = []
    for y, index in sorted(labels):
        y = max(y, placed[-1][0] + gap) if placed else y
        placed.append((y, index))
    return {index: y for y, index in placed}


def line_chart(path, title, subtitle, x_label, y_label, xs, series, y_range):
    axes = _Axes(xs, *y_range)
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' role='img'>",
             f"<title>{html.escape(title)}</title>", f"<rect width='{WIDTH}' height='{HEIGHT}' fill='white'/>",
             _text(LEFT, 26, title, 16, extra="font-weight='bold'"), _text(LEFT, 46, subtitle, 12, color="#555")]
    for value in _decades(min(xs), max(xs)):
        x = axes.x(value)
        parts += [f"<line x1='{x:.1f}' y1='{TOP}' x2='{x:.1f}' y2='{bottom}' stroke='#e6e6e6'/>",
                  _text(x, bottom + 20, _tick_text(value), 12, "middle", "#555")]
    low, high = y_range
    for value in (v * f for v in _decades(low, high) for f in (1, 2, 5)):
        if low <= value <= high * 1.0001:
            y = axes.y(value)
            parts += [f"<line x1='{LEFT}' y1='{y:.1f}' x2='{right}' y2='{y:.1f}' stroke='#e6e6e6'/>",
                      _text(LEFT - 8, y + 4, f"{100 * value:g} %", 12, "end", "#555")]
    parts += [_text((LEFT + right) / 2, HEIGHT - 18, x_label, 13, "middle"),
              _text(20, (TOP + bottom) / 2, y_label, 13, "middle", extra=f"transform='rotate(-90 20 {(TOP + bottom) / 2:.1f})'")]
    label_y = _spread([(axes.y(s.ys[-1]), i) for i, s in enumerate(series)], 18)
    for index, s in enumerate(series):
        points = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in zip(xs, s.ys))
        parts.append(f"<polyline points='{points}' fill='none' stroke='{s.color}' stroke-width='2.5' stroke-dasharray='{s.dash}'/>")
        parts += [f"<circle cx='{axes.x(x):.1f}' cy='{axes.y(y):.1f}' r='3' fill='{s.color}'/>" for x, y in zip(xs, s.ys)]
        parts.append(_text(right + 10, label_y[index] + 4, s.label, 12, color=s.color))
    path.write_text("\n".join([*parts, "</svg>", ""]))
