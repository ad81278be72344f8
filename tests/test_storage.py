"""Saved networks: equal to the last bit, readable, and refused when anything is amiss.

The numbers in files are compared with Python's own JSON and struct; a file written by hand
stands for the format.
"""

import hashlib
import json
import math
import os
import pickle
import stat
import struct
import sys

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from microbp import MLP, Layer, Unit, Value, sin, storage, tanh
from microbp.storage import load, read, save

FINITE = st.floats(allow_nan=False, allow_infinity=False)
EDGES = [-0.0, 0.0, 5e-324, -2.2250738585072014e-308, sys.float_info.max, 0.1, 1 / 3, 1e22, -1e-7]
NAMES = st.sampled_from(["sigmoid", "tanh", "relu", "linear"])


def bits(numbers):
    return [struct.pack("<d", number) for number in numbers]


def swish(u):
    return u * u.sigmoid()


def units_of(network):
    if isinstance(network, Unit):
        return [network]
    return list(network) if isinstance(network, Layer) else [unit for layer in network for unit in layer]


def described(network):
    """Everything that makes two networks equal, weights by their bits."""
    return type(network), [
        (
            unit.layer,
            unit.number,
            unit.activation,
            unit.expanded,
            unit.bias is None,
            [(p.label, struct.pack("<d", p.data)) for p in unit.parameters()],
        )
        for unit in units_of(network)
    ]


@st.composite
def networks(draw):
    options = {"bias": draw(st.booleans()), "expanded": draw(st.booleans()), "seed": 0}
    n, name = draw(st.integers(1, 4)), draw(NAMES)
    match draw(st.sampled_from(["MLP", "Layer", "Unit"])):
        case "MLP":
            network = MLP(
                n, draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)), name, draw(NAMES), **options
            )
        case "Layer":
            network = Layer(n, draw(st.integers(1, 4)), name, number=draw(st.integers(1, 9)), **options)
        case _:
            network = Unit(n, name, layer=draw(st.integers(1, 9)), number=draw(st.integers(1, 9)), **options)
    for parameter in network.parameters():
        parameter.data = draw(st.one_of(FINITE, st.sampled_from(EDGES)))
        if draw(st.integers(0, 9)) == 0:
            parameter.label = draw(st.sampled_from(["mass", "größe", "", '"', "\n", "☃", "\ud800"]))
    return network


@given(networks())
@settings(max_examples=300, deadline=None)
def test_a_network_comes_back_equal_to_the_last_bit(tmp_path_factory, network):
    path = tmp_path_factory.mktemp("saved") / "network.json"
    assert save(network, path) == path
    again = load(path)
    assert described(again) == described(network)
    x = [0.25] * len(units_of(network)[0].weights)
    numbers = [output.data for output in np.atleast_1d(np.array(network(x), dtype=object))]
    repeated = [output.data for output in np.atleast_1d(np.array(again(x), dtype=object))]
    assert bits(repeated) == bits(numbers)
    assert repr(again) == repr(network)
    first = path.read_bytes()
    assert save(again, path).read_bytes() == first


def test_a_file_is_json_with_a_line_for_each_unit_and_exact_numbers(tmp_path):
    network = MLP(2, [3, 1], "tanh", "linear", seed=1)
    text = save(network, tmp_path / "n.json").read_text(encoding="utf-8")
    document = json.loads(text)
    assert document["format"] == "microbp network" and document["version"] == 1
    assert document["class"] == "MLP"
    assert [layer["activation"] for layer in document["layers"]] == ["tanh", "linear"]
    for layer, record in zip(network, document["layers"]):
        for unit, saved in zip(layer, record["units"]):
            assert saved["weights"] == [weight.data for weight in unit.weights]
            assert saved["bias"] == unit.bias.data
            assert sum(repr(unit.weights[0].data) in line for line in text.splitlines()) == 1
    content = {key: document[key] for key in ("class", "layers", "about")}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    assert document["checksum"] == "sha256 " + hashlib.sha256(canonical).hexdigest()


