"""The command line, through a subprocess, as a person types it."""

import csv
import io
import json
import math
import os
import random
import re
import subprocess
import sys

import pytest

import microbp
from microbp.storage import read, save


def microbp_command(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "microbp", *arguments], capture_output=True, text=True, cwd=cwd, timeout=120
    )


def test_the_demo_learns_xor_checks_its_derivatives_and_draws(tmp_path):
    done = microbp_command("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = re.findall(r"^ ([01])   ([01])       ([01])  (0\.\d{4})$", done.stdout, re.M)
    assert [(int(a), int(b), int(t)) for a, b, t, _ in table] == [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)]
    assert all(round(float(y)) == int(t) for _, _, t, y in table)
    rows = re.findall(r"^dE/d(\S+) +(\S+) +(\S+) +(\S+) +agrees$", done.stdout, re.M)
    assert [name[0] for name, *_ in rows] == [*"uuu", *"wwb" * 3]
    for _, backward, measured, error in rows:
        assert abs(float(backward) - float(measured)) < 1e-9
        assert float(error) < 1e-9
    assert re.search(
        r"^12 derivatives by 12 inputs and \d+ local derivatives of \d+ operations agree", done.stdout, re.M
    )
    assert "epoch" in done.stderr and "loss" in done.stderr
    pictures = re.findall(r"^  (\S+)  every (?:Value|unit)", done.stdout, re.M)
    assert len(pictures) == 2
    [page] = re.findall(r"^  (\S+\.html)  both passes step by step", done.stdout, re.M)
    for made in (*pictures, page):
        assert (tmp_path / made).stat().st_size > 1000


def test_the_demo_says_so_when_it_lands_in_a_local_minimum(tmp_path):
    done = microbp_command("demo", "--epochs", "3", "--folder", str(tmp_path / "pictures"))
    assert done.returncode == 1
    assert "try another --seed" in done.stdout
    assert len(list((tmp_path / "pictures").iterdir())) == 3


def test_the_demo_says_where_it_cannot_write(tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")
    done = microbp_command("demo", "--epochs", "3", "--folder", str(tmp_path / "taken"))
    assert done.returncode == 1
    assert "the pictures cannot be written" in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "taken").read_text() == "a file, not a folder"


def test_help_and_version():
    assert microbp_command("--version").stdout == f"microbp {microbp.__version__}\n"
    done = microbp_command("--help")
    assert done.returncode == 0 and "demo" in done.stdout
    assert "--seed" in microbp_command("demo", "--help").stdout


