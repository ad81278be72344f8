# %% [markdown]
# # 06. Why the order matters
#
# The chain rule is two lines, and they are right in any engine.  What goes wrong is *when* they are
# applied.  Here are three backward passes that are often written, each wrong in its own way, beside
# the right one, and a fourth that is right and useless.  Each is a dozen lines, so that they can be
# compared line by line.
#
# Another graph: change `TEXT` and `NUMBERS` below, or give your own when you start the script,
#
#     python examples/06_why_the_order_matters.py "a*b + tanh(a)" a=2 b=-3
#
# and its pictures are saved in the folder you are in.

# %%
import math
import sys
from collections import defaultdict
from pathlib import Path

from microbp import MLP, Value, consumers, graph, leaves, mean_squared_error, squared_error, steps
from microbp.expressions import names, normal, parse
from microbp.ledger import in_words
from microbp.passes import brief

PICTURES = Path(__file__).parent / "pictures" if "__file__" in globals() else Path("pictures")
TEXT, NUMBERS = "a = x*y; b = a + x; E = a*b", ["x=2", "y=3"]
MOST_NODES = 40  # that a table can be read of
MOST_VISITS = 1_000_000  # that are made

# %% [markdown]
# ## The right one
#
# `steps` gives the nodes in the order in which they were computed; backwards through it every node
# comes after all that were computed from it.  `partials` are the local derivatives that each node
# wrote down when it was computed.
#
# The passes leave every `.grad` alone.  Each returns two dictionaries: the gradient it finds for
# each node, and what each node passed on, in the order in which they had their turns.


# %%
def start(output):
    """Gradients, the nodes in backward order, and nothing passed on yet."""
    gradient = {record.node: 0.0 for record in reversed(steps(output).forward)}
    gradient[output] = 1.0
    return gradient, defaultdict(list)


def in_order(output):
    """Right: a node has its turn after all that were computed from it, adds up, and passes on once."""
    gradient, passed_on = start(output)
    for node in gradient:
        passed_on[node].append(gradient[node])
        for input, partial in zip(node.inputs, node.partials):
            gradient[input] += partial * gradient[node]
    return gradient, passed_on


# %% [markdown]
# ## The wrong ones
#
# **Depth first.**  Pass on to the inputs, then do the same at each of them, the first one first.  A
# list of those that had their turn keeps a node from having two.  This is what the function does that
# calls itself for each input (written with a list here, so that no graph is too deep for it).


# %%
def depth_first(output):
    """Wrong: a node has its turn as soon as anything has arrived."""
    gradient, passed_on = start(output)
    waiting = [output]
    while waiting:
        node = waiting.pop()
        if node in passed_on:
            continue
        passed_on[node].append(gradient[node])
        for input, partial in zip(node.inputs, node.partials):
            gradient[input] += partial * gradient[node]
        waiting += reversed(node.inputs)  # the first of them is next
    return gradient, passed_on


# %% [markdown]
# **Overwriting.**  The order is right, and one character is missing: `=` where `+=` belongs.


# %%
def overwriting(output):
    """Wrong: what arrives takes the place of what was there."""
    gradient, passed_on = start(output)
    for node in gradient:
        passed_on[node].append(gradient[node])
        for input, partial in zip(node.inputs, node.partials):
            gradient[input] = partial * gradient[node]
    return gradient, passed_on


# %% [markdown]
# **Not restarting.**  The first pass is right.  Then the leaves, which are the parameters, are set to
# zero as in every training loop, and the same graph has a second pass.  Nobody thought of the nodes
# in between.


# %%
def not_restarting(output):
    """Wrong: a second pass, begun with what the first one left in the inner nodes."""
    gradient, passed_on = in_order(output)[0], defaultdict(list)
    for leaf in leaves(output):
        gradient[leaf] = 0.0
    gradient[output] = 1.0
    for node in gradient:
        passed_on[node].append(gradient[node])
        for input, partial in zip(node.inputs, node.partials):
            gradient[input] += partial * gradient[node]
    return gradient, passed_on


