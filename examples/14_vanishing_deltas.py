# %% [markdown]
# # 14. Vanishing deltas
#
# Two layers learned XOR, moons and digits.  Why not ten?  For years networks with many layers hardly
# learned at all, and the reason can be read off the chain rule: on its way back a delta is multiplied by one
# slope and one layer of weights after the other, and a product of many numbers below 1 is next to nothing.
#
# Needs matplotlib for the pictures (`pip install "microbp[examples]"`).

# %%
import math
from pathlib import Path
from random import Random
from statistics import median
from textwrap import fill

import matplotlib
from matplotlib import pyplot as plt

from microbp import (
    MLP,
    SGD,
    Value,
    binary_cross_entropy_with_logits,
    datasets,
    diagnose,
    fit,
    gradients,
    units,
)

PICTURES = Path(__file__).parent / "pictures" if "__file__" in globals() else Path("pictures")
matplotlib.rcParams["svg.hashsalt"] = "microbp"  # the same picture each time, to the byte
STARTS = 5
EPOCHS = 60
LAYERS, WIDTH = 10, 20  # hidden layers, and units in each

X, Y = datasets.moons(200, noise=0.1, seed=1)


def keep(figure, name):
    figure.savefig(PICTURES / name, metadata={"Date": None})
    print(name)


# %% [markdown]
# ## Ten sigmoids in a row
#
# The slope of a sigmoid, z (1 - z), is 1/4 where u = 0 and less everywhere else.  With a weight below 4 the
# product of slope and weight is therefore below 1, and many such factors make errors vanish: so argue
# S. Hochreiter and J. Schmidhuber (Neural Computation 9, 1997, section 3.1).  Ten of them in a row, with
# weights of 1:

# %%
x = Value(0.0, "x")
z = x
for layer in range(1, LAYERS + 1):
    z = z.sigmoid()
    print(f"{layer:2} sigmoids: dz/dx = {gradients(z, x):.3e}   (at most 4^-{layer} = {4**-layer:.3e})")

# %% [markdown]
# ## Ten layers of them
#
# Between layers there is a sum over many units, and how large it gets depends on the weights.  X. Glorot and
# Y. Bengio ("Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010) worked
# it out for weights drawn at random, with n units in each layer: going back by one layer multiplies the mean
# square of the deltas by n Var[w] (their equation 6).  That is for slopes of 1, as tanh has near u = 0;
# otherwise the mean square of the slopes is one more factor, 1/16 for sigmoids near 0, and 1/2 for
# relus, as half of them are off.
#
# - *Plain* is what was usual then: uniformly within 1/√n (equation 1), so that n Var[w] = 1/3 (equation 15).
# - *Glorot* is uniformly within √(6 / (n_in + n_out)) (equation 16), made so that n Var[w] = 1.
# - *He* is normal with standard deviation √(2 / n), made for relus: n Var[w] = 2 makes up for the half
#   (K. He and others, "Delving deep into rectifiers", ICCV 2015, section 2.2).
# - *4 × Glorot* is what microbp draws for sigmoids: where slopes are 1/4, weights four times as large.


# %%
def plain(n_in, n_out, random):
    return random.uniform(-1, 1) / math.sqrt(n_in)


def glorot(n_in, n_out, random):
    return random.uniform(-1, 1) * math.sqrt(6 / (n_in + n_out))


def four_glorot(n_in, n_out, random):
    return 4 * glorot(n_in, n_out, random)


def he(n_in, n_out, random):
    return random.gauss(0, math.sqrt(2 / n_in))


# An activation, how the weights are drawn, n Var[w], and the mean square of the slopes near u = 0.
SETTINGS = {
    "sigmoid, plain": ("sigmoid", plain, 1 / 3, 1 / 16),
    "sigmoid, Glorot": ("sigmoid", glorot, 1, 1 / 16),
    "sigmoid, 4 × Glorot": ("sigmoid", four_glorot, 16, 1 / 16),
    "tanh, plain": ("tanh", plain, 1 / 3, 1),
    "tanh, Glorot": ("tanh", glorot, 1, 1),
    "relu, plain": ("relu", plain, 1 / 3, 1 / 2),
    "relu, He": ("relu", he, 2, 1 / 2),
}


def new_network(setting, seed):
    activation, draw, *_ = SETTINGS[setting]
    network, random = MLP(2, [WIDTH] * LAYERS + [1], activation, output_activation="linear"), Random(seed)
    for layer in network:
        for unit in layer:
            for weight in unit.weights:
                weight.data = draw(len(unit.weights), len(layer), random)
    return network


def loss(network, x, y):
    return binary_cross_entropy_with_logits(network(x), y)


# %% [markdown]
# Now we look.  `units(E)` finds the units in the graph of a loss; after the backward pass each has its delta,
# u.grad, and its slope, the local derivative of z.  We collect both over ten samples and several networks.


# %%
def root_mean_square(numbers):
    return math.sqrt(math.fsum(number * number for number in numbers) / len(numbers))


