"""fit, predict and accuracy: what is learned, what is reported, and what happens when it goes wrong."""

import copy
import io
import math
import pickle
import sys
from itertools import pairwise

import numpy as np
import pytest

from microbp import (
    MLP,
    SGD,
    Adam,
    History,
    Unit,
    Value,
    accuracy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    fit,
    mean_absolute_error,
    predict,
    squared_error,
    sum,
)

X = [[0, 0], [0, 1], [1, 0], [1, 1]]
Y = [0, 1, 1, 0]


def test_a_network_learns_xor():
    network = MLP(2, [2, 1], seed=1)
    history = fit(network, X, Y, optimizer=SGD(2.0), epochs=2000, stop_when=0.01, progress=False)
    assert history.ended == "stop_when" and history.loss[-1] < 0.01
    assert accuracy(network, X, Y) == 1.0
    assert [round(y) for y in predict(network, X)] == Y


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_full_batch_step_is_the_step_of_the_whole_graph(reduction):
    fitted, by_hand = MLP(2, [3, 1], seed=4), MLP(2, [3, 1], seed=4)
    fit(fitted, X, Y, optimizer=SGD(0.5, momentum=0.9), epochs=3, reduction=reduction, progress=False)
    optimizer = SGD(0.5, momentum=0.9)
    for _ in range(3):
        E = sum([squared_error(by_hand(x), y) for x, y in zip(X, Y)])
        E = E / 4 if reduction == "mean" else E
        by_hand.zero_grad()
        E.backward()
        optimizer.step(by_hand.parameters())
    assert [p.data for p in fitted.parameters()] == pytest.approx(
        [p.data for p in by_hand.parameters()], rel=1e-12
    )


def test_the_loss_of_an_epoch_is_the_one_before_its_steps():
    network = MLP(2, [2, 1], seed=0)
    before = [squared_error(network(x), y).data for x, y in zip(X, Y)]
    twin = copy.deepcopy(network)
    history = fit(network, X, Y, epochs=1, progress=False, engine="eager")
    assert history.loss == [math.fsum(before) / 4]
    assert fit(twin, X, Y, epochs=1, progress=False).loss == pytest.approx(history.loss, rel=1e-14)


def test_batches_are_drawn_anew_by_seed():
    def train(**options):
        network = MLP(2, [2, 1], seed=0)
        fit(network, X, Y, epochs=5, batch_size=3, progress=False, **options)
        return [p.data for p in network.parameters()]

    assert train(seed=1) == train(seed=1) != train(seed=2)
    assert train(shuffle=False, seed=1) == train(shuffle=False, seed=2)


@pytest.mark.parametrize(("engine", "apart"), [("eager", 0.0), ("compiled", 1e-14)])
def test_batches_of_one_are_stochastic_gradient_descent(engine, apart):
    fitted, by_hand = MLP(2, [2, 1], seed=4), MLP(2, [2, 1], seed=4)
    options = {"epochs": 1, "batch_size": 1, "shuffle": False, "progress": False, "engine": engine}
    fit(fitted, X, Y, optimizer=SGD(0.5), **options)
    for x, y in zip(X, Y):
        by_hand.zero_grad()
        squared_error(by_hand(x), y).backward()
        SGD(0.5).step(by_hand.parameters())
    assert [p.data for p in fitted.parameters()] == pytest.approx(
        [p.data for p in by_hand.parameters()], rel=apart, abs=0.0
    )


def test_only_the_named_parameters_are_trained():
    network = MLP(2, [2, 1], seed=0)
    biases = [unit.bias for layer in network for unit in layer]
    before = {p: p.data for p in network.parameters()}
    fit(network, X, Y, parameters=biases, epochs=2, progress=False)
    assert all((p.data != before[p]) == (p in biases) for p in network.parameters())


def test_units_and_plain_functions_are_trained_too():
    unit = Unit(2, seed=0)
    assert fit(unit, X, [0, 0, 0, 1], epochs=200, optimizer=Adam(0.1), progress=False).loss[-1] < 0.05
    w, b = Value(0.0, "w"), Value(0.0, "b")
    fit(lambda x: w * x + b, [0, 1, 2], [1, 3, 5], parameters=[w, b], optimizer=SGD(0.2), progress=False)
    assert (w.data, b.data) == (pytest.approx(2.0, abs=0.02), pytest.approx(1.0, abs=0.03))


