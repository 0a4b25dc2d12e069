"""Small charts as SVG text: lines and bars with axes, readable without any script. The same numbers give the same bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 14, 44
COLOURS = ("#2563a8", "#c2410c", "#2e7d4f", "#7c3aa8")


@dataclass(frozen=True)
class Series:
    """name: for the legend. x, y: points in order. dashed: for what is only there to compare with."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    dashed: bool = False


@dataclass(frozen=True)
class Axes:
    """Ranges of both axes and what they show."""

    x_label: str
    y_label: str
    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a point."""
        across = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1)
        up = (y - self.y[0]) / ((self.y[1] - self.y[0]) or 1)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)


def around(series: Sequence[Series]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ranges that hold all points, y from 0 or below."""
    xs = [value for one in series for value in one.x]
    ys = [value for one in series for value in one.y]
    return (min(xs), max(xs)), (min(0.0, *ys), max(ys) * 1.05 or 1.0)


def lines(title: str, axes: Axes, series: Sequence[Series], legend_low: bool = False) -> str:
    """A line chart. legend_low: put the legend at the bottom, where a curve leaves room there."""
    marks = []
    for colour, one in zip(COLOURS, series, strict=False):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (axes.place(*point) for point in zip(one.x, one.y, strict=True)))
        dash = ' stroke-dasharray="5 4"' if one.dashed else ""
        marks.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
    return _chart(title, axes, marks, [one.name for one in series], legend_low)


def steps(title: str, axes: Axes, edges: Sequence[float], series: Sequence[Series]) -> str:
    """A histogram drawn as filled steps. edges: of the bins, one more than each series has values."""
    marks = []
    for colour, one in zip(COLOURS, series, strict=False):
        corners = [axes.place(edges[0], 0)]
        for low, high, value in zip(edges[:-1], edges[1:], one.y, strict=True):
            corners += [axes.place(low, value), axes.place(high, value)]
        corners.append(axes.place(edges[-1], 0))
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        marks.append(f'<polygon points="{points}" fill="{colour}" fill-opacity="0.35" stroke="{colour}"/>')
    return _chart(title, axes, marks, [one.name for one in series])


def ticks(low: float, high: float) -> list[float]:
    """Four to eight round numbers within a range."""
    span = high - low or 1.0
    step = 10.0 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 7)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _chart(title: str, axes: Axes, marks: Sequence[str], names: Sequence[str], legend_low: bool = False) -> str:
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" xmlns="http://www.w3.org/2000/svg">'
    return "\n".join([head, *_grid(axes), *marks, *_legend(names, legend_low), "</svg>"])


def _grid(axes: Axes) -> list[str]:
    found = []
    for value in ticks(*axes.x):
        x, y = axes.place(value, axes.y[0])
        found.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{y:.1f}"/>')
        found.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{value:g}</text>')
    for value in ticks(*axes.y):
        x, y = axes.place(axes.x[0], value)
        found.append(f'<line class="grid" x1="{x:.1f}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        found.append(f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    found.append(f'<text x="{middle:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(axes.x_label)}</text>')
    half = TOP + (HEIGHT - TOP - BOTTOM) / 2
    turn = f'transform="rotate(-90 14 {half:.0f})"'
    found.append(f'<text x="14" y="{half:.0f}" text-anchor="middle" {turn}>{escape(axes.y_label)}</text>')
    return found


def _legend(names: Sequence[str], low: bool) -> list[str]:
    found, width = [], 12 + 6.6 * max(map(len, names), default=0)
    left = WIDTH - RIGHT - width - 14
    top = HEIGHT - BOTTOM - 16 * len(names) - 2 if low else TOP + 14
    for row, (colour, name) in enumerate(zip(COLOURS, names, strict=False)):
        y = top + 16 * row
        found.append(f'<rect x="{left:.0f}" y="{y - 9}" width="10" height="10" fill="{colour}"/>')
        found.append(f'<text x="{left + 15:.0f}" y="{y}">{escape(name)}</text>')
    return found
