#!/usr/bin/env python3
"""Draws the roofline of the kernels, as an SVG, from the JSON of Google Benchmark: see scripts/roofline.

usage: roofline.py RESULTS.json OUTPUT.svg

Each benchmark named roofline/KIND/TYPE/rows:N is a point: x its multiply-adds for a byte read from memory, y its
multiply-adds a second. The roof is the lower of reading (bytes a second times x) and arithmetic: Williams, Waterman and
Patterson, "Roofline: an insightful visual performance model", 2009.
"""
import dataclasses
import json
import math
import re
import statistics
import sys
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, TOP, PLOT_HEIGHT = 900, 72, 24, 66, 460
SMALL, TEXT, TITLE = 11, 12, 16  # font sizes
NAME = re.compile(r"roofline/(linear|attention)/(\w{1,24})/rows:(\d{1,9})(?:/|$)")
LIMITS = ("read_bytes/s", "int8_macs/s", "f32_macs/s")
# Okabe and Ito's colours, which colour-blind readers tell apart, and three more; with the shapes 90 pairs.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#a63d82", "#b07800", "#2f9bd6", "#6a4fb3", "#4d4d4d", "#8c4a2f", "#5c7a00")
SHAPES = (
    "M0-5A5 5 0 1 1 0 5A5 5 0 1 1 0-5Z",  # disc
    "M-4.5-4.5H4.5V4.5H-4.5Z",  # square
    "M0-6L5.5 4.5H-5.5Z",  # triangle
    "M0-6.5L5.5 0L0 6.5L-5.5 0Z",  # diamond
    "M0 6L5.5-4.5H-5.5Z",  # triangle on its tip
    "M-2-5.5H2V-2H5.5V2H2V5.5H-2V2H-5.5V-2H-2Z",  # cross
    "M0-6L5.7-1.9L3.5 4.9H-3.5L-5.7-1.9Z",  # pentagon
    "M-6 0L-3-5.2H3L6 0L3 5.2H-3Z",  # hexagon
    "M0-7L2-2.3L7-2.1L3.2 1L4.3 6L0 3.4L-4.3 6L-3.2 1L-7-2.1L-2-2.3Z",  # star
)


class WrongResults(Exception):
    """The file does not hold what a roofline is drawn from."""


@dataclasses.dataclass
class Point:
    series: str
    rows: int
    x: float
    y: float


@dataclasses.dataclass
class Results:
    machine: str
    points: list[Point]
    limits: dict[str, float]


def counter(benchmark: dict, name: str) -> float:
    value = benchmark.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1e-6 < value < 1e18:
        raise WrongResults(f"{benchmark['name']}: the counter {name} is {value!r}, not a number from 1e-6 to 1e18")
    return float(value)


def describe(context: dict) -> str:
    def text(key: str) -> str:
        if not isinstance(value := context.get(key), str):
            raise WrongResults(f"the context does not tell '{key}'")
        return "".join(c for c in value if c.isprintable())[:60]

    threads = text("threads")
    told = "1 thread by its processor time" if threads == "1" else f"{threads} threads"
    return f"{text('processor')} ({text('instruction_set')}), {told}"


def parse(results: object) -> Results:
    """The points of a run's results, in their order; of repetitions the median."""
    if not isinstance(results, dict) or not isinstance(results.get("benchmarks"), list):
        raise WrongResults("not the JSON of Google Benchmark: there is no list 'benchmarks'")
    context = results.get("context")
    machine = describe(context if isinstance(context, dict) else {})
    runs: dict[tuple[str, int], list[dict]] = {}
    for benchmark in results["benchmarks"]:
        if not isinstance(benchmark, dict) or not isinstance(benchmark.get("name"), str):
            raise WrongResults("a benchmark without a name")
        match = NAME.match(benchmark["name"])
        if match is None or benchmark.get("run_type", "iteration") != "iteration":
            continue
        if benchmark.get("error_occurred"):
            raise WrongResults(f"{benchmark['name']} failed: {benchmark.get('error_message')}")
        kind, weights, rows = match.groups()
        runs.setdefault((weights if kind == "linear" else f"attention, {weights} cache", int(rows)), []).append(benchmark)
    if not runs:
        raise WrongResults("there is no benchmark named roofline/…")

    def median(group: list[dict], name: str) -> float:
        return statistics.median(counter(benchmark, name) for benchmark in group)

    points = [Point(*key, median(group, "macs/byte"), median(group, "macs/s")) for key, group in runs.items()]
    # Neighbours on the machine make a limit seem lower, never higher.
    limits = {name: max(median(group, name) for group in runs.values()) for name in LIMITS}
    return Results(machine, points, limits)