def test_what_is_told_about_a_network_is_kept_beside_it(tmp_path):
    about = {"inputs": ["größe", "weight"], "mean": [0.1, -2.5e-9], "deep": {"list": [[1], [None, True]]}}
    path = save(Unit(2), tmp_path / "unit.json", about=about)
    network, found = read(path)
    assert found == about and isinstance(network, Unit)
    assert read(save(Unit(2), path))[1] == {}


def nested(depth):
    inner = []
    for _ in range(depth):
        inner = [inner]
    return {"deep": inner}


@pytest.mark.parametrize(
    "about",
    [
        {"a": math.nan},
        {"a": [math.inf]},
        {1: "a"},
        {"a": (1, 2)},
        {"a": {1, 2}},
        [],
        "text",
        {"a": "\ud800"},
        nested(60),
        nested(900),
        nested(100_000),
    ],
)
def test_what_is_told_about_a_network_must_be_json(tmp_path, about):
    with pytest.raises(ValueError, match="save: `about` is an object of JSON"):
        save(Unit(1), tmp_path / "unit.json", about=about)
    assert list(tmp_path.iterdir()) == []


# A file written by hand.

BY_HAND = """{
  "format": "microbp network",
  "version": 1,
  "class": "MLP",
  "layers": [
    {"number": 1, "activation": "tanh", "expanded": false, "units": [
      {"number": 1, "weights": [1, -2.5], "bias": 0.5},
      {"number": 2, "weights": [0.125, 3e-1], "bias": null}]},
    {"number": 2, "activation": "linear", "expanded": false, "units": [
      {"number": 1, "weights": [2.0, -1.0], "bias": 0.25, "labels": ["gain", "loss", "offset"]}]}
  ],
  "about": {}
}
"""


def by_hand(tmp_path, old="", new="", text=BY_HAND):
    assert old in text
    path = tmp_path / "hand.json"
    path.write_bytes(text.replace(old, new, 1).encode() if old else text.encode())
    return path


def test_a_file_written_by_hand_loads(tmp_path):
    network = load(by_hand(tmp_path))
    assert network.parameters()[5].label == "gain"
    assert network[0][1].bias is None
    expected = 0.25 + 2.0 * math.tanh(0.5 + 4.0 - 5.0) - math.tanh(0.125 * 4.0 + 0.3 * 2.0)
    assert network([4.0, 2.0]).data == pytest.approx(expected, rel=1e-14)
    assert described(load(by_hand(tmp_path, text="\ufeff" + BY_HAND.replace("\n", "\r\n")))) == described(
        network
    )


def test_a_hand_edited_file_is_refused_until_its_checksum_is_deleted(tmp_path):
    path = save(MLP(2, [1], seed=1), tmp_path / "n.json")
    text = path.read_text()
    path.write_text(text.replace('"bias": 0.0', '"bias": 0.5'))
    with pytest.raises(ValueError, match=r'does not fit its checksum.*delete the line "checksum"'):
        load(path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if '"checksum"' not in line))
    assert load(path)[0][0].bias.data == 0.5
    path.write_text(" " + text.replace("\n", "\r\n\t"))
    assert load(path)[0][0].bias.data == 0.0, "the layout may change"


