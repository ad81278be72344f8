"""The command line: what it says, and with which exit code."""

import json
from pathlib import Path

from errors.answers import command
from microbp import MLP, save

TITLE = "The command line"

FLOWERS = "width,height,kind\n1,2,cat\n2,1,dog\n1.5,2.5,cat\n3,1,dog\n"


def table(text: str = FLOWERS, name: str = "t.csv") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def train(*words: str, text: str = FLOWERS, target: str = "kind", layers: str = "1") -> None:
    command("train", table(text), "--target", target, "--layers", layers, "--epochs", "2", *words)


def predict(text: str, *words: str) -> None:
    """Train on the flowers, then predict for another table."""
    train("--save", "n.json")
    command("predict", "n.json", table(text, "new.csv"), *words)


def predict_with(about: object) -> None:
    """Predict by a network beside which something else is stored than `train` stores."""
    save(MLP(2, [1], seed=1), "n.json", {"table": about})
    command("predict", "n.json", table())


def told() -> dict[str, object]:
    """What `train` stores beside its network."""
    train("--save", "n.json")
    return json.loads(Path("n.json").read_text())["about"]["table"]


def folder_in_the_way() -> None:
    Path("pictures").write_text("no folder")
    command("demo", "--folder", "pictures/new", "--epochs", "1")


NUMBERS = "x,y\n1,2\n2,4\n3,6\n"

ENTRIES = {
    "train: a text for the number of epochs": lambda: train("--epochs", "many"),
    "train: no epochs": lambda: train("--epochs", "0"),
    "train: a text for the seed": lambda: train("--seed", "one"),
    "train: a learning rate of 0": lambda: train("--lr", "0"),
    "train: a text for the learning rate": lambda: train("--lr", "fast"),
    "train: a momentum of 1": lambda: train("--momentum", "1"),
    "train: a text for the part to hold out": lambda: train("--validation", "half"),
    "train: a text for the layers": lambda: train(layers="8,a"),
    "train: a target that is no column": lambda: train(target="kid"),
    "train: nothing to learn from": lambda: train(text="kind\ncat\ndog\n"),
    "train: a column twice": lambda: train("--inputs", "width,width"),
    "train: the target among the inputs": lambda: train("--inputs", "width,kind"),
    "train: an input that is no number": lambda: train(target="width", text=FLOWERS),
    "train: a target that is a number but once": lambda: train(target="y", text="x,y\n1,2\n2,high\n3,6\n"),
    "train: one class only": lambda: train(text="x,kind\n1,cat\n2,cat\n"),
    "train: a loss for numbers where there are classes": lambda: train("--loss", "squared_error"),
    "train: a loss for classes where there are numbers": lambda: train(
        "--loss", "cross_entropy", text=NUMBERS, target="y"
    ),
    "train: too many outputs for two classes": lambda: train(layers="8,3"),
    "train: too many outputs for a number": lambda: train(text=NUMBERS, target="y", layers="8,2"),
    "train: more weights than are trained": lambda: train(layers="1000000,1"),
    "train: nothing held out": lambda: train("--validation", "0.01"),
    "train: a momentum for adam": lambda: train("--momentum", "0.5"),
    "train: a table that there is not": lambda: command(
        "train", "nowhere.csv", "--target", "kind", "--layers", "1"
    ),
    "train: a file in a folder that there is not": lambda: train("--save", "nowhere/n.json"),
    "train: steps that go too far": lambda: train(
        *("--optimizer", "sgd", "--lr", "1e300", "--epochs", "50"), text=NUMBERS, target="y"
    ),
    "predict: a file that is no network": lambda: command("predict", table(), table()),
    "predict: a column that is missing": lambda: predict("width,size\n1,2\n"),
    "predict: an entry that is far away": lambda: predict("width,height\n1.7e308,-1.7e308\n2,1\n"),
    "predict: a class that there is not": lambda: predict("width,height,kind\n1,2,bird\n"),
    "predict: a network that knows no names": lambda: (
        save(MLP(3, [1], seed=1), "n.json"),
        command("predict", "n.json", table()),
    ),
    "predict: a table of another width": lambda: (
        save(MLP(2, [1], seed=1), "n.json"),
        command("predict", "n.json", table()),
    ),
    "predict: something else stored beside the network": lambda: predict_with("mine"),
    "predict: scales that are none": lambda: predict_with({**told(), "scales": [["a", 1], [1, 1]]}),
    "predict: names that are none": lambda: predict_with({**told(), "inputs": [1, 2]}),
    "predict: columns of another network": lambda: predict_with({**told(), "classes": ["a", "b", "c"]}),
    "draw: a value that is not used": lambda: command("draw", "w*x", "w=1", "x=2", "b=3"),
    "draw: a misspelt value": lambda: command("draw", "weight*2", "weight=1", "wieght=3"),
    "draw: a name without a value": lambda: command("draw", "w*x", "w=1"),
    "draw: a value without a name": lambda: command("draw", "w*x", "=1"),
    "draw: a value that is no number": lambda: command("draw", "w*x", "w=one", "x=2"),
    "draw: an infinite value": lambda: command("draw", "w*x", "w=inf", "x=2"),
    "draw: a value twice": lambda: command("draw", "w*x", "w=1", "w=2", "x=3"),
    "draw: a word of Python as a name": lambda: command("draw", "w*x", "lambda=1", "x=3"),
    "draw: an expression that starts with a minus": lambda: command("draw", "-w*x", "w=1", "x=2"),
    "draw: a file of an unknown kind": lambda: command("draw", "w*x", "w=1", "x=2", "-o", "picture.gif"),
    "draw: units where there are none": lambda: command(
        "draw", "w + x", "w=1", "x=2", "--view", "units", "-o", "picture.svg"
    ),
    "explore: a page in a folder that there is not": lambda: command(
        "explore", "w*x", "w=1", "x=2", "-o", "nowhere/page.html"
    ),
    "explore: a page of an unknown kind": lambda: command("explore", "w*x", "w=1", "x=2", "-o", "page.pdf"),
    "explain: a logarithm of something negative": lambda: command("explain", "log(w*x)", "w=1", "x=-2"),
    "demo: a folder that cannot be made": folder_in_the_way,
}