# %% [markdown]
# ## Where each goes wrong first, and why
#
# Go through the nodes in backward order and stop at the first whose gradient is not the right one.
# All that were computed from it have the right gradients, so that the mistake was made on the
# way to this node and nowhere before.  What was passed on says how.
#
# Sums in another order are rounded in another way.  So a gradient counts as wrong if it is off by more
# than a billionth of the size of what was added up: the sum over all paths, signs left out.


# %%
def over_paths(output, factor):
    """For each node the sum over its paths to `output`, the product of `factor(partial)` along each."""
    found = {node: int(node is output) for node in start(output)[0]}
    for node in found:
        for input, partial in zip(node.inputs, node.partials):
            found[input] += factor(partial) * found[node]
    return found


def wrong_nodes(output, gradient):
    """The nodes with a wrong gradient, in backward order."""
    right, size = in_order(output)[0], over_paths(output, abs)
    return [node for node in right if abs(gradient[node] - right[node]) > 1e-9 * size[node]]


def received(node, passed_on, users):
    """What a node was sent, as pairs of who sent it and how much."""
    return [
        (user, partial * passed_on[user][0])
        for user in reversed(users[node])
        for input, partial in zip(user.inputs, user.partials)
        if input is node
    ]


def called(output):
    """What the nodes are called, in backward order."""
    return {record.node: record.name for record in reversed(steps(output).forward)}


def total(sent):
    return brief(sum(amount for _, amount in sent))


def senders(sent, name):
    """Who sent something, as one says it in a sentence."""
    found = list(dict.fromkeys(name[user] for user, _ in sent))
    found = found if len(found) < 5 else [*found[:3], f"{len(found) - 3} more"]
    return " and ".join(filter(None, [", ".join(found[:-1]), found[-1]]))


def too_early(output, node):
    """Why depth first is wrong at a node: those computed from it that had their turns too early."""
    passed_on, right = depth_first(output)[1], in_order(output)[0]
    name, users, turns = called(output), consumers(output), list(passed_on)
    early = wrong_nodes(output, {user: sent[0] for user, sent in passed_on.items()})
    sentences = []
    for user in (user for user in early if user in users[node]):
        after = turns[turns.index(user) :]
        late = [(sender, sent) for sender, sent in received(user, passed_on, users) if sender in after]
        sentences.append(
            f"{name[user]} passed on {brief(passed_on[user][0])} of its {brief(right[user])}: the "
            f"{total(late)} through {senders(late, name)} came after that and never reached {name[node]}."
        )
    return " ".join(sentences)


def taken_place_of(output, node):
    """Why overwriting is wrong at a node: what the last contribution took the place of."""
    sent, name = received(node, overwriting(output)[1], consumers(output)), called(output)
    lost, kept = sent[:-1], sent[-1:]
    return (
        f"{name[node]} was sent {total(lost)} through {senders(lost, name)}, then {total(kept)} through "
        f"{senders(kept, name)}, which took its place: {total(kept)} is left of {total(sent)}."
    )


def still_held(output, node):
    """Why not restarting is wrong at a node: what it held from the pass before."""
    before, after = in_order(output)[0][node], not_restarting(output)[0][node]
    return (
        f"{called(output)[node]} still held {brief(before)} from the pass before, and the "
        f"{brief(after - before)} of this pass was added to it: {brief(after)}."
    )


REASONS = {depth_first: too_early, overwriting: taken_place_of, not_restarting: still_held}


# %% [markdown]
# ## On a graph
#
# The one below has two nodes that are used twice, `a` and `x`, and that is all it takes.


