"""Networks in files: JSON that a person can read, with every number exact.

A file holds the network layer by layer, one unit to a line.  It is written whole or not at
all, and carries a checksum of its content, so that a damaged file is refused and never
loaded as another network.  Loading a file runs nothing from it.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from microbp import functions
from microbp.arguments import counted, described, shown
from microbp.nn import ACTIVATIONS, MLP, Activation, Layer, Unit
from microbp.value import Value, as_float

Network = MLP | Layer | Unit
Function = Callable[[Value], Value]

FORMAT, VERSION = "microbp network", 1
MOST_BYTES = 256 * 2**20
DEEPEST = 50  # lists in lists, in what is told about a network

# A built-in activation given as a function is saved by its name, as if that had been given.
_BUILT_IN = [
    *((function, name) for name, function in ACTIVATIONS.items()),
    *((getattr(functions, name), name) for name in ACTIVATIONS if hasattr(functions, name)),
]


def save(network: Network, path: str | os.PathLike[str], about: dict[str, Any] | None = None) -> Path:
    """Write a network, layer or unit to a file, for `load`; return its path.

    The file is JSON: the class, and for each layer its activation and its units, with their
    weights and biases as exact decimal numbers.  `about`, an object of JSON, is stored beside
    them; `read` returns it.  A file that was there is replaced at once: whatever fails, it is
    either the old one or the new one.  A function of your own as an activation is saved by
    its name, and `load` asks for it.

    Raises ValueError, naming the parameter, for one that is infinite or NaN, and for what a file
    cannot hold: a weight shared by two units or computed from other Values, a layer of unlike
    units, an `about` that is no JSON.  Raises TypeError for anything but an MLP, Layer or Unit,
    and OSError, such as FileNotFoundError for a missing folder, where it cannot be written.

    >>> from tempfile import TemporaryDirectory
    >>> network = MLP(2, [4, 1], seed=1)
    >>> with TemporaryDirectory() as folder:
    ...     path = save(network, f"{folder}/network.json")
    ...     again = load(path)
    >>> again
    MLP(2 -> 4 sigmoid -> 1 sigmoid; 17 parameters)
    >>> [p.data for p in again.parameters()] == [p.data for p in network.parameters()]
    True
    """
    path = as_path(path, "save")
    own: dict[str, Function] = {}
    content = {
        "class": type(network).__name__,
        "layers": _layers_of(network, own),
        "about": {} if about is None else _checked(about),
    }
    document = {"format": FORMAT, "version": VERSION, "checksum": _checksum(content), **content}
    text = (_text(document) + "\n").encode(errors="backslashreplace")  # half a character as JSON escapes it
    if len(text) > MOST_BYTES:
        raise ValueError(
            f"save: this network would take {len(text):,} bytes; `load` reads up to {MOST_BYTES:,}"
        )
    try:
        _network(_parsed(text), own)
    except _Unreadable as error:
        raise ValueError(f"save: this network could not be loaded again: {error.args[0]}") from None
    return write_whole(path, text, "save")


def load(path: str | os.PathLike[str], activations: Mapping[str, Function] | None = None) -> Network:
    """The network, layer or unit that `save` wrote to a file, equal to the last bit.

    `activations` are the functions of your own that it uses, by name: {"swish": swish}.

    Raises ValueError, saying what is wrong and where, for a file that is damaged, was not
    written by `save`, or needs a newer microbp or activations that were not given, and OSError,
    such as FileNotFoundError, for one that cannot be read.

    >>> from tempfile import TemporaryDirectory
    >>> def swish(u):
    ...     return u * u.sigmoid()
    >>> with TemporaryDirectory() as folder:
    ...     path = save(Unit(3, swish, seed=1), f"{folder}/unit.json")
    ...     load(path, activations={"swish": swish})
    Unit(3 -> 1 swish; 4 parameters)
    """
    return read(path, activations)[0]


def read(
    path: str | os.PathLike[str], activations: Mapping[str, Function] | None = None
) -> tuple[Network, dict[str, Any]]:
    """The network of a file, as `load` gives it, and the object `about` that was stored beside it.

    Raises what `load` raises.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = save(Unit(1), f"{folder}/unit.json", about={"inputs": ["width"]})
    ...     read(path)
    (Unit(1 -> 1 sigmoid; 2 parameters), {'inputs': ['width']})
    """
    path = as_path(path, "load")
    own = _own_activations({} if activations is None else activations)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        content = b"" if size > MOST_BYTES else file.read(MOST_BYTES + 1)
    try:
        if max(size, len(content)) > MOST_BYTES:
            raise _Refused(f"it has more than {MOST_BYTES:,} bytes")
        document = _parsed(content)
        return _network(document, own), document["about"]
    except _MissingActivation as missing:
        raise ValueError(
            f"load: {path} uses an activation of your own, {missing.name!r}; give the function, "
            f"as in load({str(path)!r}, activations={{{missing.name!r}: {missing.name}}})"
        ) from None
    except _Unreadable as error:
        raise ValueError(f"load: {path} {error}") from None


def as_path(path: str | os.PathLike[str], where: str) -> Path:
    """The path of a file; TypeError or ValueError, beginning with `where`, for what can be none."""
    name = os.fspath(path) if isinstance(path, (str, os.PathLike)) else path
    if not isinstance(name, str):
        raise TypeError(f"{where}: the name of a file is needed, not {described(path)}")
    if not name or "\0" in name:
        raise ValueError(f"{where}: {name!r} cannot be the name of a file")
    return Path(name)


def check_writable(path: str | os.PathLike[str], where: str) -> Path:
    """The file that writing to `path` would replace, a link being followed.

    Raises OSError, beginning with `where`, for a folder that does not exist and for what is not
    a file that may be written.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{where}: there is no folder {str(Path(path).parent)!r}; make it first")
    if target.is_dir():
        raise IsADirectoryError(f"{where}: {os.fspath(path)!r} is a folder; name a file in it")
    if target.exists() and not target.is_file():
        raise OSError(f"{where}: {os.fspath(path)!r} is no ordinary file, and is left alone")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(f"{where}: {os.fspath(path)!r} may not be written")
    return target


