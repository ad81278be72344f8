"""The command line: `microbp demo`, or `python -m microbp demo`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from microbp import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it did what it is for, 1 if it could not, 2 for words it does not know."""
    parser = argparse.ArgumentParser(
        prog="microbp", description="A scalar autodiff micro-framework: backpropagation, seen to emerge."
    )
    parser.add_argument("--version", action="version", version=f"microbp {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    demo = commands.add_parser(
        "demo",
        help="train a network on XOR, show and check its backward pass, draw its graph",
        description="Train a 2-2-1 network of sigmoid units on XOR, show one backward pass as a worksheet, "
        "check it against central differences, and draw its graph.",
    )
    demo.add_argument(
        "--folder",
        type=Path,
        default=Path("microbp-demo"),
        help="where the pictures go (default: microbp-demo)",
    )
    demo.add_argument("--seed", type=int, default=1, help="of the first weights (default: 1)")
    demo.add_argument("--epochs", type=_positive, default=5000, help="at most (default: 5000)")
    options = parser.parse_args(arguments)
    return _demo(options)


def _demo(options: argparse.Namespace) -> int:
    from microbp.demo import run

    try:
        learned = run(options.folder, options.seed, options.epochs)
    except OSError as error:
        print(f"microbp demo: the pictures cannot be written: {error}", file=sys.stderr)
        return 1
    return 0 if learned else 1


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"a whole number, at least 1, not {text}")
    return number


if __name__ == "__main__":
    sys.exit(main())