# %%
def asked_for(text, given):
    """The graph of an expression with values such as "a=2"; ValueError, saying what is wrong."""
    numbers = {}
    for word in given:
        name, _, number = word.partition("=")
        try:
            numbers[normal(name)] = float(number)
        except ValueError:
            raise ValueError(f"a value is given as in a=2, not as in {word!r}") from None
    output = parse(text, numbers)
    for name in numbers:
        if name not in names(text):
            raise ValueError(f"the value of {name!r} is not used in the expression")
    output.label = output.label or "E"
    size = over_paths(output, abs)
    if len(size) > MOST_NODES:
        raise ValueError(f"this graph has {len(size)} nodes; the tables are for {MOST_NODES} at most")
    if not all(map(math.isfinite, size.values())):
        raise ValueError("a gradient of this graph is not finite, and there is nothing to compare")
    return output


def title_of(run):
    return run.__name__.replace("_", " ")


def table(output, columns):
    """The nodes in backward order, a column for each of several dictionaries of numbers."""
    name = called(output)
    width = max(map(len, ["node", *name.values()]))
    rows = [
        f"{name[node]:{width}}" + "".join(f"{brief(c[node]):>16}" for c in columns.values()) for node in name
    ]
    return [f"{'node':{width}}" + "".join(f"{title:>16}" for title in columns), *rows]


def draw(output, gradient, notes, file):
    """Save a picture of these gradients, with a note beside the names of some nodes."""
    before = [(node, node.label, node.grad) for node in gradient]
    for node, name in called(output).items():
        node.label, node.grad = name + notes.get(node, ""), gradient[node]
    picture = graph(output, view="values")
    for node, label, grad in before:
        node.label, node.grad = label, grad
    print(picture.save(PICTURES / file).name)
    return picture


def show(output, run):
    """The right gradients beside those of a pass, where it goes wrong first, why, and a picture of it."""
    title = title_of(run)
    right, gradient = in_order(output)[0], run(output)[0]
    wrong = wrong_nodes(output, gradient)
    header, *rows = table(output, {"right": right, title: gradient})
    print(header)
    for node, row in zip(right, rows):
        print(row + ("   <- first wrong" if node in wrong[:1] else "   wrong" if node in wrong else ""))
    print(REASONS[run](output, wrong[0]) if wrong else "Right at every node.")
    notes = dict.fromkeys(wrong[:1], ", first wrong")
    return draw(output, gradient, notes, f"06-{title.replace(' ', '-')}.svg")


# %%
if __name__ == "__main__" and Path(sys.argv[0]).stem == "06_why_the_order_matters" and sys.argv[1:]:
    TEXT, *NUMBERS = sys.argv[1:]
    PICTURES = Path()
try:
    E = asked_for(TEXT, NUMBERS)
except (ValueError, ArithmeticError) as error:
    sys.exit(str(error))
print(steps(E))

# %% [markdown]
# The right order, as a picture: the output has the first turn, and a leaf needs none, as it passes
# nothing on.

# %%
right, passed_on = in_order(E)
turns = {node: f", turn {k}" for k, node in enumerate(passed_on, start=1) if node.inputs and node is not E}
draw(E, right, turns, "06-in-order.svg")

# %%
show(E, depth_first)

# %%
show(E, overwriting)

# %%
show(E, not_restarting)

# %% [markdown]
# Three passes, three places.  Depth first goes wrong *below* a node that is used twice, overwriting at
# that node itself, and not restarting at the very first inner node, and then more and more.
# Read the pictures with the chain rule in mind: where it says first wrong, what the edges to the right
# of the box send back is not what the box says.
#
# ## Where the wrong ones are right
#
# In a tree every node is used once.  Nothing arrives late, nothing is there to be overwritten, and two
# of the three mistakes cannot be seen.  The third is not seen either by those who build their graph
# anew for every pass: it needs a second pass over the same nodes.

# %%
tree = parse("u = w*x + b; z = sigmoid(u); E = (z - t)**2", {"w": 0.5, "x": 2, "b": -1.5, "t": 1})
columns = {title_of(run): run(tree)[0] for run in (in_order, depth_first, overwriting, not_restarting)}
print(*table(tree, columns), sep="\n")


