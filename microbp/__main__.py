"""The command line: `microbp demo`, or `python -m microbp demo`; also draw, explore, explain, train, ...."""

from __future__ import annotations

import argparse
import keyword
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

from microbp import __version__
from microbp.nn import ACTIVATIONS
from microbp.tables import as_number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it did what it is for, 1 if it could not, 2 for words it does not know."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal may lack the letters of a name
    options, rest = _parser().parse_known_args(arguments)
    if "values" in options and not any(word.startswith("-") for word in rest):
        options.values += rest  # those that came after an option
    elif rest:
        hint = "; an expression that starts with a minus goes in parentheses" if "values" in options else ""
        options.parser.error(f"unrecognized arguments: {' '.join(rest)}{hint}")
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads, as `head` does, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print(f"microbp {options.command}: interrupted", file=sys.stderr)
        return 1
    except (ValueError, ArithmeticError, OSError, RuntimeError) as error:
        print(f"microbp {options.command}: {_sentence(error)}", file=sys.stderr)
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="microbp", description="A scalar autodiff micro-framework: backpropagation, seen to emerge."
    )
    parser.add_argument("--version", action="version", version=f"microbp {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for add in (_add_demo, _add_draw, _add_explore, _add_explain, _add_train, _add_predict):
        add(commands)
    return parser


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], help: str, description: str
) -> argparse.ArgumentParser:
    """A command, whose description ends with an example."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help,
        description=dedent(description).strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, parser=parser)
    return parser


# demo


def _add_demo(commands: Any) -> None:
    demo = _command(
        commands,
        "demo",
        _demo,
        "train a network on XOR, show and check its backward pass, draw its graph",
        """
        Train a 2-2-1 network of sigmoid units on XOR, show one backward pass as a worksheet,
        check it against measured slopes, and draw its graph.

          microbp demo --folder pictures
        """,
    )
    demo.add_argument(
        "--folder",
        type=Path,
        default=Path("microbp-demo"),
        help="where the pictures go (default: microbp-demo)",
    )
    demo.add_argument("--seed", type=_whole, default=1, help="of the first weights (default: 1)")
    demo.add_argument("--epochs", type=_positive, default=5000, help="at most (default: 5000)")


def _demo(options: argparse.Namespace) -> int:
    from microbp.demo import run

    try:
        learned = run(options.folder, options.seed, options.epochs)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(f"the pictures cannot be written: {_sentence(error)}") from None
    return 0 if learned else 1


# draw, explore and explain

_EXPRESSION = """
Names get their values as name=value.  There are + - * / **, exp, log, sqrt, sigmoid, tanh,
relu, softplus, sin, cos, abs, and max, min, sum, logsumexp of several.  Steps may have names:
"u = w*x + b; sigmoid(u)".  An expression that starts with a minus goes in parentheses.
"""


def _add_draw(commands: Any) -> None:
    draw = _command(
        commands,
        "draw",
        _draw,
        "draw the graph of an expression, with its gradients",
        f"""Draw the graph of an expression, with the value and the gradient of every node.
{_EXPRESSION}
  microbp draw "sigmoid(w*x + b)" w=0.5 x=2 b=-1 -o unit.svg
""",
    )
    _add_expression(draw)
    draw.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("graph.svg"),
        help="the picture, its kind by the ending (default: graph.svg)",
    )
    draw.add_argument("--view", choices=["auto", "values", "units"], default="auto", help="(default: auto)")
    draw.add_argument("--engine", choices=["auto", "dot", "builtin"], help="what draws it (default: auto)")


def _add_explore(commands: Any) -> None:
    explore = _command(
        commands,
        "explore",
        _explore,
        "make a page that steps through both passes over an expression",
        f"""Make a page for a browser that goes through the forward and the backward pass of an expression
step by step, and in which its numbers can be changed.
{_EXPRESSION}
  microbp explore "sigmoid(w*x + b)" w=0.5 x=2 b=-1 -o unit.html
""",
    )
    _add_expression(explore)
    explore.add_argument(
        "-o", "--output", type=Path, default=Path("steps.html"), help="the page (default: steps.html)"
    )


def _add_explain(commands: Any) -> None:
    explain = _command(
        commands,
        "explain",
        _explain,
        "print every value and gradient of an expression",
        f"""Print how an expression is computed, step by step, with every value and gradient.
{_EXPRESSION}
  microbp explain "sigmoid(w*x + b)" w=0.5 x=2 b=-1
