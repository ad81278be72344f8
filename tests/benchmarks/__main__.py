"""microbp beside micrograd, PyTorch and NumPy, measured in one run.

    python -m tests.benchmarks [--workloads W1,W3] [--bare] [--quick] [--markdown]

from the checkout; microbp need not be installed, and peers that are not are left out.

- "plain" is microbp on scalar code: single products, and microbp.sum.
- "units" is microbp.MLP, whose units are one weighted sum each.
  Both train as `fit` does: a graph for each sample, gradients adding up over the batch.
- "micrograd" trains as its demo does: one graph for the whole batch.  "by sample" is micrograd with
  a graph for each sample.  The sigmoid, exp and log it lacks are added in its idiom.
- "text" is microbp running the very text of "micrograd": Python's sum, one graph for the batch.
- "compiled" is microbp.compile of the function that "plain" computes for a sample (with microbp.pick
  for the class, which comes with the sample), as program.train runs it on arrays: the loop over
  the steps is inside, and a step's time is the mean of many.  W2 is program.value_and_grad.
- "torch" and "numpy" take the whole batch as a matrix, in float64, on one thread.

All start from the same weights and data, and are compared before they are timed: the losses
before and after a step (of quick ones, 100 more), and the gradients, agree to a relative 1e-9, or
the run is aborted.
Each has a process of its own with Python's default settings (the garbage collector is on), and
they take turns, A B C A B C ...; a cell is the median of the rounds, with the least and the most.
As in a notebook, NumPy and PyTorch have been imported in all of them, if installed: the more
objects there are, the dearer is garbage that only the collector can free.  With --bare they have not.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from . import compiling, derivatives, pictures
from .peers import PEERS
from .worker import Competitor
from .workloads import (
    CHAIN_BYTES,
    CHAIN_SECONDS,
    FIRST_STEP_SECONDS,
    IMPORT_SECONDS,
    TARGETS,
    WORKLOADS,
    problem,
)

ONE_THREAD = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"]
TURN_SECONDS = (
    0.5  # how long a competitor runs when it is its turn, at least: long enough to pay for its garbage
)
WORKLOAD_SECONDS = 15.0
RATIOS = [
    ("micrograd", "text"),
    ("micrograd", "plain"),
    ("micrograd", "units"),
    ("by sample", "units"),
    ("units", "torch"),
    ("units", "numpy"),
    ("micrograd", "compiled"),
    ("torch", "compiled"),
    ("compiled", "numpy"),
]
GROWTH = [10_000, 100_000, 1_000_000]  # operations, about
GROWTH_SECONDS = 60.0  # what would take longer is not run

Timings = dict[str, "list[float] | str"]  # by competitor: seconds in each round, or why there are none


def main() -> None:
    options = _options()
    for variable in ONE_THREAD:
        os.environ[variable] = "1"  # NumPy reads these when it is imported, in the competitors' processes
    times = [["", "workload", *PEERS]]
    ratios = [["", *(f"{a} / {b}" for a, b in RATIOS), "targets"]]
    growth: list[list[str]] = []
    second: list[list[str]] = []
    notes: list[str] = []
    competitors = {name: Competitor(name, options.bare) for name in PEERS}
    versions = {name: competitor.ask("version") for name, competitor in competitors.items()}
    for name in options.workloads:
        if name == "import":
            row, note = _import(options.quick)
        elif name == "pictures":
            row, note = ["-"] * len(PEERS), _pictures(options.quick)
        elif name == "W7":
            row, note = _chain(competitors, versions, options.quick)
        elif name == "compile":
            row, note = ["-"] * len(PEERS), _compile(options.bare, options.quick)
        elif name == "derivatives":
            second = _derivatives(options.quick)
            continue
        elif name == "growth":
            growth = _growth(options.bare, options.quick)
            continue
        else:
            timings = _race(name, competitors, versions, options.quick)
            row, note = [_cell(timings[peer]) for peer in PEERS], ""
            ratios.append([name, *(_ratio(timings, *pair) for pair in RATIOS), _verdicts(name, timings)])
        times.append([name, WORKLOADS[name], *row])
        if note:
            notes.append(f"{name}: {note}")
    for competitor in competitors.values():
        competitor.close()
    libraries = {**versions, "microbp": versions["plain"]}
    libraries = {name: libraries[name] for name in ("microbp", "micrograd", "torch", "numpy")}
    named = [f"{name} {version}" for name, version in libraries.items() if version]
    print(f"Python {platform.python_version()}, {', '.join(named)}\n")
    for table in (times, ratios, second, growth):
        if len(table) > 1:
            print(_markdown(table) if options.markdown else _aligned(table), end="\n\n")
    print("\n".join(notes))


def _race(
    name: str, competitors: dict[str, Competitor], versions: dict[str, str | None], quick: bool
) -> Timings:
    """Every competitor's seconds a step, in turns, after all have been found to compute the same."""
    task = problem(name)
    timings: Timings = {}
    answers = {}
    for peer, competitor in competitors.items():
        if versions[peer] is None:
            timings[peer] = "not installed"
            continue
        answer = competitor.ask("prepare", task)
        timings[peer] = "-" if answer is None else []
        if answer is not None:
            answers[peer] = answer
    _check_agreement(name, answers)
    times = {peer: max(1, round(TURN_SECONDS / seconds)) for peer, (_, _, seconds) in answers.items()}
    round_seconds = sum(times[peer] * seconds for peer, (_, _, seconds) in answers.items())
    rounds = 3 if quick else min(15, max(5, round(WORKLOAD_SECONDS / round_seconds)))
    for turn in range(rounds):
        for peer in answers:
            _progress(f"{name}: round {turn + 1} of {rounds}, {peer}")
            timings[peer].append(competitors[peer].ask("seconds", times[peer]))
    return timings