# %% [markdown]
# That is why these mistakes live long: networks are kind to them.  In one of two
# inputs, two hidden units and one output, all that is used twice is the inputs, whose gradients nobody
# asks for, and every weight is right.  Give it a second output, and the whole first layer is wrong.  Put
# two samples into one graph, and every weight is used twice.


# %%
def wrong_weights(network, loss):
    wrong = [set(wrong_nodes(loss, run(loss)[0])) for run in (depth_first, overwriting)]
    return [sum(weight in nodes for weight in network.parameters()) for nodes in wrong]


samples, targets = [[0.5, -1.0], [-0.3, 0.8]], [1.0, 0.0]
one, two = MLP(2, [2, 1], seed=1), MLP(2, [2, 2], seed=1)
cases = [
    ("2-2-1, one sample", one, squared_error(one(samples[0]), 1.0)),
    ("2-2-2, one sample", two, squared_error(two(samples[0]), [1.0, 0.0])),
    ("2-2-1, two samples", one, mean_squared_error([one(x) for x in samples], targets)),
]
print(f"{'wrong weights and biases':26}{'depth first':>14}{'overwriting':>14}")
for title, network, loss in cases:
    depth, over = wrong_weights(network, loss)
    count = len(network.parameters())
    print(f"{title:26}{f'{depth} of {count}':>14}{f'{over} of {count}':>14}")

# %% [markdown]
# ## The one that is right, and useless
#
# Depth first can be mended without an order: let a node have a turn for *everything* that arrives, and
# pass on just that, not the sum so far.  The gradient is the sum over all paths, and this walks each of them.


# %%
def every_path(output):
    """Right: a node passes on what arrives, each time something arrives."""
    gradient, passed_on = start(output)
    waiting = [(output, 1.0)]
    while waiting:
        node, arriving = waiting.pop()
        passed_on[node].append(arriving)
        for input, partial in zip(node.inputs, node.partials):
            gradient[input] += partial * arriving
            waiting.append((input, partial * arriving))
    return gradient, passed_on


def edges(output):
    return sum(len(node.inputs) for node in start(output)[0])


# %% [markdown]
# How many visits will that be?  The pass in order says so beforehand: with 1 in the place of every local
# derivative it adds up how many paths there are.

# %%
visits = over_paths(E, lambda partial: 1)
if sum(visits.values()) <= MOST_VISITS:
    gradient, passed_on = every_path(E)
    visits = {node: len(sent) for node, sent in passed_on.items()}
    print(*table(E, {"right": right, "every path": gradient, "visits": visits}), sep="\n")
    assert not wrong_nodes(E, gradient)
print(f"every path: {in_words(sum(visits.values()))} visits; in order: {len(right)}, and {edges(E)} edges")


# %% [markdown]
# On a small graph that is hardly more.  So take a ladder: x + x, that plus itself, and so on, n times.
# Each rung has two edges, and doubles the number of paths.


# %%
def ladder(rungs):
    x = node = Value(1.0, "x")
    for _ in range(rungs):
        node = node + node
    return x, node


print("rungs   edges   visits to x in order   visits to x along every path   dE/dx")
for rungs in (1, 2, 3, 6, 9, 12, 15, 18):
    x, top = ladder(rungs)
    gradient, passed_on = every_path(top)
    once = len(in_order(top)[1][x])
    print(f"{rungs:5}{edges(top):8}{once:23}{len(passed_on[x]):31,}{gradient[x]:8.0f}")
    assert gradient[x] == in_order(top)[0][x] == len(passed_on[x]) == 2**rungs

# %% [markdown]
# Two edges more, twice the visits.  A network of ten layers of ten units has some ten thousand million
# paths from a single input.  The order is what lets every edge be walked once: wait until all has
# arrived, add it up, and pass on the sum.  That is all backpropagation adds to the chain rule.
