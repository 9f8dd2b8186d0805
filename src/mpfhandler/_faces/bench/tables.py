"""Results as Markdown. Every figure is a median over the rounds, where there is room with the least and the most."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .figures import Spread, spread
from .handlers import BASELINE, OURS
from .ratios import found_in
from .results import Cell, Cost, Results
from .stages import STAGES, dearer_than_write

__all__ = ["markdown", "table"]

_RARE = 0.2  # system calls a record that are not shown one by one


def markdown(results: Results) -> str:
    """The whole report; ends without a newline."""
    parts = [_head(results), *_missing(results), *_loads(results), *_turns(results), *_calls(results), *_stalls(results)]
    parts += [*_costs(results), *_stages(results), *_imported(results), *_ratios(results)]
    return "\n\n".join(parts)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, all others to the right."""
    lines = ["| " + " | ".join(columns) + " |", "|---" + "|--:" * (len(columns) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _head(results: Results) -> str:
    at = results.machine
    where = f"{at.python}, {at.system}, {at.cores} cores, load {at.load:.1f} before, logs on {at.file_system}"
    return (
        f"`{results.command}`\n\nmpfhandler {at.version}, {where}. Medians of the rounds, in parentheses the least and the most."
    )


def _missing(results: Results) -> Iterator[str]:
    lines = [f"- Skipped: {one.name}: {one.why}" for one in results.skipped]
    lines += [f"- Failed: {one.name}: {one.why}" for one in results.failed]
    if lines:
        yield "\n".join(lines)


def _loads(results: Results) -> Iterator[str]:
    shapes = sorted({(cell.threads, cell.procs) for cell in results.cells})
    for threads, procs in shapes:
        cells = [cell for cell in results.cells if (cell.threads, cell.procs) == (threads, procs)]
        base = results.cell(BASELINE, procs, threads)
        columns = ("records/s", "of FileHandler", "CPU µs per record", "p50 µs", "p99 µs", "p99.9 µs", "max µs", "lost")
        title = f"### {_number(procs, 'process', 'es')} of {_number(threads, 'thread', 's')}, one file"
        yield f"{title}\n\n{table(('handler', *columns), [_load(results, cell, base) for cell in cells])}"


def _load(results: Results, cell: Cell, base: Cell | None) -> tuple[str, ...]:
    rates = [one.rate for one in cell.rounds]
    tails = [(one.p50_us, one.p99_us, one.p999_us, one.max_us) for one in cell.tails]
    times = [f"{spread(values).middle:,.0f}" for values in zip(*tails, strict=True)] or ["–"] * 4
    calls, lost = sum(one.records for one in cell.rounds), sum(one.lost for one in cell.rounds)
    gone = f"{lost:,} ({lost / max(calls, 1):.1%})" if lost else "0"
    return (
        results.name(cell.key),
        _with_range(spread(rates), ",.0f"),
        _share(rates, [] if base is None else [one.rate for one in base.rounds]),
        _range_of([one.cpu_us for one in cell.rounds]),
        *times,
        gone,
    )


def _turns(results: Results) -> Iterator[str]:
    if results.turns:
        columns = ("handler", "p50 µs", "p99 µs", "p99.9 µs", "max µs", "calls")
        rows = [
            (
                results.name(cell.key),
                *(_range_of([getattr(one, name) for one in cell.tails]) for name in ("p50_us", "p99_us", "p999_us", "max_us")),
                f"{sum(one.calls for one in cell.tails):,}",
            )
            for cell in results.turns
        ]
        who = _number(results.turns[0].procs, "busy process", "es")
        yield f"### A rotation every second, {who}\n\n{table(columns, rows)}"


def _calls(results: Results) -> Iterator[str]:
    if results.calls:
        columns = ("handler", "fewest in a round", "most in a round", "which, in the round with the fewest")
        rows = [
            (
                results.name(one.key),
                f"{one.fewest:.3g}",
                f"{one.most:.3g}",
                _kinds(one.kinds),
            )
            for one in results.calls
        ]
        yield f"### System calls per record\n\n{table(columns, rows)}"


def _kinds(kinds: dict[str, float]) -> str:
    """Those that matter."""
    shown = [f"{name} {number:.3g}" for name, number in kinds.items() if number >= _RARE]
    return ", ".join(shown if len(shown) == len(kinds) else [*shown, "…"])


def _stalls(results: Results) -> Iterator[str]:
    if results.stalls:
        columns = ("handler", "longest call ms", "p50 µs", "rotated files", "of them compressed", "lost")
        rows = [
            (
                results.name(one.key),
                _range_of(one.max_ms),
                _range_of(one.p50_us),
                str(one.files),
                str(one.packed),
                f"{one.lost:,}",
            )
            for one in results.stalls
        ]
        settings = results.settings
        title = f"{settings['stall_mb']} MB are rotated and compressed, {settings['stall_procs']} processes log meanwhile"
        yield f"### Stall while {title}\n\n{table(columns, rows)}"


def _costs(results: Results) -> Iterator[str]:
    if results.costs:
        base = next((one for one in results.costs if one.key == BASELINE), Cost(BASELINE, [], []))
        rows = [
            (
                results.name(one.key),
                _range_of(one.cpu_us),
                _share(one.cpu_us, base.cpu_us),
                _range_of(one.whole_us),
                _share(one.whole_us, base.whole_us),
            )
            for one in results.costs
        ]
        columns = ("handler", "CPU µs per record", "of FileHandler", "whole `logger.info` µs", "of FileHandler")
        yield f"### CPU in the handler, one process\n\n{table(columns, rows)}"


def _share(values: Sequence[float], base: Sequence[float]) -> str:
    """Of the baseline, where that was measured."""
    return f"{spread(values).middle / spread(base).middle:.2f}" if base else ""


def _stages(results: Results) -> Iterator[str]:
    if not results.stages:
        return
    middles = {key: _middles(results, key) for key in (OURS, BASELINE)}
    rows = [(stage, *(cell for key in (OURS, BASELINE) for cell in _stage(middles[key], stage))) for stage in STAGES]
    columns = ("stage", f"{results.name(OURS)}, CPU µs", "share", f"{results.name(BASELINE)}, CPU µs", "share")
    dearer = dearer_than_write(middles[OURS])
    told = f"Stages of {results.name(OURS)} that cost more than its write: {', '.join(dearer) or 'none'}."
    yield f"### Where the time of a record goes\n\n{table(columns, rows)}\n\n{told}"


def _middles(results: Results, key: str) -> dict[str, float]:
    return {one.stage: spread(one.cpu_us).middle for one in results.stages if one.key == key}


def _stage(middles: dict[str, float], stage: str) -> tuple[str, str]:
    if stage not in middles:
        return "–", "–"
    return f"{middles[stage]:.2f}", f"{middles[stage] / max(middles['all'], 1e-9):.0%}"


def _imported(results: Results) -> Iterator[str]:
    found = results.imported
    if found is not None:
        others = [name for name in found.modules if name.partition(".")[0] != "mpfhandler"]
        row = (_range_of(found.ms), _range_of(found.baseline_ms), str(len(found.modules)), ", ".join(others) or "none")
        columns = ("ms beyond `logging.handlers`", "ms of `logging.handlers`", "modules", "of them not ours")
        yield f"### Import, by `-X importtime`\n\n{table(columns, [row])}"


def _ratios(results: Results) -> Iterator[str]:
    found = found_in(results)
    if found:
        rows = [(one.claim, _with_range(one.value, ".2f"), one.better) for one in found]
        yield f"### Ratios, formed within each round\n\n{table(('', 'ratio', 'better is'), rows)}"


def _number(count: int, word: str, plural: str) -> str:
    return f"{count} {word}{'' if count == 1 else plural}"


def _range_of(values: Sequence[float]) -> str:
    found = spread(values)
    return _with_range(found, ",.0f" if found.middle >= 1000 else ".1f")


def _with_range(found: Spread, how: str) -> str:
    if found.least == found.most:
        return f"{found.middle:{how}}"
    return f"{found.middle:{how}} ({found.least:{how}}–{found.most:{how}})"