def write_whole(path: str | os.PathLike[str], content: bytes, where: str) -> Path:
    """Write a file whole or not at all, with the permissions of the one it replaces; return its path."""
    target = check_writable(path, where)
    draft = target.with_name(f".microbp-{secrets.token_hex(8)}")
    try:
        with open(draft, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, draft)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
    return Path(path)


# What is written.


def _layers_of(network: Network, own: dict[str, Function]) -> list[dict[str, Any]]:
    if type(network) not in (MLP, Layer, Unit):
        raise TypeError(f"save: an MLP, Layer or Unit is needed, not {described(network)}")
    parameters = network.parameters()
    for parameter in parameters:
        if parameter.inputs:
            raise ValueError(f"save: {parameter!r} was computed from other Values, which a file cannot hold")
    if len(set(parameters)) < len(parameters):
        raise ValueError("save: a weight is shared by several units, which a file cannot hold")
    layers: list[list[Unit]]
    if isinstance(network, Unit):
        layers = [[network]]
    else:
        layers = [network.units] if isinstance(network, Layer) else [layer.units for layer in network]
    return [_layer_of(units, own) for units in layers]


def _layer_of(units: list[Unit], own: dict[str, Function]) -> dict[str, Any]:
    if not units:
        raise ValueError("save: there is a layer without units")
    first = units[0]
    for unit in units:
        if (unit.layer, unit.activation, unit.expanded) != (first.layer, first.activation, first.expanded):
            raise ValueError(
                f"save: the units of a layer share its number, activation and way of summing, and unit "
                f"{unit.number} of layer {unit.layer} differs from the first"
            )
    return {
        "number": first.layer,
        "activation": _activation_of(first.activation, own),
        "expanded": bool(first.expanded),
        "units": [_unit_of(unit) for unit in units],
    }