@pytest.mark.parametrize(
    "old, new, message",
    [
        ('"version": 1', '"version": 2', "saved in version 2 of the format.*upgrade"),
        ('"version": 1', '"version": true', "its version is True"),
        ('"version": 1', '"version": 0', "its version is 0"),
        ("microbp network", "another network", 'does not say "format": "microbp network"'),
        ('"class": "MLP",', "", "the file: 'class' is missing"),
        ('"class": "MLP",', '"class": "MLP", "class": "MLP",', "'class' is there twice"),
        ('"about": {}', '"about": {}, "size": 3', "the file: 'size' is not a part of it"),
        ('"about": {}', '"about": []', "about is an object, not an empty list"),
        ('"class": "MLP"', '"class": "Layer"', "its class is Layer, and it holds several layers"),
        ('"class": "MLP"', '"class": "os.system"', "its class is 'os.system', not MLP, Layer or Unit"),
        ('"class": "MLP"', '"class": ["MLP"]', r"its class is \['MLP'\]"),
        ('"tanh"', '"tahn"', "layer 1: there is no activation 'tahn'"),
        ('"tanh"', "null", "layer 1: there is no activation None"),
        ('"tanh"', '{"custom": "tanh"}', "layer 1: an activation of one's own cannot be called 'tanh'"),
        ('"tanh"', '{"custom": "os.system"}', "layer 1: an activation of one's own cannot be called"),
        ('"tanh"', '{"own": "f"}', "layer 1, activation: 'custom' is missing"),
        ("false", "0", "layer 1: expanded is true or false, not 0"),
        ('"number": 1', '"number": 1.0', "layer 1: its number is a whole number, not 1.0"),
        ('"number": 1', '"number": -1', "layer 1: its number is a whole number, not -1"),
        ('{"number": 2, "weights"', '{"number": "2", "weights"', "layer 1, unit 2: its number is a whole"),
        ("[1, -2.5]", "[]", "layer 1, unit 1: weights is a list of at least one number, not an empty list"),
        ("[1, -2.5]", '"1"', "layer 1, unit 1: weights is a list of at least one number, not text"),
        ("[1, -2.5]", "[1]", "layer 1, unit 2: it has 2 weights, and unit 1 has 1"),
        ("[1, -2.5]", "[1, true]", "layer 1, unit 1, weight 2: a number is needed, not true or false"),
        ("[1, -2.5]", '[1, "2"]', "layer 1, unit 1, weight 2: a number is needed, not text"),
        ("[1, -2.5]", "[1, NaN]", "NaN is no number of JSON"),
        ("[1, -2.5]", "[-Infinity, 1]", "-Infinity is no number of JSON"),
        ("[1, -2.5]", "[1, 1e999]", "'1e999' is too large for a float"),
        (
            ',\n      {"number": 2, "weights": [0.125, 3e-1], "bias": null}',
            "",
            "layer 2: a unit has 2 weights for the 1 unit before it",
        ),
        ('"bias": 0.5', '"bias": []', "layer 1, unit 1, bias: a number is needed, not an empty list"),
        ('"bias": 0.5', '"b": 0.5', "layer 1, unit 1: 'bias' is missing"),
        ('"loss", ', "", "layer 2, unit 1: it has 2 labels for 3 parameters"),
        ('"loss", ', "1, ", "layer 2, unit 1: labels is a list of names, not .'gain', 1"),
        ("{", "", "it is not JSON: Extra data"),
    ],
)
def test_a_file_with_something_amiss_is_refused_saying_what_and_where(tmp_path, old, new, message):
    path = by_hand(tmp_path, old, new)
    with pytest.raises(ValueError, match=message) as refusal:
        load(path)
    assert str(refusal.value).startswith(f"load: {path} ")
    assert len(str(refusal.value)) < 400


def test_enormous_numbers_and_nesting_are_refused(tmp_path):
    for number in (10**400, f"1{'0' * 6000}"):
        with pytest.raises(ValueError, match=r"weight 2: about 10\*\*400 is too large|not JSON: Exceeds"):
            load(by_hand(tmp_path, "[1, -2.5]", f"[1, {number}]"))
    for deep in ("[" * 100_000, '{"a": ' + "[" * 500_000 + "]" * 500_000 + "}"):
        with pytest.raises(ValueError, match=r"it is nested too deeply|it is not JSON"):
            load(by_hand(tmp_path, '"about": {}', f'"about": {deep}'))


def foreign_files():
    yield "empty", b"", "it is empty"
    yield "blank", b" \n\n", "it is empty"
    yield "pickle", pickle.dumps(os.getcwd), "it is not text"
    yield "old pickle", pickle.dumps([1.0], protocol=0), "it is not JSON"
    yield "zip", b"PK\x03\x04\x14\x00\xff\xfe", "it is not text"
    yield "csv", b"a,b\n1,2\n", "it is not JSON"
    yield "latin", BY_HAND.replace("gain", "größe").encode("latin-1"), "it is not text"
    yield "list", b"[1, 2]", 'it does not say "format"'
    yield "number", b"1", 'it does not say "format"'