""",
    )
    _add_expression(explain)


def _add_expression(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("expression", help='such as "sigmoid(w*x + b)"')
    parser.add_argument("values", nargs="*", metavar="name=value", help="such as w=0.5")


def _draw(options: argparse.Namespace) -> int:
    from microbp.commands import draw

    draw(options.expression, _values(options), options.output, options.view, options.engine)
    return 0


def _explore(options: argparse.Namespace) -> int:
    from microbp.commands import explore

    explore(options.expression, _values(options), options.output)
    return 0


def _explain(options: argparse.Namespace) -> int:
    from microbp.commands import explain

    explain(options.expression, _values(options))
    return 0


def _values(options: argparse.Namespace) -> dict[str, float]:
    """The words name=value, by name; ends with 2 for words that are not."""
    from microbp.expressions import normal

    values: dict[str, float] = {}
    for word in options.values:
        name, equals, text = word.partition("=")
        name = normal(name)
        if not equals or not name or not text:
            options.parser.error(f"{word!r} is not name=value; write it without blanks, as in w=0.5")
        if not name.isidentifier() or keyword.iskeyword(name):
            options.parser.error(f"{word!r}: {name!r} cannot be a name in an expression; take another")
        if name in values:
            options.parser.error(f"{word!r}: {name!r} has a value already")
        values[name] = _finite(options.parser, word, text)
    return values


def _finite(parser: argparse.ArgumentParser, word: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        parser.error(f"{word!r}: {text!r} is not a number")
    if not math.isfinite(number):
        parser.error(f"{word!r}: a finite number is needed")
    return number


# train and predict


def _add_train(commands: Any) -> None:
    train = _command(
        commands,
        "train",
        _train,
        "train a network on a table",
        """
        Train a network on the rows of a CSV file whose header names the columns.

        A target of numbers is learned with one linear output, on the scale of its standard deviation.
        A target of text, or with --classes, has classes: two are learned with one output, or any number
        with an output each.  Inputs are standardised, and the saved network remembers how.

          microbp train flowers.csv --target kind --layers 8,3 --epochs 200 --save flowers.json
        """,
    )
    train.add_argument("data", type=Path, help="a CSV file, with commas, semicolons or tabs")
    train.add_argument("--target", required=True, metavar="COLUMN", help="what is to be learned")
    train.add_argument(
        "--inputs",
        type=_names,
        metavar="A,B,...",
        help="what it is learned from (default: the other columns)",
    )
    train.add_argument("--classes", action="store_true", help="the target's numbers are names of classes")
    train.add_argument(
        "--layers",
        type=_sizes,
        required=True,
        metavar="N,N,...",
        help="units of each layer, the output's last",
    )
    train.add_argument(
        "--activation", choices=ACTIVATIONS, default="tanh", help="of hidden units (default: tanh)"
    )
    train.add_argument(
        "--loss",
        choices=["auto", "squared_error", "mean_absolute_error", "cross_entropy"],
        default="auto",
        help="(default: auto, squared_error for numbers and cross_entropy for classes)",
    )
    train.add_argument("--optimizer", choices=["adam", "sgd"], default="adam", help="(default: adam)")
    train.add_argument(
        "--lr", type=_positive_number, help="the size of a step (default: 0.01 for adam, 0.1 for sgd)"
    )
    train.add_argument("--momentum", type=_fraction, default=0.0, help="of sgd (default: 0)")
    train.add_argument("--epochs", type=_positive, default=200, help="(default: 200)")
    train.add_argument("--batch-size", type=_positive, default=32, help="rows to a step (default: 32)")
    train.add_argument("--seed", type=_whole, default=1, help="of weights, batches and split (default: 1)")
    train.add_argument(
        "--validation", type=_fraction, default=0.0, help="the part of the rows held out (default: 0)"
    )
    train.add_argument(
        "--save", type=Path, metavar="FILE", help="where the network goes, such as network.json"
    )


def _add_predict(commands: Any) -> None:
    predict = _command(
        commands,
        "predict",
        _predict,
        "what a saved network makes of a table",
        """
        Print what a saved network makes of each row of a CSV file, as CSV.  Columns are found by name,
        others are passed over; where the target is among them, how good the predictions are is told too.

          microbp predict flowers.json new-flowers.csv -o predictions.csv
        """,
    )
    predict.add_argument("network", type=Path, help="a file that `microbp train` or `save` wrote")
    predict.add_argument("data", type=Path, help="a CSV file, with commas, semicolons or tabs")
    predict.add_argument("-o", "--output", type=Path, help="a file instead of the terminal")


def _train(options: argparse.Namespace) -> int:
    from microbp.commands import Training, train

    told = vars(options)
    train(Training(**{name: told[name] for name in Training.__dataclass_fields__}))
    return 0


def _predict(options: argparse.Namespace) -> int:
    from microbp.commands import predict

    predict(options.network, options.data, options.output)
    return 0


# words


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"needs a whole number, not {text!r}") from None


def _positive(text: str) -> int:
    if not text.isdecimal() or (number := _whole(text)) < 1:
        raise argparse.ArgumentTypeError(f"needs a whole number, at least 1, not {text!r}")
    return number


def _sizes(text: str) -> list[int]:
    try:
        return [_positive(size.strip()) for size in text.split(",")]
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"needs numbers of units such as 8,1, not {text!r}") from None


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _positive_number(text: str) -> float:
    number = as_number(text)
    if number is None or not 0.0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"needs a finite number above 0, not {text!r}")
    return number


def _fraction(text: str) -> float:
    number = as_number(text)
    if number is None or not 0.0 <= number < 1.0:
        raise argparse.ArgumentTypeError(f"needs a number, at least 0 and below 1, not {text!r}")
    return number


def _sentence(error: Exception) -> str:
    """An error as one reads it after the command's name."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    text = re.sub(r"^(load|save|graph|explore): ", "", str(error))
    text = re.sub(r"\b(view|engine)='(\w+)'", r"--\1 \2", text)
    return f"in the expression\n\n{indent(text, '  ')}" if "\n" in text else text


if __name__ == "__main__":
    sys.exit(main())