def _unit_of(unit: Unit) -> dict[str, Any]:
    numbers = [_finite(parameter) for parameter in unit.parameters()]
    n = len(unit.weights)
    record = {"number": unit.number, "weights": numbers[:n], "bias": numbers[n] if numbers[n:] else None}
    labels = [parameter.label for parameter in unit.parameters()]
    if labels != [
        parameter.label for parameter in _new_unit(unit.layer, "linear", False, record).parameters()
    ]:
        record["labels"] = labels
    return record


def _finite(parameter: Value) -> float:
    name = parameter.label or "a parameter without a label"
    number = as_float(parameter.data, f"save: {name}")
    if not math.isfinite(number):
        raise ValueError(f"save: {name} is {number}; only finite numbers are saved")
    return float(number)


def _activation_of(activation: Activation, own: dict[str, Function]) -> str | dict[str, str]:
    if isinstance(activation, str):
        return activation
    for function, built_in in _BUILT_IN:
        if activation is function:
            return built_in
    name = getattr(activation, "__name__", type(activation).__name__)
    name = name if name.isidentifier() else "custom"
    if name in ACTIVATIONS:
        raise ValueError(
            f"save: an activation of your own is called {name!r} like a built-in one; give it another name"
        )
    if own.setdefault(name, activation) is not activation:
        raise ValueError(
            f"save: two activations of your own are called {name!r}; define each with a name of its own"
        )
    return {"custom": name}


def _checked(about: dict[str, Any]) -> dict[str, Any]:
    wrong = _not_json(about, "about", 0) if isinstance(about, dict) else f"it is {described(about)}"
    if wrong:
        raise ValueError(
            "save: `about` is an object of JSON: a dict by texts of texts, finite numbers, True, False, "
            f"None, lists and such dicts; {wrong}"
        )
    return about


def _not_json(value: object, place: str, depth: int) -> str:
    """The first thing at or below `place` that JSON does not have, as the end of a sentence; '' for none."""
    if depth > DEEPEST:
        return f"it is nested more than {DEEPEST} deep"
    if not isinstance(value, (dict, list)):
        return "" if _plain(value) else f"{place} is {described(value)}"
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(value, dict) and not (isinstance(key, str) and _plain(key)):
            return f"{place} has the key {described(key)}"
        if wrong := _not_json(part, f"{place}[{key!r}]", depth + 1):
            return wrong
    return ""


def _plain(value: object) -> bool:
    """Whether JSON has this single thing, and gives it back as it was."""
    if isinstance(value, str):
        return not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or (isinstance(value, int) and value.bit_length() < 10_000)


