"""The full comparison, by the code of `mpfhandler bench`, written down: `python benchmarks/matrix.py`, or `nox -s bench`.

Takes the options of `mpfhandler bench`, which are those of its `--matrix` if none are given. Writes into `--out`
(docs/benchmarks): `results.json`, `results.md`, and each plot as SVG and PNG. `--from FILE` measures nothing and makes
report and plots of results that are there.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from mpfhandler._faces import cli
from mpfhandler._faces.bench.command import measured, verdict
from mpfhandler._faces.bench.results import Results
from mpfhandler._faces.bench.tables import markdown
from mpfhandler._faces.interrupt import interruptible

OUT = Path(__file__).parents[1] / "docs" / "benchmarks"


def main(argv: list[str]) -> int:
    """Measure or read, write, print; the exit code of `mpfhandler bench`."""
    parser = argparse.ArgumentParser(description="the full comparison; further options are those of `mpfhandler bench`")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for results, report and plots (default: docs/benchmarks)")
    parser.add_argument("--from", dest="given", type=Path, help="results.json of an earlier run")
    options, others = parser.parse_known_args(argv)
    results = Results.from_json(options.given.read_text(encoding="utf-8")) if options.given else measure(others or ["--matrix"])
    report = markdown(results)
    write(results, report, options.out)
    print(report)
    return verdict(results)


def measure(others: list[str]) -> Results:
    """Run `mpfhandler bench` with these arguments in this process; its own complaints end it as they end the command."""
    arguments = cli.whole_parser().parse_args(["bench", *others])
    with interruptible():
        return measured(arguments, " ".join(["mpfhandler bench", *others]))


def write(results: Results, report: str, out: Path) -> None:
    """Everything into one folder; what is there from an earlier run is replaced."""
    import plots

    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(results.to_dict(), indent=1) + "\n", encoding="utf-8")
    (out / "results.md").write_text(f"## Results\n\n{report}\n", encoding="utf-8")
    for path in plots.draw(results, out):
        print(f"wrote {path}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