@pytest.mark.parametrize("name, content, message", list(foreign_files()))
def test_foreign_files_are_refused(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"is not a network saved by microbp: ({message})"):
        load(path)
    np.savez(tmp_path / "arrays.npz", a=np.arange(300))
    with pytest.raises(ValueError, match="it is not text"):
        load(tmp_path / "arrays.npz")


def test_what_cannot_be_read_raises_what_the_system_says(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing.json")
    with pytest.raises((IsADirectoryError, PermissionError)):
        load(tmp_path)


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = by_hand(tmp_path)
    monkeypatch.setattr(storage, "MOST_BYTES", len(BY_HAND) - 1)
    with pytest.raises(ValueError, match=r"it has more than .* bytes"):
        load(path)
    with pytest.raises(ValueError, match=r"would take .* bytes"):
        save(MLP(9, [9]), tmp_path / "n.json")
    monkeypatch.undo()
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(10**12)
    with pytest.raises(ValueError, match="it has more than 268,435,456 bytes"):
        load(tmp_path / "sparse")


def damages(content):
    """Every truncation, and at every byte: each bit flipped, some bytes instead, one more, none."""
    for length in range(len(content)):
        yield content[:length]
    for place, byte in enumerate(content):
        replaced = {byte ^ 1 << bit for bit in range(8)} | set(b'0159-.eE"{}[],: \n\x00a') | {255}
        for other in replaced - {byte}:
            yield content[:place] + bytes([other]) + content[place + 1 :]
        yield content[:place] + content[place + 1 :]
        for more in b'05-e" ,\x00\xff':
            yield content[:place] + bytes([more]) + content[place:]


def test_every_truncation_and_damaged_byte_is_refused_or_harmless(tmp_path):
    network = MLP(2, [1], "tanh", seed=3)
    network.parameters()[0].label = "größe"
    network.parameters()[1].data, network.parameters()[2].data = -0.0, 1e22
    path = save(network, tmp_path / "n.json", about={"inputs": ["a", "b"]})
    whole = path.read_bytes()
    expected = described(network), {"inputs": ["a", "b"]}
    refused = harmless = 0
    for damaged in damages(whole):
        path.write_bytes(damaged)
        try:
            loaded, about = read(path)
        except ValueError as refusal:
            assert str(refusal).startswith(f"load: {path} ")
            refused += 1
        else:
            assert (described(loaded), about) == expected, damaged
            harmless += 1
    assert refused > 10_000 and harmless > 50, (refused, harmless)


# Activations of one's own.


def test_an_activation_of_ones_own_is_asked_for_by_name(tmp_path):
    path = save(MLP(2, [2, 1], swish, "linear", seed=1), tmp_path / "n.json")
    assert json.loads(path.read_text())["layers"][0]["activation"] == {"custom": "swish"}
    with pytest.raises(ValueError, match=r"'swish'; give the function, as in load\('.*n.json', activations="):
        load(path)
    network = load(path, activations={"swish": swish, "unused": abs})
    assert network[0].activation is swish
    assert network[0][0].activation is swish
    expected = MLP(2, [2, 1], swish, "linear", seed=1)([1, 2]).data
    assert network([1, 2]).data == expected


def test_activations_have_one_meaning_for_each_name(tmp_path):
    path = save(Unit(1, swish), tmp_path / "unit.json")
    with pytest.raises(ValueError, match="'sigmoid' is a built-in activation"):
        load(path, activations={"swish": swish, "sigmoid": swish})
    with pytest.raises(TypeError, match="activation 'swish' is a function of a Value, not 3"):
        load(path, activations={"swish": 3})
    layers = MLP(1, [1, 1], lambda u: u * 2, lambda u: u * 3)
    with pytest.raises(ValueError, match="two activations of your own are called 'custom'"):
        save(layers, path)

    def relu(u):
        return u * 2

    with pytest.raises(ValueError, match="called 'relu' like a built-in one"):
        save(Unit(1, relu), path)
    assert load(path, {"swish": swish}).activation is swish, "a refused save leaves the file"


def test_a_built_in_activation_given_as_a_function_needs_no_asking(tmp_path):
    for function in (Value.tanh, tanh):
        assert load(save(Unit(1, function), tmp_path / "unit.json")).activation == "tanh"
    assert load(save(Unit(1, sin), tmp_path / "unit.json"), {"sin": sin}).activation is sin


# What cannot be saved.


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_only_finite_numbers_are_saved(tmp_path, number):
    network = MLP(2, [2, 1], seed=1)
    network[0][1].weights[0].data = number
    with pytest.raises(ValueError, match=rf"save: w1\[1,2\] is {number}; only finite numbers"):
        save(network, tmp_path / "n.json")
    assert list(tmp_path.iterdir()) == []


def test_what_a_file_cannot_hold_is_refused(tmp_path):
    path = tmp_path / "n.json"
    with pytest.raises(TypeError, match=r"save: an MLP, Layer or Unit is needed, not \[\] \(list\)"):
        save([], path)

    class Mine(MLP):
        pass

    with pytest.raises(TypeError, match=r"\(Mine\)"):
        save(Mine(1, [1]), path)
    network = MLP(2, [2, 1], seed=1)
    network[0].units[1] = Unit(2, "relu", number=2)
    with pytest.raises(ValueError, match="unit 2 of layer 1 differs from the first"):
        save(network, path)
    network = MLP(2, [2, 1], seed=1)
    network[0][0].weights[0] = network[0][0].weights[1]
    with pytest.raises(ValueError, match="a weight is shared"):
        save(network, path)
    network[0][0].weights[0] = Value(1.0) * 2
    with pytest.raises(ValueError, match="was computed from other Values"):
        save(network, path)
    network = MLP(2, [2, 1], seed=1)
    del network[0].units[0]
    with pytest.raises(
        ValueError, match="could not be loaded again: layer 2: a unit has 2 weights for the 1 unit before"
    ):
        save(network, path)
    network[0].units.clear()
    with pytest.raises(ValueError, match="a layer without units"):
        save(network, path)
    assert list(tmp_path.iterdir()) == []


# Writing whole or not at all.


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError("the disk is full"), KeyboardInterrupt()])
def test_a_write_that_fails_midway_leaves_the_old_file(tmp_path, monkeypatch, step, error):
    path = save(Unit(1, seed=1), tmp_path / "unit.json")
    before = path.read_bytes()

    def fail(*arguments):
        raise error

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)):
        save(Unit(2, seed=2), path)
    with pytest.raises(type(error)):
        save(Unit(2, seed=2), tmp_path / "new.json")
    assert [file.name for file in tmp_path.iterdir()] == ["unit.json"]
    assert path.read_bytes() == before