@pytest.mark.parametrize("arguments", [[], ["dmeo"], ["demo", "--epochs", "0"], ["demo", "--seed", "x"]])
def test_words_it_does_not_know_end_with_2_and_a_hint(arguments):
    done = microbp_command(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: microbp") and "Traceback" not in done.stderr


def succeeds(*arguments, cwd):
    done = microbp_command(*arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done


def fails(*arguments, cwd, code=1):
    """The sentence on the error stream, the usage that argparse shows above it left out."""
    done = microbp_command(*arguments, cwd=cwd)
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    start = done.stderr.index(f"microbp {arguments[0]}: ")
    return done.stderr[start:]


# draw and explain


def test_explore_makes_a_page(tmp_path):
    done = microbp_command("explore", "u = w*x + b; sigmoid(u)", "w=0.5", "x=2", "b=-1", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("u = w*x + b; sigmoid(u) = 0.5\nThe page is steps.html; open it in a browser\n")
    page = (tmp_path / "steps.html").read_text(encoding="utf-8")
    assert all(f'"name":"{name}"' in page for name in "wxbu")


def test_explore_says_what_it_cannot_write(tmp_path):
    done = microbp_command("explore", "x", "x=1", "-o", str(tmp_path / "page.svg"))
    assert done.returncode == 1
    assert done.stderr == "microbp explore: the name of a page must end in .html, not as in 'page.svg'\n"


def test_draw_draws_with_gradients(tmp_path):
    done = succeeds("draw", "sigmoid(w*x + b)", "w=0.5", "x=2", "-o", "unit.dot", "b=-1", cwd=tmp_path)
    assert done.stdout == "sigmoid(w*x + b) = 0.5\nThe picture is in unit.dot\n"
    source = (tmp_path / "unit.dot").read_text(encoding="utf-8")
    assert source.startswith("digraph") and "0.250" in source, "the gradient of b"
    succeeds("draw", "tanh(w*x + b)", "w=0.5", "x=2", "b=-1", "--view", "units", "-o", "u.dot", cwd=tmp_path)


@pytest.mark.parametrize("engine", ["auto", "builtin"])
def test_draw_writes_a_picture_without_dot(tmp_path, engine):
    succeeds("draw", "tanh(w*x)", "w=0.5", "x=2", "--engine", engine, cwd=tmp_path)
    assert "<svg" in (tmp_path / "graph.svg").read_text(encoding="utf-8")


def test_explain_lists_every_value_and_gradient(tmp_path):
    done = succeeds("explain", "u = w*x + b; sigmoid(u)", "w=0.5", "x=2", "b=-1", cwd=tmp_path)
    rows = [re.split("  +", line) for line in done.stdout.splitlines()]
    assert rows == [
        ["u = w*x + b; sigmoid(u) = 0.5"],
        [""],
        ["name", "computed as", "value", "gradient"],
        ["w", "0.5000", "0.5000"],  # dz/dw = sigmoid'(0) x = 0.25 * 2
        ["x", "2.000", "0.1250"],
        ["b", "-1.000", "0.2500"],
        ["v1", "w * x", "1.000", "0.2500"],
        ["u", "v1 + b", "0.000", "0.2500"],
        ["v2", "sigmoid(u)", "0.5000", "1.000"],
    ]
    assert "v2" in succeeds("explain", "v1 * 2", "v1=3", cwd=tmp_path).stdout, "the name v1 is taken"


def test_an_expression_that_is_wrong_is_pointed_at(tmp_path):
    said = fails("draw", "sigmoid(w*x + )", "w=1", "x=1", cwd=tmp_path)
    assert said == (
        "microbp draw: in the expression\n\n"
        "  sigmoid(w*x + )\n"
        "                ^\n"
        "  expected a name, a number or '(' here, not ')'\n"
    )
    assert "no value for 'x'; give it one, as in x=1" in fails("explain", "w*x", "w=1", cwd=tmp_path)
    assert "log of -1.0" in fails("explain", "log(w)", "w=-1", cwd=tmp_path)
    said = fails("explain", "width*2", "width=1", "widht=1", cwd=tmp_path)
    assert said.endswith("the value of 'widht' is not used in the expression.  Did you mean 'width'?\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words, message",
    [
        (["w", "=", "1"], "'w' is not name=value; write it without blanks, as in w=0.5"),
        (["w="], "'w=' is not name=value"),
        (["=1"], "'=1' is not name=value"),
        (["w=1", "w=2"], "'w=2': 'w' has a value already"),
        (["w=one"], "'w=one': 'one' is not a number"),
        (["w=nan"], "'w=nan': a finite number is needed"),
        (["w=1e999"], "'w=1e999': a finite number is needed"),
        (["2w=1"], "'2w=1': '2w' cannot be a name in an expression"),
        (["lambda=1"], "'lambda=1': 'lambda' cannot be a name in an expression"),
        (["w=1", "--veiw", "units"], "unrecognized arguments: --veiw"),
        (["w=1", "-w"], "an expression that starts with a minus goes in parentheses"),
    ],
)
def test_values_are_given_as_name_equals_value(tmp_path, words, message):
    done = microbp_command("explain", "w", *words, cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_numbers_may_be_negative_and_small_and_names_in_any_alphabet(tmp_path):
    done = succeeds("explain", "größe * µ", "größe=-1.5", "µ=1e-3", cwd=tmp_path)
    assert done.stdout.startswith("größe * µ = -0.0015\n")


def test_a_picture_that_cannot_be_written_is_said(tmp_path):
    assert "there is no folder 'no'; make it first" in fails(
        "draw", "w", "w=1", "-o", "no/a.dot", cwd=tmp_path
    )
    assert "the name must end in" in fails("draw", "w", "w=1", "-o", "a.txt", cwd=tmp_path)


# train and predict


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def predictions(done):
    return list(csv.DictReader(io.StringIO(done.stdout)))


@pytest.fixture
def plane(tmp_path):
    """y = 2 a - b, with columns on scales of their own."""
    chance = random.Random(1)
    rows = [(chance.uniform(-5, 5), 40 + chance.uniform(0, 9)) for _ in range(60)]
    write(tmp_path / "plane.csv", ["a", "b", "y"], [(a, b, 2 * a - b) for a, b in rows])
    return tmp_path


def test_a_line_is_learned_saved_and_predicted_from(plane):
    told = ["--target", "y", "--layers", "1", "--epochs", "300", "--save", "plane.json"]
    done = succeeds("train", "plane.csv", *told, "--validation", "0.25", cwd=plane)
    assert "plane.csv: 60 rows; inputs 'a' and 'b'; target 'y', a number" in done.stdout
    assert "MLP(2 -> 1 linear; 3 parameters); squared_error; Adam(lr=0.01" in done.stdout
    for name, rows in [("Training", 45), ("Validation", 15)]:
        root = re.search(
            rf"^{name}, {rows} rows: mean squared error .* root is (\S+), in the", done.stdout, re.M
        )
        assert float(root[1]) < 0.05
    assert "epoch 300/300" in done.stderr and done.stdout.endswith("Saved in plane.json\n")
    new = [(1.0, 45.0), (-3.0, 41.0), (0.0, 48.5)]
    write(plane / "new.csv", ["b", "note", "a"], [(b, "text", a) for a, b in new])
    done = succeeds("predict", "plane.json", "new.csv", cwd=plane)
    found = [float(row["prediction"]) for row in predictions(done)]
    assert found == pytest.approx([2 * a - b for a, b in new], abs=0.1)
    assert done.stderr == ""
    again = succeeds("predict", "plane.json", "new.csv", "-o", "out.csv", cwd=plane)
    assert (plane / "out.csv").read_text() == done.stdout and again.stdout == ""


def test_the_scales_are_of_the_rows_that_are_learned_from(plane):
    told = ["--target", "y", "--layers", "1", "--epochs", "1", "--save", "n.json"]
    succeeds("train", "plane.csv", *told, "--validation", "0.5", cwd=plane)
    with open(plane / "plane.csv", newline="") as file:
        whole = [float(row["a"]) for row in csv.DictReader(file)]
    mean, deviation = read(plane / "n.json")[1]["table"]["scales"][0]
    assert mean != pytest.approx(math.fsum(whole) / len(whole), abs=1e-9)
    succeeds("train", "plane.csv", *told, cwd=plane)
    mean, deviation = read(plane / "n.json")[1]["table"]["scales"][0]
    assert mean == pytest.approx(math.fsum(whole) / len(whole))
    assert deviation == pytest.approx(math.sqrt(math.fsum((a - mean) ** 2 for a in whole) / len(whole)))


def test_the_error_that_is_told_is_in_the_targets_units(plane):
    told = ["--target", "y", "--layers", "3,1", "--epochs", "5", "--save", "n.json"]
    trained = succeeds("train", "plane.csv", *told, cwd=plane)
    done = succeeds("predict", "n.json", "plane.csv", cwd=plane)
    with open(plane / "plane.csv", newline="") as file:
        wanted = [float(row["y"]) for row in csv.DictReader(file)]
    found = [float(row["prediction"]) for row in predictions(done)]
    expected = math.fsum((y - t) ** 2 for y, t in zip(found, wanted)) / len(wanted)
    for text in (trained.stdout, done.stderr):
        assert float(re.search(r"mean squared error (\S+)", text)[1]) == pytest.approx(expected, rel=1e-3)


XOR = [(0, 0, "even"), (0, 1, "odd"), (1, 0, "odd"), (1, 1, "even")]


@pytest.mark.parametrize("layers", ["4,1", "4,2"])
def test_classes_in_words_are_learned(tmp_path, layers):
    write(tmp_path / "xor.csv", ["x1", "x2", "kind"], XOR)
    told = ["--target", "kind", "--layers", layers, "--epochs", "800", "--save", "xor.json"]
    done = succeeds("train", "xor.csv", *told, cwd=tmp_path)
    assert "target 'kind', with 2 classes ('even' and 'odd')" in done.stdout
    assert "Training, 4 rows: accuracy 1 (4 of 4)" in done.stdout
    done = succeeds("predict", "xor.json", "xor.csv", cwd=tmp_path)
    assert done.stderr == "4 rows with a known target: accuracy 1 (4 of 4)\n"
    rows = predictions(done)
    assert [row["prediction"] for row in rows] == [kind for *_, kind in XOR]
    for row in rows:
        chances = {name: float(row[f"probability of {name}"]) for name in ("even", "odd")}
        assert sum(chances.values()) == pytest.approx(1.0)
        assert max(chances, key=chances.get) == row["prediction"] and chances[row["prediction"]] > 0.8


def test_several_classes_and_numbers_as_classes(tmp_path):
    chance = random.Random(2)
    centres = {"7": (0, 0), "8": (4, 0), "10": (0, 4)}
    rows = [
        (chance.gauss(x, 0.4), chance.gauss(y, 0.4), k) for k, (x, y) in centres.items() for _ in range(12)
    ]
    write(tmp_path / "three.csv", ["x", "y", "k"], rows)
    told = ["--target", "k", "--epochs", "60", "--save", "three.json"]
    done = succeeds("train", "three.csv", *told, "--layers", "5,3", "--classes", cwd=tmp_path)
    assert "3 classes ('7', '8' and '10')" in done.stdout and "accuracy 1 (36 of 36)" in done.stdout
    write(tmp_path / "centres.csv", ["x", "y", "k"], [(0, 0, ""), (4, 0, "8"), (0, 4, "")])
    done = succeeds("predict", "three.json", "centres.csv", cwd=tmp_path)
    assert [row["prediction"] for row in predictions(done)] == ["7", "8", "10"]
    assert done.stderr == "1 row with a known target: accuracy 1 (1 of 1)\n"
    done = succeeds("train", "three.csv", *told, "--layers", "1", "--inputs", "x", cwd=tmp_path)
    assert "inputs 'x'; target 'k', a number" in done.stdout
    said = fails("train", "three.csv", *told, "--layers", "5,2", "--classes", cwd=tmp_path)
    assert "so the last layer has 3 units, as in --layers 5,3" in said


def test_other_ways_to_train(tmp_path):
    write(tmp_path / "xor.csv", ["x1", "x2", "kind"], XOR)
    sgd = [
        "--optimizer",
        "sgd",
        "--lr",
        "0.5",
        "--momentum",
        "0.9",
        "--batch-size",
        "4",
        "--activation",
        "sigmoid",
    ]
    done = succeeds(
        "train", "xor.csv", "--target", "kind", "--layers", "4,1", "--epochs", "600", *sgd, cwd=tmp_path
    )
    assert "sigmoid" in done.stdout and "SGD(lr=0.5, momentum=0.9" in done.stdout
    assert "accuracy 1 (4 of 4)" in done.stdout
    assert "--save network.json would keep it" in done.stdout
    assert [file.name for file in tmp_path.iterdir()] == ["xor.csv"]
    write(tmp_path / "line.csv", ["x", "y"], [(x, 3 * x) for x in range(10)])
    done = succeeds(
        "train", "line.csv", "--target", "y", "--layers", "1", "--loss", "mean_absolute_error", cwd=tmp_path
    )
    assert "mean_absolute_error" in done.stdout


def test_training_is_repeatable(plane):
    told = ["--target", "y", "--layers", "3,1", "--epochs", "5", "--validation", "0.2", "--save"]
    for name in ("one.json", "two.json"):
        succeeds("train", "plane.csv", *told, name, cwd=plane)
    assert (plane / "one.json").read_bytes() == (plane / "two.json").read_bytes()


@pytest.mark.parametrize(
    "content, arguments, message",
    [
        ("a,y\n1,2\n", ["--target", "z"], "data.csv: there is no column 'z'; there are 'a' and 'y'"),
        ("a,y\n1,2\n3,\n", ["--target", "y"], "data.csv, line 3, column 'y': the entry is missing"),
        ("a,y\n1,2\nx,2\n", ["--target", "y"], "data.csv, line 3, column 'a': 'x' is not a number"),
        ("a,y\n1,2\n3,inf\n", ["--target", "y"], "line 3, column 'y': 'inf' is not finite"),
        ("a,y\n1,2\n3,x\n", ["--target", "y"], "column 'y': 'x' is not a number; if the entries are names"),
        (
            "a,y\n1,x\n3,x\n",
            ["--target", "y"],
            "column 'y': all rows are 'x'; there is nothing to tell apart",
        ),
        (
            "a,y\n1,2\n3\n",
            ["--target", "y"],
            "data.csv, line 3: the row has 1 entry, and the header 2 columns",
        ),
        ("y\n1\n", ["--target", "y"], "data.csv: there is no column to learn from beside 'y'"),
        ("a,y\n1,2\n", ["--target", "y", "--inputs", "a,y"], "--inputs: each column is named once"),
        ("a,y\n1,2\n", ["--target", "y", "--inputs", "b"], "there is no column 'b'"),
        ("a,y\n1,2\n3,4\n", ["--target", "y", "--validation", "0.1"], "this holds out 0 of 2 rows"),
        ("a,y\n1,2\n3,4\n", ["--target", "y", "--momentum", "0.5"], "--momentum belongs to --optimizer sgd"),
        (
            "a,y\n1,2\n3,4\n",
            ["--target", "y", "--loss", "cross_entropy"],
            "squared_error or mean_absolute_error",
        ),
        ("a,y\n1,b\n3,c\n", ["--target", "y", "--loss", "squared_error"], "for which there is cross_entropy"),
        ("a,y\n1,2\n3,4\n", ["--target", "y", "--layers", "4,2"], "has 1 unit, as in --layers 4,1"),
        ("a,y\n1,2\n3,4\n", ["--target", "y", "--layers", "9999999,1"], "weights are too many"),
        ("a,y\n1,2\n3,4\n", ["--target", "y", "--save", "no/n.json"], "--save: there is no folder 'no'"),
        (
            "a,y\n1,2\n9,4\n4,-3\n",
            ["--target", "y", "--optimizer", "sgd", "--lr", "1e200"],
            "lr may help",
        ),
    ],
    ids=range(18),
)
def test_what_cannot_be_trained_is_said_in_a_sentence(tmp_path, content, arguments, message):
    (tmp_path / "data.csv").write_text(content)
    said = fails("train", "data.csv", "--layers", "1", "--save", "n.json", *arguments, cwd=tmp_path)
    assert message in said and said.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["data.csv"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--layers", "8,x"],
        ["--layers", "0"],
        ["--layers", ""],
        ["--lr", "-1"],
        ["--epochs", "0"],
        ["--validation", "1"],
        ["--activation", "sine"],
        ["extra"],
    ],
)
def test_words_that_train_does_not_know_end_with_2(tmp_path, arguments):
    (tmp_path / "data.csv").write_text("a,y\n1,2\n")
    assert fails("train", "data.csv", "--target", "y", "--layers", "1", *arguments, cwd=tmp_path, code=2)


def test_predicting_says_what_does_not_fit(plane):
    told = ["--target", "y", "--layers", "1", "--epochs", "1", "--save", "n.json"]
    succeeds("train", "plane.csv", *told, cwd=plane)
    write(plane / "other.csv", ["a", "c"], [(1, 2)])
    said = fails("predict", "n.json", "other.csv", cwd=plane)
    assert (
        "n.json was trained on the columns 'a' and 'b', and other.csv lacks 'b'; it has 'a' and 'c'" in said
    )
    write(plane / "bad.csv", ["a", "b"], [(1, 2), (1, "x")])
    assert "bad.csv, line 3, column 'b': 'x' is not a number" in fails(
        "predict", "n.json", "bad.csv", cwd=plane
    )
    assert "nothing.json: No such file" in fails("predict", "nothing.json", "plane.csv", cwd=plane)
    assert "plane.csv is not a network saved by" in fails("predict", "plane.csv", "plane.csv", cwd=plane)
    assert "--output: there is no folder 'no'" in fails(
        "predict", "n.json", "plane.csv", "-o", "no/out.csv", cwd=plane
    )
    write(plane / "plane2.csv", ["a", "b", "y"], [(1, 2, "cat")])
    assert "column 'y': 'cat' is not a number" in fails("predict", "n.json", "plane2.csv", cwd=plane)
    document = json.loads((plane / "n.json").read_text())
    del document["checksum"]
    document["about"]["table"]["inputs"] = ["a"]
    (plane / "n.json").write_text(json.dumps(document))
    assert "n.json: the columns stored beside the network do not fit" in fails(
        "predict", "n.json", "plane.csv", cwd=plane
    )


def test_a_network_saved_from_python_predicts_by_the_order_of_columns(tmp_path):
    network = microbp.MLP(2, [3, 2], "tanh", "linear", seed=1)
    save(network, tmp_path / "mlp.json", about={"note": "by hand"})
    save(network[0][0], tmp_path / "unit.json")
    write(tmp_path / "data.csv", ["p", "q"], [(0.5, -1.0), (2.0, 3.0)])
    rows = predictions(succeeds("predict", "mlp.json", "data.csv", cwd=tmp_path))
    assert [[float(x) for x in row.values()] for row in rows] == [
        [v.data for v in network(x)] for x in ([0.5, -1.0], [2.0, 3.0])
    ]
    assert [*rows[0]] == ["output 1", "output 2"]
    rows = predictions(succeeds("predict", "unit.json", "data.csv", cwd=tmp_path))
    assert float(rows[0]["prediction"]) == network[0][0]([0.5, -1.0]).data
    write(tmp_path / "wide.csv", ["p", "q", "r"], [(1, 2, 3)])
    said = fails("predict", "mlp.json", "wide.csv", cwd=tmp_path)
    assert "knows no names of columns and takes a table of 2; wide.csv has 3: 'p', 'q' and 'r'" in said


def test_a_reader_that_has_read_enough_ends_it_quietly(tmp_path):
    save(microbp.Unit(1), tmp_path / "unit.json")
    write(tmp_path / "long.csv", ["x"], [(i,) for i in range(20_000)])
    command = [sys.executable, "-m", "microbp", "predict", "unit.json", "long.csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdout.readline().strip() == b"prediction"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0


def test_a_terminal_without_the_letters_gets_question_marks(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "microbp", "explain", "größe*2", "größe=1"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        cwd=tmp_path,
        timeout=60,
    )
    assert done.returncode == 0 and b"gr??e" in done.stdout


@pytest.mark.parametrize("command", ["demo", "draw", "explore", "explain", "train", "predict"])
def test_the_help_of_each_command_shows_an_example(command):
    done = microbp_command(command, "--help")
    assert done.returncode == 0
    assert re.search(rf"^  microbp {command} \S+", done.stdout, re.M)
    assert command in microbp_command("--help").stdout