def look(setting):
    """The root mean square of the deltas of each layer, and of the slopes of all hidden units."""
    deltas, slopes = [[] for _ in range(LAYERS + 1)], []
    for seed in range(STARTS):
        network = new_network(setting, seed)
        for x, y in zip(X[:10], Y[:10]):
            E = loss(network, x, y)
            E.backward()
            for unit in units(E):
                deltas[unit.layer - 1].append(unit.u.grad)
                if unit.layer <= LAYERS:
                    slopes.append(unit.z.partials[0])
    return [root_mean_square(layer) for layer in deltas], root_mean_square(slopes)


seen = {setting: look(setting) for setting in SETTINGS}
print("What one layer multiplies the deltas by, and all of them from layer 10 to layer 1:")
print("                     published formula,  the same,")
print("                     slopes as at u = 0  our slopes    measured   layers 10 to 1")
for setting, (sizes, slope) in seen.items():
    *_, variance, square = SETTINGS[setting]
    formula, with_our_slopes = math.sqrt(variance * square), math.sqrt(variance) * slope
    whole = sizes[0] / sizes[LAYERS - 1]
    measured = whole ** (1 / (LAYERS - 1))
    print(f"{setting:24} {formula:12.3f} {with_our_slopes:14.3f} {measured:11.3f} {whole:16.1e}")

# %% [markdown]
# The formula holds.  One setting departs from its first column, the sigmoids with large weights.  The output
# of a sigmoid is about 1/2 and never about 0, so that all inputs of the next unit push at once, u strays
# from 0, and the slopes are smaller than 1/4.  Given the slopes as they are, the formula holds there too.


# %%
figure, ax = plt.subplots(figsize=(8.4, 4.6), layout="constrained")
COLOURS = {"sigmoid": "#6B3FA0", "tanh": "#B35806", "relu": "#00705A"}
STYLES = {plain: ":", glorot: "-", he: "-", four_glorot: "--"}
MARKERS = {"sigmoid": "o", "tanh": "^", "relu": "s"}
for setting, (sizes, _) in seen.items():
    activation, draw, *_ = SETTINGS[setting]
    style = {"color": COLOURS[activation], "linestyle": STYLES[draw], "marker": MARKERS[activation]}
    ax.semilogy(range(1, LAYERS + 2), sizes, markersize=5, label=setting, **style)
ax.set(xlabel="layer (11 is the output)", ylabel="root mean square of the deltas, dE/du")
ax.set_xticks(range(1, LAYERS + 2))
ax.grid(alpha=0.3)
ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
keep(figure, "14-deltas-by-layer.svg")

# %% [markdown]
# ## What `diagnose` says
#
# One need not draw a picture to notice.  `diagnose` compares the deltas of the last layer and the first, and
# calls them vanishing below a thousandth.  It also finds units that are saturated, or off, in all of
# the ten samples, which some are in a large network, and the weights that have no influence for that.


# %%
for setting in SETTINGS:
    network = new_network(setting, seed=0)
    found = diagnose([loss(network, x, y) for x, y in zip(X[:10], Y[:10])])
    print(f"{setting:20} {', '.join(dict.fromkeys(finding.kind for finding in found)) or 'nothing found'}")
print()
print(fill(str(diagnose(loss(new_network("sigmoid, plain", seed=0), X[0], Y[0]))), width=100))

# %% [markdown]
# ## Does it matter?
#
# The moons of number 11, for each setting the same rate and the same epochs, from several starts.  A loss of
# ln 2 = 0.693 is that of a coin: half the samples are of either class.

# %%
histories = {}
for setting in SETTINGS:
    histories[setting] = []
    for seed in range(STARTS):
        network, rate = new_network(setting, seed), SGD(lr=0.1)
        options = {"epochs": EPOCHS, "batch_size": 10, "seed": seed, "progress": False}
        histories[setting].append(fit(network, X, Y, binary_cross_entropy_with_logits, rate, **options))
    last = sorted(history.loss[-1] for history in histories[setting])
    print(f"{setting:20} loss at the end: median {median(last):.4f}   ({last[0]:.4f} to {last[-1]:.4f})")

# %% [markdown]
# Where the deltas all but vanish nothing is learned, whichever the activation: relus with plain weights do as
# badly as sigmoids, and a better start is all that they needed.  Tanh with plain weights, whose deltas shrink
# less, learns, but less than with Glorot's.  And the sigmoids do learn with weights four times
# as large, though less than the others in the same time.


# %%
figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.6), layout="constrained", sharey=True)
for activation, ax in zip(COLOURS, axes):
    ax.axhline(math.log(2), color="#888888", linewidth=0.8)
    for setting, several in histories.items():
        if SETTINGS[setting][0] != activation:
            continue
        style = {"color": COLOURS[activation], "linestyle": STYLES[SETTINGS[setting][1]], "linewidth": 1.0}
        for history in several:
            ax.semilogy(range(1, EPOCHS + 1), history.loss, label=setting, **style)
            setting = None  # one entry in the legend is enough
    ax.set(title=activation, xlabel="epoch")
    ax.grid(alpha=0.3)
    ax.legend(loc="lower left")
axes[0].set_ylabel("loss (a line for each start)")
keep(figure, "14-losses.svg")