def _checksum(content: Mapping[str, Any]) -> str:
    """Of what the content says, not of how it is laid out."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f"sha256 {sha256(canonical.encode()).hexdigest()}"


def _text(value: Any, margin: str = "") -> str:
    """JSON with a line for each part, down to a unit, which is one line."""
    if _depth(value) <= 2:
        return json.dumps(value, ensure_ascii=False)
    inner = margin + "  "
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(key, ensure_ascii=False)}: {_text(part, inner)}" for key, part in value.items()
        ]
        return f"{{\n{inner}" + f",\n{inner}".join(parts) + f"\n{margin}}}"
    return f"[\n{inner}" + f",\n{inner}".join(_text(part, inner) for part in value) + f"\n{margin}]"


def _depth(value: Any) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(_depth, parts), default=0)


# What is read.


class _Unreadable(Exception):
    """Why a file cannot be loaded, as the end of a sentence that begins with its name."""


class _Refused(_Unreadable):
    def __str__(self) -> str:
        return f"is not a network saved by microbp: {self.args[0]}"


class _MissingActivation(Exception):
    def __init__(self, name: str) -> None:
        self.name = name


def _own_activations(activations: Mapping[str, Function]) -> Mapping[str, Function]:
    if not isinstance(activations, Mapping):
        raise TypeError(
            "load: activations are functions by name, a dict such as {'swish': swish}, "
            f"not {described(activations)}"
        )
    for name, function in activations.items():
        if name in ACTIVATIONS:
            raise ValueError(f"load: {name!r} is a built-in activation, and no other can take its name")
        if not callable(function):
            raise TypeError(f"load: activation {name!r} is a function of a Value, not {described(function)}")
    return activations


def _parsed(content: bytes) -> dict[str, Any]:
    """The document in a file, refused unless it is one of ours, of this version, and undamaged."""
    if not content.strip():
        raise _Refused("it is empty")
    try:
        document = json.loads(
            content.decode("utf-8-sig"),  # an editor may have put its mark before the text
            object_pairs_hook=_without_duplicates,
            parse_constant=_no_constant,
            parse_float=_float,
        )
    except UnicodeDecodeError:
        raise _Refused("it is not text") from None
    except RecursionError:
        raise _Refused("it is nested too deeply") from None
    except ValueError as error:
        raise _Refused(f"it is not JSON: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _Refused(f'it does not say "format": "{FORMAT}"')
    version = document.get("version")
    if type(version) is int and version > VERSION:
        raise _Unreadable(
            f"was saved in version {shown(version)} of the format, and this microbp reads up to version "
            f"{VERSION}; upgrade it, as with pip install --upgrade microbp"
        )
    if type(version) is not int or version < 1:
        raise _Refused(f"its version is {shown(version)}")
    _keys(document, ["format", "version", "class", "layers", "about"], ["checksum"], "the file")
    _check_checksum(document)
    if not isinstance(document["about"], dict):
        raise _Refused(f"about is an object, not {_kind(document['about'])}")
    return document


def _check_checksum(document: dict[str, Any]) -> None:
    if "checksum" not in document:  # deleted by a person who changed the file by hand, as told below
        return
    content = {key: document[key] for key in ("class", "layers", "about")}
    try:
        same = document["checksum"] == _checksum(content)
    except RecursionError:
        raise _Refused("it is nested too deeply") from None
    if not same:
        raise _Unreadable(
            "has changed since microbp saved it: its content does not fit its checksum.  If you changed it "
            'yourself, delete the line "checksum" to have it loaded; otherwise it is damaged'
        )


def _network(document: dict[str, Any], own: Mapping[str, Function]) -> Network:
    records = document["layers"]
    if not isinstance(records, list) or not records:
        raise _Refused(f"layers is a list of at least one layer, not {_kind(records)}")
    layers = [_layer(record, own, f"layer {l}") for l, record in enumerate(records, start=1)]
    kind = document["class"]
    if kind == "MLP":
        _check_fit(layers)
        network = MLP(1, [1])
        network.layers = layers
        return network
    if kind not in ("Layer", "Unit"):
        raise _Refused(f"its class is {shown(kind)}, not MLP, Layer or Unit")
    if len(layers) > 1 or (kind == "Unit" and len(layers[0]) > 1):
        several = "layers" if len(layers) > 1 else "units"
        raise _Refused(f"its class is {kind}, and it holds several {several}")
    return layers[0] if kind == "Layer" else layers[0][0]


def _check_fit(layers: list[Layer]) -> None:
    for l, (before, layer) in enumerate(pairwise(layers), start=2):
        if len(layer[0].weights) != len(before):
            raise _Refused(
                f"layer {l}: a unit has {counted(len(layer[0].weights), 'weight')} "
                f"for the {counted(len(before), 'unit')} before it"
            )


def _layer(record: Any, own: Mapping[str, Function], where: str) -> Layer:
    _keys(record, ["number", "activation", "expanded", "units"], [], where)
    activation = _activation(record["activation"], own, where)
    if not isinstance(record["expanded"], bool):
        raise _Refused(f"{where}: expanded is true or false, not {_kind(record['expanded'])}")
    if not isinstance(record["units"], list) or not record["units"]:
        raise _Refused(f"{where}: units is a list of at least one unit, not {_kind(record['units'])}")
    number = _count(record["number"], f"{where}: its number")
    layer = Layer(1, 1, activation)
    layer.units = [
        _unit(unit, number, activation, record["expanded"], f"{where}, unit {k}")
        for k, unit in enumerate(record["units"], start=1)
    ]
    for k, unit in enumerate(layer, start=1):
        if len(unit.weights) != len(layer[0].weights):
            raise _Refused(
                f"{where}, unit {k}: it has {counted(len(unit.weights), 'weight')}, "
                f"and unit 1 has {len(layer[0].weights):,}"
            )
    return layer


def _unit(record: Any, layer: int, activation: Activation, expanded: bool, where: str) -> Unit:
    _keys(record, ["number", "weights", "bias"], ["labels"], where)
    weights, bias = record["weights"], record["bias"]
    if not isinstance(weights, list) or not weights:
        raise _Refused(f"{where}: weights is a list of at least one number, not {_kind(weights)}")
    _count(record["number"], f"{where}: its number")
    numbers = [_number(weight, f"{where}, weight {j}") for j, weight in enumerate(weights, start=1)]
    numbers += [] if bias is None else [_number(bias, f"{where}, bias")]
    unit = _new_unit(layer, activation, expanded, record)
    for parameter, number in zip(unit.parameters(), numbers):
        parameter.data = number
    for parameter, label in zip(unit.parameters(), _labels(record, len(numbers), where)):
        parameter.label = label
    return unit


def _new_unit(layer: int, activation: Activation, expanded: bool, record: Mapping[str, Any]) -> Unit:
    n, bias = len(record["weights"]), record["bias"] is not None
    return Unit(n, activation, bias, expanded, seed=0, layer=layer, number=record["number"])


def _labels(record: Mapping[str, Any], n: int, where: str) -> list[str]:
    labels = record.get("labels", [])
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise _Refused(f"{where}: labels is a list of names, not {shown(labels)}")
    if "labels" in record and len(labels) != n:
        raise _Refused(f"{where}: it has {counted(len(labels), 'label')} for {counted(n, 'parameter')}")
    return labels


def _activation(name: Any, own: Mapping[str, Function], where: str) -> Activation:
    if isinstance(name, str) and name in ACTIVATIONS:
        return name
    if not isinstance(name, dict):
        raise _Refused(f"{where}: there is no activation {shown(name)}")
    _keys(name, ["custom"], [], f"{where}, activation")
    if (
        not isinstance(name["custom"], str)
        or not name["custom"].isidentifier()
        or name["custom"] in ACTIVATIONS
    ):
        raise _Refused(f"{where}: an activation of one's own cannot be called {shown(name['custom'])}")
    if name["custom"] not in own:
        raise _MissingActivation(name["custom"])
    return own[name["custom"]]


def _keys(record: Any, needed: list[str], optional: list[str], where: str) -> None:
    if not isinstance(record, dict):
        raise _Refused(f"{where}: an object is needed, not {_kind(record)}")
    for key in needed:
        if key not in record:
            raise _Refused(f"{where}: {key!r} is missing")
    for key in record:
        if key not in needed and key not in optional:
            raise _Refused(f"{where}: {shown(key)} is not a part of it")


def _number(number: Any, where: str) -> float:
    if type(number) not in (int, float):
        raise _Refused(f"{where}: a number is needed, not {_kind(number)}")
    try:
        return float(number)
    except OverflowError:
        raise _Refused(f"{where}: {shown(number)} is too large for a float") from None


def _count(number: Any, where: str) -> int:
    if type(number) is not int or not 0 <= number < 10**9:
        raise _Refused(f"{where} is a whole number, not {_kind(number)}")
    return number


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return "an empty list" if value == [] else names.get(type(value), shown(value))


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        times = Counter(key for key, _ in pairs)
        raise ValueError(f"{shown(next(key for key in times if times[key] > 1))} is there twice")
    return record


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{shown(text)} is too large for a float")
    return number
