"""The sum over paths against a plain walk along every path."""

import math

import pytest
from test_passes import random_graph

import microbp
from microbp import MLP, Value, paths, squared_error
from microbp.ledger import in_words


def every_product(output: Value, node: Value) -> list[float]:
    """The product of each path, by trying them all from the output down."""
    found, ways = [], [(output, 1.0)]
    while ways:
        reached, product = ways.pop()
        if reached is node:
            found.append(product)
        ways += [(input, product * slope) for input, slope in zip(reached.inputs, reached.partials)]
    return found


@pytest.mark.parametrize("seed", range(60))
def test_all_paths_of_a_random_graph(seed):
    given, E = random_graph(seed, size=14)
    for node in given:
        expected = sorted(map(abs, every_product(E, node)), reverse=True)
        found = paths(E, node, limit=len(expected) + 5)
        assert found.count == len(found) == len(expected)
        assert [abs(path.product) for path in found] == pytest.approx(expected, rel=1e-9, abs=1e-300)
        E.backward()
        assert math.fsum(path.product for path in found) == pytest.approx(found.total, rel=1e-9, abs=1e-12)
        assert found.total == node.grad and found.rest == 0.0
        microbp.zero_grad(given)


@pytest.mark.parametrize("seed", range(20))
def test_the_largest_come_first_whatever_the_limit(seed):
    given, E = random_graph(seed, size=14)
    expected = sorted(every_product(E, given[0]), key=abs, reverse=True)
    for limit in (0, 1, 3):
        found = paths(E, given[0], limit)
        sizes = [abs(path.product) for path in found]
        assert sizes == pytest.approx([abs(p) for p in expected[:limit]], rel=1e-8)
        assert found.count == len(expected)
        left = math.fsum(expected) - math.fsum(path.product for path in found)
        assert found.rest == pytest.approx(left if len(expected) > limit else 0.0, abs=1e-12)


def test_each_path_names_its_nodes_and_local_derivatives():
    given, E = random_graph(3, size=14)
    for path in paths(E, given[0], 50):
        assert path.nodes[0] is given[0] and path.nodes[-1] is E
        assert len(path.partials) == len(path.nodes) - 1
        for input, consumer, slope in zip(path.nodes, path.nodes[1:], path.partials):
            assert (input, slope) in list(zip(consumer.inputs, consumer.partials))
        assert path.product == math.prod(path.partials)


def test_a_weight_of_a_network_has_a_path_through_each_output():
    network = MLP(2, [3, 4], seed=1)
    E = squared_error(network([0.2, 0.4]), [0.0, 1.0, 0.0, 1.0])
    assert paths(E, network[0][0].weights[0]).count == 4
    assert paths(E, network[1][2].weights[0]).count == 1


def test_astronomically_many_are_counted_exactly():
    a = x = Value(1.5, "a")
    for _ in range(400):
        x = x + x
    found = paths(x, a, limit=2)
    assert found.count == 2**400 and found.total == a.data * 0 + 2.0**400 and len(found) == 2
    assert "the sum over about 10^120 paths" in str(found) and "about 10^120 more paths" in str(found)


def test_many_equal_paths_are_listed_without_walking_all():
    a = Value(1.0, "a")
    x = a
    for _ in range(60):
        x = x * 0.5 + x * 0.5
    assert [path.product for path in paths(x, a, 3)] == [0.5**60] * 3


def test_no_path_and_the_node_itself():
    a, b = Value(1.0, "a"), Value(2.0, "b")
    E = a * 2
    E.label = "E"
    assert str(paths(E, b)) == "dE/db = 0: there is no path, E does not depend on it"
    assert (len(paths(E, b)), paths(E, b).count, paths(E, b).total) == (0, 0, 0.0)
    assert str(paths(E, E)) == "dE/dE = 1, the sum over 1 path\n  E   1"
    assert [path.nodes for path in paths(a, a)] == [(a,)]


def test_slopes_that_are_zero_infinite_or_tiny():
    a = Value(0.0, "a")
    E = a.sqrt() + a * 0 + a * 3
    found = paths(E, a)
    assert [path.product for path in found] == [math.inf, 3.0, 0.0]
    b = Value(1.0)
    y = b * 1e-200 * 1e-200 + b * 1e-200  # the first product is too small for a float
    assert [path.product for path in paths(y, b)] == [1e-200, 0.0]


def test_a_long_chain_is_one_path():
    x = a = Value(1.0, "a")
    for _ in range(50_000):
        x = x + 1
    [path] = paths(x, a)
    assert len(path.nodes) == 50_001 and path.product == 1.0
    assert "(49989 more)" in str(paths(x, a)) and len(str(paths(x, a))) < 300


def test_it_tells_of_the_rest():
    a = Value(1.0, "a")
    E = a * 5 + a * 4 + a * 3 + a * 2
    E.label = "E"
    assert str(paths(E, a, 2)).splitlines()[-1] == "  and 2 more paths, together 5"
    assert str(paths(E, a, 3)).splitlines()[-1] == "  and 1 more path, together 2"
    assert paths(E, a)[0].product == 5.0


def test_what_is_refused():
    a = Value(1.0)
    with pytest.raises(TypeError, match=r"paths: a Value is needed, such as a loss, not 1.0 \(float\)"):
        paths(1.0, a)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="paths: a Value is needed"):
        paths(a, "a")  # type: ignore[arg-type]
    for limit in (-1, 2.0, True, None):
        with pytest.raises(ValueError, match="limit, how many paths to list, is a whole number, at least 0"):
            paths(a, a, limit)  # type: ignore[arg-type]


def test_counts_in_words():
    assert in_words(10**15 - 1) == "999,999,999,999,999"
    assert in_words(10**15) == "about 10^15" and in_words(10**5000) == "about 10^5000"