def test_arrays_and_classes_are_data():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 2))
    classes = (points[:, 0] > 0).astype(int) + (points[:, 1] > 0)
    network = MLP(2, [8, 3], "tanh", output_activation="linear", seed=0)
    fit(network, points, classes, cross_entropy, Adam(0.05), epochs=60, progress=False)
    assert accuracy(network, points, classes) > 0.9
    assert accuracy(network, points, np.eye(3)[classes]) == accuracy(network, points, classes)


def test_a_table_with_to_numpy_is_data():
    class Table:
        def __init__(self, rows):
            self.rows = rows

        def __iter__(self):
            return iter(["x1", "x2"])  # as data frames do, over their columns

        def to_numpy(self):
            return np.array(self.rows)

    network = MLP(2, [1], seed=0)
    assert predict(network, Table(X)) == predict(network, X)
    assert fit(network, Table(X), Table(Y), epochs=2, progress=False).epochs == 2


def test_validation_is_the_loss_after_the_epoch_and_trains_nothing():
    network, twin = MLP(2, [2, 1], seed=0), MLP(2, [2, 1], seed=0)
    history = fit(network, X, Y, epochs=4, validation=([[0.5, 0.5]], [1]), progress=False)
    fit(twin, X, Y, epochs=4, progress=False)
    assert [p.data for p in network.parameters()] == [p.data for p in twin.parameters()]
    assert history.validation_loss[-1] == squared_error(network([0.5, 0.5]), 1).data
    assert len(history.validation_loss) == 4


def test_stop_when_is_asked_after_every_epoch():
    asked = []

    def three(history):
        asked.append(history.epochs)
        return history.epochs == 3

    history = fit(MLP(2, [1]), X, Y, epochs=10, stop_when=three, progress=False)
    assert asked == [1, 2, 3] and history.ended == "stop_when"


def test_ctrl_c_keeps_what_was_learned():
    network, twin = MLP(2, [2, 1], seed=0), MLP(2, [2, 1], seed=0)
    calls = []

    def interrupted_in_the_third_epoch(y, t):
        calls.append(t)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return squared_error(y, t)

    history = fit(network, X, Y, interrupted_in_the_third_epoch, epochs=50, progress=False, engine="eager")
    assert history.ended == "interrupted" and history.epochs == 2
    fit(twin, X, Y, epochs=2, progress=False, engine="eager")
    assert [p.data for p in network.parameters()] == [p.data for p in twin.parameters()]


def test_a_loss_that_is_not_finite_names_epoch_sample_and_node_and_keeps_the_parameters():
    w = Value(1.0, "w")

    def network(x):
        v = w * x
        v.label = "v"
        return v * 1e308

    with pytest.raises(FloatingPointError) as caught:
        fit(network, [0.5, 2.0], [0.0, 0.0], mean_absolute_error, parameters=[w], progress=False)
    message = str(caught.value)
    assert "epoch 1, sample 2: the loss is inf" in message
    assert "the first node that is not finite is v * 1e+308 = inf" in message
    assert w.data == 1.0


def test_a_domain_error_names_epoch_and_sample():
    w = Value(0.5, "w")
    with pytest.raises(ValueError, match=r"epoch 1, sample 3: log of -0.5 \(node = w \* x\): it needs x > 0"):
        fit(lambda x: (w * Value(x, "x")).log(), [1, 2, -1], [0, 0, 0], parameters=[w], progress=False)
    assert w.data == 0.5


def test_a_gradient_that_is_not_finite_names_the_sample_and_the_node():
    w = Value(0.0, "w")
    with pytest.raises(FloatingPointError) as caught:
        fit(lambda x: (w * x).sqrt(), [1, 2], [1, 1], parameters=[w], progress=False)
    message = str(caught.value)
    assert "epoch 1, sample 1: the gradient of w is" in message
    assert "sqrt" in message or "local derivatives are inf" in message
    assert w.data == 0.0


def test_training_that_runs_away_stops_with_finite_parameters():
    network = MLP(1, [1], activation="linear", seed=0)
    with pytest.raises((FloatingPointError, OverflowError), match=r"epoch|no parameter was changed"):
        fit(network, [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], optimizer=SGD(1e6), epochs=1000, progress=False)
    assert all(math.isfinite(p.data) for p in network.parameters())