def test_the_new_file_is_on_the_disk_before_it_takes_the_old_ones_place(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (steps.append("fsync"), fsync(file)))
    monkeypatch.setattr(os, "replace", lambda *paths: (steps.append("replace"), replace(*paths)))
    save(Unit(1), tmp_path / "unit.json")
    assert steps == ["fsync", "replace"]


def test_where_it_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"save: there is no folder '.*missing'; make it first"):
        save(Unit(1), tmp_path / "missing" / "unit.json")
    with pytest.raises(IsADirectoryError, match="is a folder; name a file in it"):
        save(Unit(1), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        save(Unit(1), tmp_path / "file" / "unit.json")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file"]


@pytest.mark.skipif(os.name != "posix", reason="links and permissions as POSIX has them")
def test_links_permissions_and_devices_are_respected(tmp_path):
    (tmp_path / "real").mkdir()
    target = save(Unit(1, seed=1), tmp_path / "real" / "unit.json")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~umask
    link = tmp_path / "link.json"
    link.symlink_to(target)
    target.chmod(0o640)
    assert save(Unit(3, seed=1), link) == link
    assert link.is_symlink() and len(load(target).weights) == 3
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no ordinary file"):
        save(Unit(1), tmp_path / "pipe")
    target.chmod(0o440)
    if not os.access(target, os.W_OK):  # to root it is
        with pytest.raises(PermissionError, match="may not be written"):
            save(Unit(1), target)