class Axis:
    """A logarithmic axis from low to high, between two places of the picture."""

    def __init__(self, low: float, high: float, start: float, end: float):
        self.low, self.high, self.start, self.end = low, high, start, end

    def at(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        decade = abs(self.end - self.start) / math.log10(self.high / self.low)
        digits = (1, 2, 5) if decade > 110 else (1,)
        values = [float(f"{d}e{e}") for e in range(first, last + 1, max(1, math.ceil(40 / decade))) for d in digits]
        return [v for v in values if self.low <= v <= self.high]


@dataclasses.dataclass
class Box:
    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: "Box") -> float:
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return wide * high if wide > 0 and high > 0 else 0


def around(x: float, y: float, reach: float) -> Box:
    return Box(x - reach, y - reach, x + reach, y + reach)


def text_width(text: str, size: float) -> float:
    return len(text) * size * 0.6  # of common sans-serif fonts, on the wide side


def number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


class Picture:
    def __init__(self, results: Results):
        self.results = results
        self.names = list(dict.fromkeys(point.series for point in results.points))
        self.read, self.int8, self.float32 = (results.limits[name] * 1e-9 for name in LIMITS)
        points = results.points
        low, high = min(p.x for p in points), max(*(p.x for p in points), 1.5 * self.int8 / self.read)
        self.x = Axis(low / 1.3, high * 1.3, LEFT, WIDTH - RIGHT)
        rates = [p.y * 1e-9 for p in points]
        lowest = min(*rates, self.read * self.x.low, self.float32)
        self.y = Axis(lowest / 1.15, max(*rates, self.int8, self.float32) * 1.25, TOP + PLOT_HEIGHT, TOP)
        self.parts: list[str] = []
        self.taken = [around(*self.place(p), 6) for p in points]  # what labels keep clear of

    def place(self, point: Point) -> tuple[float, float]:
        return self.x.at(point.x), self.y.at(point.y * 1e-9)

    def add(self, part: str) -> None:
        self.parts.append(part)

    def text(self, x: float, y: float, text: str, size: float = TEXT, more: str = "") -> None:
        self.add(f'<text x="{number(x)}" y="{number(y)}" font-size="{size}"{more}>{escape(text)}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        self.add(f'<path d="M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}" {style}/>')

    def style_of(self, series: str) -> tuple[str, str]:
        index = self.names.index(series)
        return COLOURS[index % len(COLOURS)], SHAPES[index % len(SHAPES)]

    def draw_axes(self) -> None:
        right, bottom = WIDTH - RIGHT, TOP + PLOT_HEIGHT
        grid = 'stroke="#e3e6ea"'
        for value in self.x.ticks():
            at = self.x.at(value)
            self.line(at, TOP, at, bottom, grid)
            self.text(at, bottom + 18, f"{value:g}", TEXT, ' class="tick-x" text-anchor="middle"')
        for value in self.y.ticks():
            at = self.y.at(value)
            self.line(LEFT, at, right, at, grid)
            self.text(LEFT - 8, at + 4, f"{value:g}", TEXT, ' class="tick-y" text-anchor="end"')
        self.add(f'<rect x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{PLOT_HEIGHT}" fill="none" stroke="#8a929c"/>')
        self.text((LEFT + right) / 2, bottom + 40, "multiply-adds for a byte read from memory", TEXT, ' text-anchor="middle"')
        middle = TOP + PLOT_HEIGHT / 2
        turned = f' text-anchor="middle" transform="rotate(-90 22 {middle})"'
        self.text(22, middle, "G multiply-adds a second", TEXT, turned)

    def draw_roof(self) -> None:
        right = WIDTH - RIGHT
        first = max(self.x.low, self.y.low / self.read)
        foot = self.x.at(first), self.y.at(first * self.read)
        ceilings = sorted([(self.int8, "8-bit integers"), (self.float32, "float32")])
        ridge = self.x.at(ceilings[-1][0] / self.read), self.y.at(ceilings[-1][0])
        self.line(*foot, *ridge, 'class="roof" stroke="#3a424c" stroke-width="2" fill="none"')
        for (limit, name), style in zip(ceilings, ("1.5", "2"), strict=True):
            at = self.y.at(limit)
            dashes = ' stroke-dasharray="6 4"' if limit != ceilings[-1][0] else ""
            self.line(self.x.at(limit / self.read), at, right, at, f'class="roof" stroke="#3a424c" stroke-width="{style}"{dashes}')
            self.label_ceiling(self.x.at(limit / self.read), at, f"{name}: {limit:.0f} G/s")
        self.label_slope(foot, ridge, f"reading: {self.read:.1f} GB/s")

    def label_ceiling(self, start: float, y: float, text: str) -> None:
        width, right = text_width(text, TEXT), WIDTH - RIGHT - 6
        spots = [Box(end - width, y - 18, end, y - 4) for end in range(int(right), int(start + width) + 6, -12)]
        box = self.clearest(spots or [Box(right - width, y - 18, right, y - 4)])
        self.text(box.left, y - 6, text, TEXT, ' class="limit"')

    def label_slope(self, foot: tuple[float, float], ridge: tuple[float, float], text: str) -> None:
        """Along the slope, above it, where the fewest points lie."""
        run, rise = ridge[0] - foot[0], ridge[1] - foot[1]
        length, angle = math.hypot(run, rise), math.atan2(rise, run)
        width = text_width(text, TEXT)

        def boxes(start: float) -> list[Box]:
            away = 13  # of the middle of the letters from the line
            spots = [start + step for step in range(0, int(width) + 1, 8)]
            return [
                around(foot[0] + s * math.cos(angle) + away * math.sin(angle), foot[1] + s * math.sin(angle) - away * math.cos(angle), 7)
                for s in spots
            ]

        starts = range(36, max(37, int(length - width)), 8)
        best = min(starts, key=lambda s: sum(self.cost(box) for box in boxes(s)))
        self.taken += boxes(best)
        x = foot[0] + best * math.cos(angle) + 9 * math.sin(angle)
        y = foot[1] + best * math.sin(angle) - 9 * math.cos(angle)
        turned = f' class="limit" transform="rotate({number(math.degrees(angle))} {number(x)} {number(y)})"'
        self.text(x, y, text, TEXT, turned)

    def cost(self, box: Box) -> float:
        return sum(box.overlap(other) for other in self.taken)

    def clearest(self, spots: list[Box]) -> Box:
        """The first of the spots that overlap least, which is then taken."""
        best = min(spots, key=self.cost)
        self.taken.append(best)
        return best

    def draw_points(self) -> None:
        for series in self.names:
            places = [self.place(p) for p in sorted(self.results.points, key=lambda p: p.rows) if p.series == series]
            path = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in places)
            self.add(f'<path d="{path}" fill="none" stroke="{self.style_of(series)[0]}" stroke-opacity="0.35"/>')
        labels = [(point, self.label_spot(point)) for point in self.results.points]
        for point, box in labels:
            self.draw_leader(point, box)
        for point in self.results.points:
            (colour, shape), (x, y) = self.style_of(point.series), self.place(point)
            told = f"{point.series}, {point.rows} row{'' if point.rows == 1 else 's'}: {point.x:.3g} multiply-adds a byte, {point.y * 1e-9:.3g} G/s"
            self.add(
                f'<g class="point" transform="translate({number(x)} {number(y)})"><title>{escape(told)}</title>'
                f'<path d="{shape}" fill="{colour}" stroke="#fff" stroke-width="0.8"/></g>'
            )
        halo = 'stroke="#fff" stroke-width="3" stroke-linejoin="round" paint-order="stroke"'
        for point, box in labels:
            colour = self.style_of(point.series)[0]
            self.text(box.left + 1, box.bottom - 2, str(point.rows), SMALL, f' class="rows" fill="{colour}" {halo}')

    def label_spot(self, point: Point) -> Box:
        """Beside the point's marker, or further away where that lies over others."""
        x, y = self.place(point)
        width, height = text_width(str(point.rows), SMALL) + 2, SMALL + 1
        spots = []
        for gap in (7, 12, 18, 26, 36):
            for across, down in ((1, 0.5), (-1, -0.5), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -0.5), (-1, 0.5), (1, -1), (-1, 1)):
                middle_x, middle_y = x + across * (gap + width / 2), y + down * (gap + height / 2)
                spots.append(Box(middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2))
        inside = [b for b in spots if LEFT < b.left and b.right < WIDTH - RIGHT and TOP < b.top and b.bottom < TOP + PLOT_HEIGHT]
        return self.clearest(inside or spots)

    def draw_leader(self, point: Point, box: Box) -> None:
        x, y = self.place(point)
        nearest = min(max(x, box.left), box.right), min(max(y, box.top), box.bottom)
        if math.dist((x, y), nearest) > 11:
            self.line(x, y, *nearest, f'stroke="{self.style_of(point.series)[0]}" stroke-width="0.7"')

    def draw_legend(self) -> int:
        """Below the plot; returns the picture's height."""
        top, columns = TOP + PLOT_HEIGHT + 66, 4
        wide = (WIDTH - LEFT - RIGHT) / columns
        lines = math.ceil(len(self.names) / columns)
        for index, series in enumerate(self.names):
            x, y = LEFT + 8 + wide * (index // lines), top + 20 * (index % lines)
            colour, shape = self.style_of(series)
            self.add(f'<path class="legend" d="{shape}" fill="{colour}" transform="translate({number(x)} {y})"/>')
            self.text(x + 12, y + 4, series)
        return top + 20 * lines + 4

    def render(self) -> str:
        self.draw_axes()
        self.draw_roof()
        self.draw_points()
        height = self.draw_legend()
        title = f"Kernels under the roof of {self.results.machine}"
        head = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img" '
            'font-family="Helvetica, Arial, \'DejaVu Sans\', sans-serif" fill="#1f2730">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            f'<text x="{LEFT}" y="28" font-size="{TITLE}" font-weight="bold">{escape(title)}</text>',
            f'<text x="{LEFT}" y="48" font-size="{TEXT}" fill="#59636e">Numbers at the points are rows multiplied at once; '
            "weights and cache come from memory; each limit was measured in turn with the kernels.</text>",
        ]
        return "\n".join([*head, *self.parts, "</svg>"]) + "\n"


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: roofline.py RESULTS.json OUTPUT.svg")
    source, target = sys.argv[1:]
    try:
        with open(source, encoding="utf-8") as file:
            picture = Picture(parse(json.load(file))).render()
        with open(target, "w", encoding="utf-8", newline="\n") as file:
            file.write(picture)
    except (OSError, WrongResults) as error:
        sys.exit(f"roofline: {source}: {error}" if isinstance(error, WrongResults) else f"roofline: {error}")
    except (ValueError, RecursionError) as error:  # of the JSON, or of its encoding
        sys.exit(f"roofline: {source}: not JSON: {error}")


if __name__ == "__main__":
    main()