def test_quiet_lines_where_nobody_watches(capsys):
    fit(MLP(2, [1], seed=0), X, Y, epochs=30)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["1/30", "2/30", "5/30", "10/30", "20/30", "30/30"]
    assert all("loss 0." in line for line in lines)


def test_a_progress_bar_where_a_person_watches(monkeypatch):
    pytest.importorskip("tqdm")

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    fit(MLP(2, [1], seed=0), X, Y, epochs=3)
    assert "3/3" in terminal.getvalue() and "loss 0." in terminal.getvalue()


def test_progress_can_be_silenced(capsys):
    fit(MLP(2, [1], seed=0), X, Y, epochs=3, progress=False)
    assert capsys.readouterr() == ("", "")


def test_the_history_reads_well():
    assert repr(History([0.25, 0.125])) == "History(2 epochs, loss 0.25 -> 0.125)"
    assert repr(History([0.5], [0.75], "interrupted")) == (
        "History(1 epoch, loss 0.5 -> 0.5, validation loss 0.75 -> 0.75, ended: interrupted)"
    )
    assert repr(History()) == "History(0 epochs)"


def test_predictions_are_plain_numbers():
    assert predict(lambda x: Value(x), [1, 2]) == [1.0, 2.0]
    assert predict(MLP(1, [2], seed=0), [[1.0]])[0] == [z.data for z in MLP(1, [2], seed=0)([1.0])]


def test_accuracy_counts_classes():
    def one(x):
        return Value(x)

    assert accuracy(one, [0.6, 0.4], [1, 1]) == 0.5
    assert accuracy(one, [0.1, -0.1, 0.3], [1, -1, -1]) == pytest.approx(2 / 3)
    assert accuracy(one, [2.0, -2.0, 0.2], [1, 0, 1], threshold=0.0) == 1.0
    assert accuracy(lambda x: [Value(x), Value(1 - x)], [0.9, 0.2], [0, 0]) == 0.5


def test_logits_train_as_probabilities_do():
    network = MLP(2, [2, 1], "tanh", output_activation="linear", seed=3)
    fit(network, X, Y, binary_cross_entropy_with_logits, Adam(0.1), epochs=300, progress=False)
    assert accuracy(network, X, Y, threshold=0.0) == 1.0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"Y": [0, 1]}, ValueError, "X has 4 samples and Y 2 targets"),
        ({"X": [], "Y": []}, ValueError, "X and Y are empty; at least one sample is needed"),
        ({"X": [[0, 0], [0, float("nan")], [1, 0], [1, 1]]}, ValueError, "X: sample 2 contains nan"),
        ({"Y": [0, 1, float("inf"), 1]}, ValueError, "Y: sample 3 contains inf"),
        ({"X": [[0, 0], [0, 1, 2], [1, 0], [1, 1]]}, ValueError, "epoch 1, sample 2: MLP.*takes 2 inputs"),
        ({"X": "abcd"}, TypeError, r"X is a list or array of samples, not 'abcd' \(str\)"),
        ({"reduction": "avg"}, ValueError, "'mean' or 'sum', not 'avg'"),
        ({"epochs": 0}, ValueError, "epochs is a whole number, at least 1, not 0"),
        ({"batch_size": 2.5}, ValueError, "batch_size is a whole number"),
        ({"record": 0}, ValueError, "record is a whole number, at least 1, not 0"),
        ({"record": True}, ValueError, "record is a whole number, at least 1, not True"),
        ({"record": 0.5}, ValueError, "record is a whole number, at least 1, not 0.5"),
        ({"record": "all"}, ValueError, "record is a whole number, at least 1, not 'all'"),
        ({"parameters": [1.0]}, TypeError, "parameters: a list of Values is needed, and 1.0"),
        ({"network": lambda x: Value(1.0)}, TypeError, r"fit\(..., parameters=\[w, b\]\)"),
        ({"loss": lambda y, t: 1.0}, TypeError, "epoch 1, sample 1: the loss must be a Value, and 1.0"),
        (
            {"loss": lambda y, t: [y, y]},
            TypeError,
            r"the loss must be a Value, and \[.*\(list\) came",
        ),
    ],
)
def test_misuse_is_refused_before_anything_changes(options, error, message):
    network = MLP(2, [2, 1], seed=0)
    before = [p.data for p in network.parameters()]
    with pytest.raises(error, match=message):
        fit(**{"network": network, "X": X, "Y": Y, "progress": False, **options})
    assert [p.data for p in network.parameters()] == before


