"""Networks in files, and tables."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from microbp import MLP, Layer, Unit, Value, load, save, storage
from microbp.tables import read_table

TITLE = "Files"


def network() -> MLP:
    return MLP(2, [2, 1], seed=1)


def wrote(text: str | bytes, name: str = "n.json") -> str:
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


def changed(change: Callable[[dict[str, Any]], object], saved: object = None) -> None:
    """Load a file that was changed by hand, its checksum deleted."""
    path = save(saved or network(), "n.json")
    document = json.loads(path.read_text())
    del document["checksum"]
    change(document)
    load(wrote(json.dumps(document)))


def unit(change: Callable[[dict[str, Any]], object]) -> None:
    """Load a file in which the first unit was changed."""
    changed(lambda document: change(document["layers"][0]["units"][0]))


def layer(change: Callable[[dict[str, Any]], object]) -> None:
    """Load a file in which the first layer was changed."""
    changed(lambda document: change(document["layers"][0]))


def set_to(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda record: record.update({key: value})


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda record: record.pop(key)


def swish(u: Value) -> Value:
    return u * u.sigmoid()


def tanh(u: Value) -> Value:
    return u.sigmoid() * 2 - 1


def another_swish() -> Callable[[Value], Value]:
    def swish(u: Value) -> Value:
        return u * u.tanh()

    return swish


def save_with(change: Callable[[MLP], object]) -> None:
    changed_network = network()
    change(changed_network)
    save(changed_network, "n.json")


def share_a_weight(network: MLP) -> None:
    network[0][0].weights[0] = network[0][0].weights[1]


def compute_a_weight(network: MLP) -> None:
    network[0][0].weights[0] = Value(1.0, "a") * 2


def make_a_weight_infinite(network: MLP) -> None:
    network[0][0].weights[0].data = float("inf")


def make_a_weight_a_text(network: MLP) -> None:
    network[0][0].weights[0].data = "1.0"


def leave_out_a_unit(network: MLP) -> None:
    del network[0].units[0]


def leave_out_all_units(network: MLP) -> None:
    network[0].units.clear()


def make_units_unlike(network: MLP) -> None:
    network[0].units[1] = Unit(2, "relu", number=2)


def load_a_newer_version() -> None:
    changed(set_to("version", 2))


def load_a_damaged_file() -> None:
    path = save(network(), "n.json")
    path.write_text(path.read_text().replace('"expanded": false', '"expanded": true'))
    load(path)


def load_a_file_too_deep_to_be_checked() -> None:
    path = save(network(), "n.json")
    with patch.object(storage, "_checksum", side_effect=RecursionError):  # at some depth it is so
        load(path)


def load_with_a_file_too_large() -> None:
    most, storage.MOST_BYTES = storage.MOST_BYTES, 1000
    try:
        load(wrote(" " * 1001))
    finally:
        storage.MOST_BYTES = most


def save_a_network_too_large() -> None:
    most, storage.MOST_BYTES = storage.MOST_BYTES, 100
    try:
        save(network(), "n.json")
    finally:
        storage.MOST_BYTES = most


def save_where_nobody_may_write() -> None:
    path = wrote("{}")
    may = os.access
    os.access = lambda *arguments: False  # root may everything
    try:
        save(network(), path)
    finally:
        os.access = may


def table(text: str | bytes) -> None:
    read_table(wrote(text, "t.csv"))


def nested(depth: int) -> Any:
    inside: Any = 1
    for _ in range(depth):
        inside = [inside]
    return inside


ENTRIES = {
    "a network's class saved": lambda: save(MLP, "n.json"),
    "a list saved": lambda: save([network()], "n.json"),
    "a network saved without a name": lambda: save(network(), None),
    "a network saved under a number": lambda: save(network(), 1),
    "a network saved under an empty name": lambda: save(network(), ""),
    "a network saved in a folder that there is not": lambda: save(network(), "nowhere/n.json"),
    "a network saved as a folder": lambda: save(network(), "."),
    "a network saved as a device": lambda: save(network(), os.devnull),
    "a network saved where nobody may write": save_where_nobody_may_write,
    "a network saved whose weight is shared": lambda: save_with(share_a_weight),
    "a network saved whose weight is computed": lambda: save_with(compute_a_weight),
    "a network saved whose weight is infinite": lambda: save_with(make_a_weight_infinite),
    "a network saved whose weight is a text": lambda: save_with(make_a_weight_a_text),
    "a network saved that lacks a unit": lambda: save_with(leave_out_a_unit),
    "a network saved that lacks all units": lambda: save_with(leave_out_all_units),
    "a network saved with unlike units": lambda: save_with(make_units_unlike),
    "a network saved that is too large": save_a_network_too_large,
    "an activation saved that has the name of another": lambda: save(Unit(1, tanh), "n.json"),
    "two activations saved that have one name": lambda: save(
        MLP(1, [1, 1], swish, another_swish()), "n.json"
    ),
    "something told about a network that is no dict": lambda: save(network(), "n.json", ["mine"]),
    "something told about a network that is no JSON": lambda: save(network(), "n.json", {"by": {1, 2}}),
    "something told about a network that is infinite": lambda: save(
        network(), "n.json", {"loss": float("inf")}
    ),
    "something told about a network that is nested too deeply": lambda: save(
        network(), "n.json", {"deep": nested(60)}
    ),
    "a file loaded by a number": lambda: load(1),
    "a file loaded by nothing": lambda: load(None),
    "a file loaded whose name cannot be": lambda: load("n\0.json"),
    "a list of activations": lambda: load("n.json", [swish]),
    "an activation by its name": lambda: load("n.json", {"swish": "swish"}),
    "an activation under the name of a built-in one": lambda: load("n.json", {"tanh": swish}),
    "an activation that was not given": lambda: load(save(Unit(1, swish), "n.json")),
    "an empty file": lambda: load(wrote("")),
    "a file that is no text": lambda: load(wrote(b"\xff\xfe\x00")),
    "a file that is no JSON": lambda: load(wrote("a network")),
    "a file with a name twice": lambda: load(wrote('{"format": 1, "format": 2}')),
    "a file with a number that JSON does not have": lambda: load(wrote('{"format": NaN}')),
    "a file with a number that is too large": lambda: load(wrote('{"format": 1e400}')),
    "a file that is nested too deeply": lambda: load(wrote("[" * 100_000)),
    "a file that is nested too deeply to be checked": load_a_file_too_deep_to_be_checked,
    "a file of something else": lambda: load(wrote('{"format": "picture"}')),
    "a file that is too large": load_with_a_file_too_large,
    "a file of a newer version": load_a_newer_version,
    "a file of no version": lambda: changed(set_to("version", "one")),
    "a file that was damaged": load_a_damaged_file,
    "a file without layers": lambda: changed(set_to("layers", [])),
    "a file that lacks a part": lambda: changed(without("about")),
    "a file with a part too many": lambda: changed(set_to("weights", [])),
    "a file with a text about it": lambda: changed(set_to("about", "mine")),
    "a file of an unknown class": lambda: changed(set_to("class", "Transformer")),
    "a file of one layer with two": lambda: changed(set_to("class", "Layer")),
    "a layer that is a number": lambda: changed(set_to("layers", [1])),
    "a layer that lacks a part": lambda: layer(without("activation")),
    "a layer with an unknown activation": lambda: layer(set_to("activation", "swish")),
    "a layer with an activation that has no name": lambda: layer(set_to("activation", {"custom": "1"})),
    "a layer with a text for expanded": lambda: layer(set_to("expanded", "no")),
    "a layer with a number for its units": lambda: layer(set_to("units", 2)),
    "a layer with a text for its number": lambda: layer(set_to("number", "one")),
    "a unit with a text for its weights": lambda: unit(set_to("weights", "1 2")),
    "a unit with a text for a weight": lambda: unit(set_to("weights", [1.0, "2"])),
    "a unit with a weight too large": lambda: unit(set_to("weights", [1.0, 10**400])),
    "a unit with a weight too many": lambda: unit(set_to("weights", [1.0, 2.0, 3.0])),
    "a unit with a text for its bias": lambda: unit(set_to("bias", "none")),
    "a unit with numbers for labels": lambda: unit(set_to("labels", [1, 2, 3])),
    "a unit with too few labels": lambda: unit(set_to("labels", ["a"])),
    "a layer that does not fit the one before": lambda: changed(
        lambda document: document["layers"][0]["units"].pop()
    ),
    "a layer saved and changed by hand": lambda: changed(set_to("class", "Unit"), Layer(1, 2, seed=1)),
    "an empty table": lambda: table(""),
    "a table without a header": lambda: table("1,2\n3,4\n"),
    "a table with a column without a name": lambda: table("a,,c\n1,2,3\n"),
    "a table with a name twice": lambda: table("a,b,a\n1,2,3\n"),
    "a table without rows": lambda: table("a,b\n"),
    "a table with a row too short": lambda: table("a,b\n1,2\n3\n"),
    "a table with a row too long": lambda: table("a\n1\n3,4\n"),
    "a table with a quote never closed": lambda: table('a,b\n1,2\n"3,4\n'),
    "a table that is no text": lambda: table(b"a,b\n1,\xff\n"),
    "a column that there is not": lambda: read_table(wrote("width,kind\n1,cat\n", "t.csv")).texts("widht"),
    "an entry that is missing": lambda: read_table(wrote("a,b\n1,2\n3,\n", "t.csv")).numbers("b"),
    "an entry that is no number": lambda: read_table(wrote("a,b\n1,2\n3,x\n", "t.csv")).numbers("b"),
    "an entry with a decimal comma": lambda: read_table(wrote("a;b\n1;2\n3;4,5\n", "t.csv")).numbers("b"),
    "an entry that is infinite": lambda: read_table(wrote("a,b\n1,2\n3,inf\n", "t.csv")).numbers("b"),
    "numbers too far apart": lambda: read_table(wrote("a,b\n1,1.7e308\n3,-1.7e308\n", "t.csv")).scale("b"),
}
