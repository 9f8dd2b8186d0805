"""Plots of the results, as SVG and PNG, by matplotlib. What was not measured is not drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
mpl.rcParams["svg.hashsalt"] = "mpfhandler"  # so that the same results make the same file

from matplotlib import pyplot as plt  # noqa: E402  the backend has to be chosen before

from mpfhandler._faces.bench.figures import spread  # noqa: E402
from mpfhandler._faces.bench.handlers import BASELINE, OURS  # noqa: E402
from mpfhandler._faces.bench.peers import LIMIT  # noqa: E402
from mpfhandler._faces.bench.results import Cell, Results, Round  # noqa: E402
from mpfhandler._faces.bench.stages import STAGES  # noqa: E402

__all__ = ["draw"]

_BUSY = 8  # processes of the plot of latencies, or as many as there are


def draw(results: Results, folder: Path) -> Iterator[Path]:
    """Each plot twice; the paths that were written."""
    drawings: dict[str, Callable[[Results, Any], bool]] = {
        "throughput": lambda found, axes: _over_processes(found, axes, 1, _rate, "records per second"),
        "throughput-8-threads": lambda found, axes: _over_processes(found, axes, 8, _rate, "records per second"),
        "cpu": lambda found, axes: _over_processes(found, axes, 1, _cpu, "CPU µs per record"),
        "latency": _latency,
        "stall": _stall,
        "stages": _stages,
    }
    for name, drawing in drawings.items():
        figure, axes = plt.subplots(figsize=(8, 4.8), layout="constrained")
        if drawing(results, axes):
            for kind in ("svg", "png"):
                path = folder / f"{name}.{kind}"
                figure.savefig(path, dpi=150, metadata={"Date": None} if kind == "svg" else {"Software": None})
                yield path
        plt.close(figure)


def _rate(one: Round) -> float:
    return one.rate


def _cpu(one: Round) -> float:
    return one.cpu_us


def _over_processes(results: Results, axes: Any, threads: int, what: Callable[[Round], float], label: str) -> bool:
    """A line for each handler, with the range of the rounds around it."""
    drawn = False
    for handler in results.handlers:
        cells = [one for one in results.cells if (one.key, one.threads) == (handler.key, threads) and one.rounds]
        if not cells:
            continue
        procs = [one.procs for one in cells]
        found = [spread([what(each) for each in one.rounds]) for one in cells]
        line = _line(axes, handler.key, handler.name, procs, [one.middle for one in found])
        axes.fill_between(procs, [one.least for one in found], [one.most for one in found], alpha=0.15, color=line.get_color())
        drawn = True
    if drawn:
        axes.set(xscale="log", yscale="log", xlabel=f"processes of {threads} thread{'s' * (threads > 1)}, one file", ylabel=label)
        counts = sorted({one.procs for one in results.cells})
        axes.set_xticks(counts, [str(one) for one in counts])
        axes.minorticks_off()
        _finish(axes)
    return drawn


def _line(axes: Any, key: str, name: str, places: Sequence[Any], values: Sequence[float]) -> Any:
    """Ours is black and thick, the physical limit dashed."""
    style: dict[str, Any] = {"linewidth": 1.2, "linestyle": "--" if key == LIMIT else "-"}
    if key == OURS:
        style = {"linewidth": 2.5, "color": "black", "zorder": 3}
    return axes.plot(places, values, marker="o", markersize=3, label=name, **style)[0]


def _latency(results: Results, axes: Any) -> bool:
    """p50 to the longest call, for the number of processes nearest to eight, one thread each."""
    cells = [one for one in results.cells if one.threads == 1 and one.tails]
    if not cells:
        return False
    procs = min({one.procs for one in cells}, key=lambda number: abs(number - _BUSY))
    chosen = [one for one in cells if one.procs == procs]
    for one in chosen:
        _line(axes, one.key, results.name(one.key), ["p50", "p99", "p99.9", "longest"], _tail(one))
    axes.set(yscale="log", ylabel="µs of a logging call", title=f"{procs} process{'es' * (procs > 1)}, as fast as they can")
    _finish(axes)
    return True


def _tail(cell: Cell) -> list[float]:
    times = [(one.p50_us, one.p99_us, one.p999_us, one.max_us) for one in cell.tails]
    return [spread(values).middle for values in zip(*times, strict=True)]


def _stall(results: Results, axes: Any) -> bool:
    """The longest call while the large file is rotated and compressed."""
    if not results.stalls:
        return False
    found = [spread(one.max_ms) for one in results.stalls]
    names = [results.name(one.key) for one in results.stalls]
    middles = [one.middle for one in found]
    ranges = [[one.middle - one.least for one in found], [one.most - one.middle for one in found]]
    axes.errorbar(middles, names, xerr=ranges, fmt="o", color="black")
    axes.set(xscale="log", xlabel=f"longest call, ms, while {results.settings['stall_mb']} MB are rotated and compressed")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.invert_yaxis()
    axes.grid(axis="x", which="both", alpha=0.3)
    return True


def _stages(results: Results, axes: Any) -> bool:
    """Where the time of a record goes, ours and FileHandler."""
    if not results.stages:
        return False
    middles = {(one.key, one.stage): spread(one.cpu_us).middle for one in results.stages}
    names, left = [results.name(OURS), results.name(BASELINE)], [0.0, 0.0]
    for stage in STAGES[:-1]:
        widths = [max(middles.get((key, stage), 0.0), 0.0) for key in (OURS, BASELINE)]
        axes.barh(names, widths, left=left, label=stage)
        left = [before + width for before, width in zip(left, widths, strict=True)]
    axes.set(xlabel="CPU µs of a logging call")
    axes.invert_yaxis()
    _finish(axes)
    return True


def _finish(axes: Any) -> None:
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