def _check_agreement(name: str, answers: dict[str, tuple[list[float], list[float], float]]) -> None:
    """Exit unless all competitors' losses and gradients are those of the first one with the most losses."""
    first = max(answers, key=lambda peer: len(answers[peer][0]))
    losses, gradients, _ = answers[first]
    for other, (other_losses, other_gradients, _) in answers.items():
        assert len(other_gradients) == len(gradients)
        for what, ours, theirs in [
            ("loss", losses, other_losses),
            ("gradient", gradients, other_gradients),
        ]:
            for i, (a, b) in enumerate(zip(ours, theirs)):
                if not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-15):
                    sys.exit(
                        f"{name}: {what} {i} is {a!r} in {first} and {b!r} in {other}; nothing was timed"
                    )


def _chain(
    competitors: dict[str, Competitor], versions: dict[str, str | None], quick: bool
) -> tuple[list[str], str]:
    """W7: cells for plain microbp and for micrograd, which recurses, and what memory it took."""
    operations = 100_000 if quick else 1_000_000
    _progress("W7")
    alone = Competitor("plain", bare=True)  # a promise about microbp, not a comparison
    runs = [alone.ask("chain", operations) for _ in range(5)]
    _, _, result, slope = runs[0]
    x = 1.0
    for _ in range(operations // 2):
        x = x * 0.999999 + 0.000001
    if result != x or not math.isclose(slope, 0.999999 ** (operations // 2), rel_tol=1e-9):
        sys.exit(f"W7: the chain gave {result!r} with slope {slope!r}; nothing was timed")
    forward, backward = (median(run[i] for run in runs) / operations for i in (0, 1))
    both = [(run[0] + run[1]) / operations for run in runs]
    peak, left = alone.ask("chain_memory", operations)
    alone.close()
    row = dict.fromkeys(PEERS, "-")
    row["plain"] = _cell(both)
    if versions["micrograd"] is None:
        row["micrograd"] = "not installed"
    else:
        theirs = competitors["micrograd"].ask("chain", 10_000)  # a hundredth of it is too much already
        row["micrograd"] = theirs if isinstance(theirs, str) else _cell([(theirs[0] + theirs[1]) / 10_000])
    note = (
        f"{_time(forward)} forward, {_time(backward)} backward an operation "
        f"({_met(median(both) <= CHAIN_SECONDS)}: both together at most {_time(CHAIN_SECONDS)}); "
        f"memory grows by {peak / operations:.0f} bytes an operation at its peak "
        f"({_met(peak / operations <= CHAIN_BYTES)}: at most {CHAIN_BYTES}); "
        f"objects left after del with the garbage collector off: {left} ({_met(left == 0)}: none); "
        "micrograd is given 10,000 operations"
    )
    return [row[peer] for peer in PEERS], note


def _pictures(quick: bool) -> str:
    """Both engines' seconds for a picture, in turns."""
    ours, lines = {}, []
    for name, output in pictures.pictures().items():
        _progress(f"pictures: {name}")
        ours[name] = pictures.seconds(output, "builtin", 3 if quick else 7)
        theirs = pictures.seconds(output, "dot", 1 if quick else 3)
        lines.append(f"{name} ({pictures.size(output):,} values) {_cell(ours[name])}, by dot {_cell(theirs)}")
    limit = f"{_met(pictures.within(ours))}: less than {_time(pictures.PICTURE_SECONDS)} each"
    return f"{'; '.join(lines)} ({limit})"


def _derivatives(quick: bool) -> list[list[str]]:
    """A table of the seconds of derivatives, by microbp and by autograd."""
    ours, *others = derivatives.COMPETITORS
    table = [["derivatives", ours, *others, *(f"{other} / {ours}" for other in others), "target"]]
    for name, calls in derivatives.tasks():
        _progress(f"derivatives: {name}")
        taken = derivatives.seconds(calls, 3 if quick else 15)
        cells = [_cell(taken[each]) if each in taken else "-" for each in (ours, *others)]
        ratios = [median(taken[other]) / median(taken[ours]) if other in taken else None for other in others]
        hessian = name.startswith("Hessian,") and ratios[0] is not None
        verdict = f"faster than autograd: {_met(ratios[0] > 1.0)}" if hessian else "-"
        table.append([name, *cells, *("-" if ratio is None else f"{ratio:.3g}" for ratio in ratios), verdict])
    return table


def _compile(bare: bool, quick: bool) -> str:
    """The seconds until a program's first step is done, and its memory for each sample."""
    lines = []
    for name, limit in FIRST_STEP_SECONDS.items():
        competitor = Competitor("compiled", bare)
        for text in ("plain", "units"):
            _progress(f"compile: {name}, {text}")
            seconds = [competitor.ask("first_step", problem(name), text) for _ in range(5 if quick else 15)]
            verdict = f"{_met(median(seconds) <= limit)}: at most {_time(limit)}"
            lines.append(f"{name}, {text}: {_cell(seconds)} ({verdict})")
        competitor.close()
        lines.append(f"{name}, bytes for each sample: {_bytes_per_sample(name)}")
    return "".join(f"\n  {line}" for line in lines)


def _bytes_per_sample(name: str) -> str:
    """What a program says, and by how much more a process grows that takes more samples."""
    grown = []
    for samples in (20_000, 60_000):
        alone = Competitor("compiled", bare=True)
        said, taken, growth = alone.ask("memory", problem(name), samples)
        alone.close()
        grown.append((taken, growth))
    (few, less), (many, more) = grown
    if less is None or more is None:
        return f"{said:,} by the program, not measured"
    return f"{said:,} by the program, {(more - less) / (many - few):,.0f} by the growth of the process"


def _growth(bare: bool, quick: bool) -> list[list[str]]:
    """A table of the seconds until the first step is done, for functions of more and more operations."""
    sizes = GROWTH[:-1] if quick else GROWTH
    table = [["compile + first step", *(f"about {operations:,} operations" for operations in sizes)]]
    for kind in compiling.KINDS:
        competitor = Competitor("compiled", bare)
        row, seconds = [kind], 0.0
        for before, operations in zip([sizes[0], *sizes], sizes):
            expected = seconds * operations / before
            if expected > GROWTH_SECONDS:
                row.append(f"not run: {_time(expected)} or more")
                continue
            _progress(f"growth: {kind}, {operations:,}")
            recorded, seconds = competitor.ask("growth", kind, operations)
            row.append(f"{recorded:,}: {_time(seconds)}, {_time(seconds / recorded)} each")
        competitor.close()
        table.append(row)
    return table


def _import(quick: bool) -> tuple[list[str], str]:
    """The seconds of `import microbp` in fresh processes, and which heavy modules came with it."""
    program = (
        "from time import perf_counter; import sys; start = perf_counter(); "
        "import microbp; print(perf_counter() - start, *sorted({'numpy', 'graphviz'} & set(sys.modules)))"
    )
    seconds, heavy = [], []
    with TemporaryDirectory() as cache:  # compiled modules, as an installed package has them
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}
        for turn in range(6 if quick else 16):
            _progress("import")
            run = subprocess.run(
                [sys.executable, "-c", program],
                capture_output=True,
                text=True,
                check=True,
                cwd=Path(__file__).parents[2],
                env=environment,
            )
            first, *heavy = run.stdout.split()
            if turn:  # the first fills the cache
                seconds.append(float(first))
    row = [_cell(seconds), *["-"] * (len(PEERS) - 1)]
    note = (
        f"{_met(median(seconds) < IMPORT_SECONDS)}: less than {_time(IMPORT_SECONDS)}; "
        f"numpy and graphviz imported with it: {' and '.join(heavy) or 'neither'} ({_met(not heavy)})"
    )
    return row, note


def _ratio(timings: Timings, slower: str, faster: str) -> str:
    ratio = _times_faster(timings, slower, faster)
    if ratio is None:
        return "-"
    return f"{ratio:,.0f}" if ratio >= 1000 else f"{ratio:.3g}"


def _times_faster(timings: Timings, slower: str, faster: str) -> float | None:
    a, b = timings[slower], timings[faster]
    return None if isinstance(a, str) or isinstance(b, str) else median(a) / median(b)


def _verdicts(name: str, timings: Timings) -> str:
    verdicts = []
    for slower, faster, relation, bounds in TARGETS:
        ratio = _times_faster(timings, slower, faster)
        if name in bounds and ratio is not None:
            bound = bounds[name]
            met = ratio >= bound if relation == ">=" else ratio <= bound
            verdicts.append(f"{slower} / {faster} {relation} {bound:,g}: {_met(met)}")
    return ", ".join(verdicts) or "-"


def _met(condition: bool) -> str:
    return "met" if condition else "NOT MET"


def _cell(seconds: list[float] | str) -> str:
    if isinstance(seconds, str):
        return seconds
    low, high = _time(min(seconds)), _time(max(seconds))
    return f"{_time(median(seconds))} ({low} to {high})"


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def _aligned(table: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*table)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in table)


def _markdown(table: list[list[str]]) -> str:
    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |"

    head, *rows = table
    return "\n".join([line(head), line("---" for _ in head), *map(line, rows)])


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="\r", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("--workloads", default=",".join(WORKLOADS), help="some of %(default)s")
    parser.add_argument("--bare", action="store_true", help="processes that have imported nothing else")
    parser.add_argument("--quick", action="store_true", help="three rounds, and a shorter chain")
    parser.add_argument("--markdown", action="store_true", help="tables for a README")
    options = parser.parse_args()
    options.workloads = [name.strip() for name in options.workloads.split(",")]
    unknown = [name for name in options.workloads if name not in WORKLOADS]
    if unknown:
        parser.error(f"there is no workload {', '.join(unknown)}; there are {', '.join(WORKLOADS)}")
    return options


if __name__ == "__main__":
    main()