def trained_for(epochs: int) -> list[float]:
    network = MLP(2, [2, 1], seed=0)
    if epochs:
        fit(network, X, Y, epochs=epochs, batch_size=3, seed=5, progress=False)
    return [p.data for p in network.parameters()]


def test_snapshots_are_the_parameters_of_shorter_trainings():
    network = MLP(2, [2, 1], seed=0)
    record = fit(network, X, Y, epochs=8, batch_size=3, seed=5, record=3, progress=False).record
    assert [epoch for epoch, _ in record.snapshots] == [0, 3, 6, 8]
    for epoch, numbers in record.snapshots:
        assert list(numbers) == trained_for(epoch)
    assert [p.data for p in network.parameters()] == trained_for(8)
    assert (record.X, record.Y) == (X, Y)  # in the order given, though they were shuffled


def test_snapshots_are_thinned_when_there_are_many():
    for epochs in (198, 199, 200, 201, 1000, 1999):
        w = Value(0.0, "w")
        history = fit(lambda x, w=w: w * x, [1], [1], parameters=[w], epochs=epochs, record=1, progress=False)
        kept = [epoch for epoch, _ in history.record.snapshots]
        assert kept[0] == 0 and kept[-1] == epochs and 100 <= len(kept) <= 200
        steps = {after - before for before, after in pairwise(kept[:-1])}
        assert len(steps) == 1 and kept[-1] - kept[-2] <= max(steps)


def test_the_state_in_which_training_ended_is_recorded():
    network = MLP(2, [2, 1], seed=0)
    history = fit(network, X, Y, epochs=50, stop_when=lambda h: h.epochs == 7, record=5, progress=False)
    assert [epoch for epoch, _ in history.record.snapshots] == [0, 5, 7]

    network = MLP(2, [2, 1], seed=0)
    calls = []

    def interrupted_in_the_third_epoch(y, t):
        calls.append(t)
        if len(calls) == 11:
            raise KeyboardInterrupt
        return squared_error(y, t)

    options = {"epochs": 50, "batch_size": 1, "record": 5, "progress": False, "engine": "eager"}
    history = fit(network, X, Y, interrupted_in_the_third_epoch, **options)
    assert [epoch for epoch, _ in history.record.snapshots] == [0, 2]
    assert list(history.record.snapshots[-1].numbers) == [p.data for p in network.parameters()]


@pytest.mark.parametrize(("call", "kept"), [(2, [0]), (3, [0, 1])])
def test_the_state_before_training_stays_when_the_first_epoch_is_cut_short(call, kept):
    network = MLP(2, [2, 1], seed=0)
    before = [p.data for p in network.parameters()]
    calls = []

    def interrupted(y, t):
        calls.append(t)
        if len(calls) == call:
            raise KeyboardInterrupt
        return squared_error(y, t)

    options = {"batch_size": 2, "record": 1, "progress": False, "engine": "eager"}
    record = fit(network, X, Y, interrupted, **options).record
    assert [epoch for epoch, _ in record.snapshots] == kept
    assert list(record.snapshots[0].numbers) == before
    assert list(record.snapshots[-1].numbers) == [p.data for p in network.parameters()]


def test_a_history_with_a_record_reads_compares_and_copies_as_one_without():
    def trained(**options):
        return fit(MLP(2, [2, 1], seed=0), X, Y, epochs=3, progress=False, **options)

    with_record, without = trained(record=1), trained()
    assert without.record is None
    assert with_record == without and repr(with_record) == repr(without)
    for same in (copy.copy(with_record), copy.deepcopy(with_record), pickle.loads(pickle.dumps(with_record))):
        assert same == with_record
        assert same.record.snapshots == with_record.record.snapshots
    assert repr(with_record.record) == "Record(4 snapshots of 9 parameters)"


def test_a_pickled_record_belongs_to_the_network_pickled_with_it():
    history = fit(MLP(2, [2, 1], seed=0), X, Y, epochs=3, record=1, progress=False)
    record = pickle.loads(pickle.dumps(history)).record
    assert record.network.parameters() == record.parameters
