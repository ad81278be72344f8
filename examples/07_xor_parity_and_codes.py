# %% [markdown]
# # 07. XOR, parity, and codes
#
# "One or the other, but not both" cannot be computed by a single unit: no line separates (0,1) and (1,0)
# from (0,0) and (1,1).  In chapter 8 of *Parallel Distributed Processing*, volume 1 (1986), Rumelhart,
# Hinton and Williams showed that backpropagation finds hidden units that can, and asked what else it finds.
# We follow them: sigmoid units, E = half the sum of the squared errors over a sweep through all patterns,
# and one step of gradient descent for each sweep.  The learning rate is 0.5 unless said otherwise, and the
# momentum 0.9 (most of the chapter's simulations have one of about 0.9, page 330).

# %%
from itertools import product
from pathlib import Path
from random import Random
from statistics import median

import matplotlib
from matplotlib import pyplot as plt

from microbp import MLP, SGD, Unit, Value, deltas, fit, graph, predict, squared_error

STARTS = 40
PARITY_STARTS = 20
matplotlib.rcParams["svg.hashsalt"] = "microbp"  # the same picture each time, to the byte
PICTURES = Path(__file__).parent / "pictures" if "__file__" in globals() else Path("pictures")
X = [[0, 0], [0, 1], [1, 0], [1, 1]]
Y = [0, 1, 1, 0]


def half_squared_error(y, t):
    return squared_error(y, t, half=True)


def learn(network, seed, X, Y, parameters=None, width=0.5, rate=0.5, sweeps=1000):
    """Train from small random weights; the chapter does not say how small, so `width` is ours."""
    random = Random(seed)
    parameters = parameters or network.parameters()
    for parameter in parameters:
        parameter.data = random.uniform(-width, width)
    return fit(
        network,
        X,
        Y,
        half_squared_error,
        SGD(lr=rate, momentum=0.9),
        epochs=sweeps,
        reduction="sum",
        parameters=parameters,
        stop_when=0.02,  # every output is then within 0.2 of its target, most far closer
        progress=False,
    )


def is_solved(history):
    return history.ended == "stop_when"


def show(network):
    for x, y, t in zip(X, predict(network, X), Y):
        print(f"{x}   target {t}   output {y:.3f}")


# %% [markdown]
# ## One unit cannot
#
# A single unit separates by a line, and no line will do: after any amount of training some pattern is
# wrong, or all of them are left at 0.5.

# %%
single = MLP(2, [1])
print(learn(single, 1, X, Y))
show(single)

# %% [markdown]
# ## One hidden unit and direct connections
#
# The chapter's smallest network: the inputs lead to one hidden unit *and* straight to the output unit.  No
# class is needed for such an architecture; units are functions of Values.  The chapter reports a solution
# after 558 sweeps with a learning rate of 0.5 (page 331).  How many are needed depends on the first weights
# and on when one calls it solved.

# %%
hidden, output = Unit(2, layer=1), Unit(3, layer=2)
parameters = [*hidden.parameters(), *output.parameters()]


def direct(x):
    x1, x2 = x
    return output([x1, x2, hidden(x)])


sweeps, uses = [], {}
for seed in range(STARTS):
    history = learn(direct, seed, X, Y, parameters, sweeps=5000)
    if is_solved(history):
        sweeps.append(history.epochs)
        uses.setdefault(tuple(f"({a},{b})" for a, b in X if hidden([a, b]).data > 0.5), []).append(seed)
print(f"solved from {len(sweeps)} of {STARTS} starts, ", end="")
print(f"sweeps {min(sweeps)} to {max(sweeps)}, median {median(sweeps):.0f}   (published, one start: 558)")

# %% [markdown]
# That all starts succeed is no luck.  Ten years later it was proved that the error surface of this network
# has no minima but the solutions, and that training reaches them with probability one (Sprinkhuizen-Kuyper
# and Boers, Neural Computation 8, 1301-1320, 1996).

# %% [markdown]
# The hidden unit finds a use, and not always the same.  Each is to set one of the four patterns apart, by
# being on for it alone or off for it alone, which makes eight:

# %%
for on, seeds in sorted(uses.items(), key=lambda use: -len(use[1])):
    print(f"the hidden unit is on for {', '.join(on):19}  {len(seeds):2} starts")

# %% [markdown]
# The chapter describes the one where it is on if neither input is: by a strong negative weight it then
# turns the output unit off.  The first start of ours that does so:

# %%
learn(direct, uses[("(0,0)",)][0], X, Y, parameters, sweeps=5000)
for unit in (hidden, output):
    print(", ".join(f"{p.label} = {p.data:.1f}" for p in unit.parameters()))
for x in X:
    direct(x)
    print(f"{x}   hidden {hidden.z.data:.3f}   output {output.z.data:.3f}")

# %% [markdown]
# Backpropagation does not care about layers either.  Here is its worksheet for one pattern.

# %%
for parameter in parameters:
    parameter.grad = 0.0
x = [Value(1.0, "x[1]"), Value(1.0, "x[2]")]
E = half_squared_error(direct(x), 0)
E.backward()
print(deltas(E))
picture = graph(E, view="units")
print(picture.save(PICTURES / "07-xor-direct.svg").name)
picture

# %% [markdown]
# ## Two hidden units, and local minima
#
# Two hidden units and no direct connections is what most people draw, and here gradient descent can get
# stuck.  The chapter tells of "hundreds" of runs of which two ended in a local minimum, both of this
# network, one of them after 6,587 presentations with a learning rate of 0.25 (pages 331 and 332).  Ours, by
# how large the first weights are:

# %%
network = MLP(2, [2, 1])
for width in (0.5, 1):
    stuck = []
    for seed in range(STARTS):
        history = learn(network, seed, X, Y, width=width, sweeps=2000)
        if not is_solved(history):
            stuck.append((history.loss[-1], [f"{y:.2f}" for y in predict(network, X)]))
    print(f"within ±{width}: {len(stuck)} of {STARTS} starts are stuck   (published: 2 of hundreds)")
    for loss, outputs in stuck[:3]:
        print(f"    E = {loss:.3f}, outputs for (0,0), (0,1), (1,0), (1,1):", *outputs)

# %% [markdown]
# The picture is the chapter's: one of the 1s and one of the 0s is right, and the other two patterns have an
# output of 0.5.  The hidden units make no difference between these two, so the output unit gives both the
# mean of their targets.  That is a rule worth having.  If m patterns are taken for the same, and j of them
# have the one target and m - j the other, the best output is their mean, and
#
# > E = j (m - j) / (2 m).
#
# For m = 2, j = 1 it is 0.25.  A footnote of the chapter says that with a learning rate of 0.5 or more the
# system escapes.  Ours had 0.5 and did not in 2,000 sweeps, and they got there more often, the more so the
# larger the first weights.  How large the chapter's were we do not know.
#
# What does help is more hidden units.  The chapter reports for H of them, at a rate of 0.25, about 280 - 33
# log2 H presentations of each pattern (a study by Yves Chauvin, page 333).  When it called XOR solved we do
# not know.  Ours need more by our measure, and fall with H in the same way:

# %%
print("hidden units   solved   median sweeps   published")
for H, published in ((2, 247), (4, 214), (8, 181), (16, 148), (32, 115)):
    network = MLP(2, [H, 1])
    histories = [learn(network, seed, X, Y, rate=0.25, sweeps=3000) for seed in range(PARITY_STARTS)]
    sweeps = [history.epochs for history in histories if is_solved(history)]
    print(f"{H:12}   {len(sweeps):3} of {PARITY_STARTS}   {median(sweeps):13.0f}   {published:9}")

# %% [markdown]
# ## Parity
#
# XOR is the smallest case of *parity*: is the number of inputs that are on odd?  It is as hard as can be,
# as the answer changes with every single input.  The chapter gives N inputs N hidden units and reports one
# run for N = 4: 2,825 presentations of each of the 16 patterns, at a rate of 0.5 (page 335).  The network
# had learned to **count**: its hidden unit k came on where at least k inputs were on, and the output unit
# added them up with alternating signs.
#
# But parity has no favourite pattern: turn an input round, 0 for 1 and 1 for 0, and parity is parity again,
# or its opposite.  A network may as well count the inputs that differ from some other pattern, its *corner*
# of the cube.  We say that it counts if there is a corner such that each hidden unit switches just once on
# the way from it to the opposite corner, whichever way one goes, and each at another distance.


# %%
def patterns(n):
    return [list(pattern) for pattern in product([0, 1], repeat=n)]


def parity(x):
    return sum(x) % 2


def distance(x, corner):
    """In how many inputs a pattern differs from a corner."""
    return sum(a != b for a, b in zip(x, corner))


def switches(unit, corner):
    """At which distances from the corner a hidden unit changes sides; none if not the distance decides."""
    n = len(corner)
    sides = [set() for _ in range(n + 1)]
    for x in patterns(n):
        sides[distance(x, corner)].add(unit(x).data > 0.5)
    if any(len(side) > 1 for side in sides):
        return []
    return [k for k in range(1, n + 1) if sides[k] != sides[k - 1]]


def corners(network, n):
    """The corners from which a network counts."""
    each_another = [[k] for k in range(1, n + 1)]
    return [c for c in patterns(n) if sorted(switches(unit, c) for unit in network[0]) == each_another]


def confused(network, n):
    """The patterns that get neither 0 nor 1."""
    return [x for x, y in zip(patterns(n), predict(network, patterns(n))) if 0.1 < y < 0.9]


def rarer(group):
    """How many patterns of a group have the rarer parity."""
    odd = sum(map(parity, group))
    return min(odd, len(group) - odd)


def parity_runs(n):
    """The histories of all starts; the networks that count, with a corner; what the stuck ones confuse."""
    histories, counting, stuck = [], [], []
    for seed in range(PARITY_STARTS):
        network = MLP(n, [n, 1])
        targets = [parity(x) for x in patterns(n)]
        histories.append(learn(network, seed, patterns(n), targets, width=1, sweeps=4000))
        if not is_solved(histories[-1]):
            stuck.append((confused(network, n), histories[-1].loss[-1]))
        elif found := corners(network, n):
            counting.append((network, found[0]))
    return histories, counting, stuck


for n in (2, 3, 4):
    histories, counting, stuck = parity_runs(n)
    sweeps = [history.epochs for history in histories if is_solved(history)]
    published = "   (published, one start: 2,825)" if n == 4 else ""
    print(f"N = {n}: solved from {len(sweeps)} of {PARITY_STARTS} starts, ", end="")
    print(f"sweeps {min(sweeps)} to {max(sweeps)}, median {median(sweeps):.0f}{published}")
    inputs_on = sum(not any(corner) for _, corner in counting)
    print(f"    {len(counting)} of these {len(sweeps)} count, {inputs_on} of them the inputs that are on")
    kinds = [(len(group), rarer(group)) for group, _ in stuck]
    for m, j in sorted(set(kinds)):
        losses = [loss for kind, (_, loss) in zip(kinds, stuck) if kind == (m, j)]
        print(f"    {len(losses)} stuck at E = {min(losses):.3f} to {max(losses):.3f}, ", end="")
        print(f"m = {m}, j = {j}: j (m - j) / (2 m) = {j * (m - j) / (2 * m):.3f}")

# %% [markdown]
# With two inputs every solution counts, from one corner or another; with four, N hidden units are just
# enough and gradient descent gets stuck from most starts.  E is then what the rule says.  And which five
# patterns are taken for the same?

# %%
fives = [group for group, _ in stuck if len(group) == 5]
stars = sum(any(all(distance(x, centre) <= 1 for x in group) for centre in group) for group in fives)
print(f"a pattern and its four neighbours: {stars} of {len(fives)}")

# %% [markdown]
# A corner and all that is next to it: such a network has counted from the far end, to all but the last
# step.
#
# Here is the first that got it right, along one way from its corner to the opposite one:

# %%
network, corner = counting[0]
ordered = sorted(network[0], key=lambda unit: switches(unit, corner))
print("pattern       output ", *(f"hidden {k}" for k in range(1, 5)))
for k in range(5):
    x = [1 - c if place < k else c for place, c in enumerate(corner)]
    y = network(x).data
    print(x, f"{y:7.2f} ", *(f"{unit.z.data:8.2f}" for unit in ordered))
to_output = [network[1][0].weights[network[0].units.index(unit)].data for unit in ordered]
print("weight to the output", *(f"{weight:8.1f}" for weight in to_output))

# %% [markdown]
# At each step one unit switches, and turns the output round.
#
# The losses of all starts with N = 4 go down in steps, to levels of the rule.  At 2 all 16 patterns get the
# mean; from a corner, 11 are at a distance of two or more, and 5 at three or more.  Some of the solved runs
# stayed on a level for thousands of sweeps too, so that of those that are there at the end 4,000 sweeps
# cannot say whether they would have stayed for good.


# %%
def keep(figure, name):
    figure.savefig(PICTURES / name, metadata={"Date": None})
    print(name)


figure, ax = plt.subplots(figsize=(9, 4.5), layout="constrained")
for history in sorted(histories, key=is_solved):
    colour, style = ("#0072b2", "-") if is_solved(history) else ("#d55e00", "--")
    shown = range(10, history.epochs, 10)
    ax.plot(shown, [history.loss[n] for n in shown], style, color=colour, lw=1.1)
for m, j in ((16, 8), (11, 4), (5, 1)):
    level = j * (m - j) / (2 * m)
    ax.axhline(level, color="grey", lw=0.8, ls=":")
    ax.text(11, level - 0.03, f"m = {m}, j = {j}: E = {level:.2f}", va="top", fontsize=9)
ax.plot([], [], "-", color="#0072b2", label="solved")
ax.plot([], [], "--", color="#d55e00", label="not solved in 4,000 sweeps")
ax.set(xscale="log", xlim=(10, 4000), ylim=(0, 2.4), xlabel="sweeps", ylabel="E, summed over the 16 patterns")
ax.set_xticks([10, 100, 1000, 4000], ["10", "100", "1,000", "4,000"])
ax.legend(loc="upper right")
keep(figure, "07-parity-losses.svg")

# %% [markdown]
# ## The encoder
#
# Eight inputs, of which one is on; eight outputs, to be the same; and only three hidden units in between.
# What passes through them must tell eight patterns apart, so it must be a code, and three units that are on
# or off have just enough to say: the eight numbers of three bits.  The chapter reports such codes, in which
# some values are neither 0 nor 1 but about a half (pages 335 to 337).
#
# Seven of eight targets are 0, and with a rate of 0.5 all outputs rush there at first and saturate, as the
# next chapter looks into.  Smaller steps do not.  We call it right when all outputs are on the right side
# of 0.5.

# %%
ONE_OF_EIGHT = [[float(i == k) for i in range(8)] for k in range(8)]
encoder = MLP(8, [3, 8])


def code_of(pattern):
    encoder(pattern)
    return [unit.z.data for unit in encoder[0]]


def bits(code):
    return "".join(str(round(z)) for z in code)


for rate in (0.5, 0.1):
    codes, right = [], 0
    for seed in range(PARITY_STARTS):
        learn(encoder, seed, ONE_OF_EIGHT, ONE_OF_EIGHT, rate=rate, sweeps=1500)
        outputs = predict(encoder, ONE_OF_EIGHT)
        right += [[round(y) for y in row] for row in outputs] == ONE_OF_EIGHT
        codes.append([code_of(pattern) for pattern in ONE_OF_EIGHT])
    print(f"rate {rate}: all eight patterns right from {right} of {PARITY_STARTS} starts")

print("the code of the first start, with 0.1:")
for pattern, code in zip(ONE_OF_EIGHT, codes[0]):
    print("".join(f"{x:.0f}" for x in pattern), "  ", *(f"{z:.2f}" for z in code), "  ", bits(code))

# %% [markdown]
# How many of the eight numbers are there, once the values are rounded to bits?

# %%
distinct = [len({bits(code) for code in each}) for each in codes]
halves = sum(0.25 < z < 0.75 for each in codes for code in each for z in code)
for count in sorted(set(distinct), reverse=True):
    print(f"{count} different numbers: {distinct.count(count)} starts")
print(f"values between 0.25 and 0.75: {halves} of {24 * len(codes)}")

# %% [markdown]
# Where there are only seven, two patterns share their bits, and a value near a half tells them apart: a
# hidden unit can say more than yes and no.  Nobody told the network of binary numbers.  It needed eight
# different things to say, had three units to say them with, and sigmoids are most clearly told apart at
# their ends.

# %%
figure, grid = plt.subplots(1, 3, figsize=(9, 4.6), sharey=True, layout="constrained")
for start, (ax, code) in enumerate(zip(grid, codes)):
    image = ax.imshow(code, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for row, values in enumerate(code):
        for column, z in enumerate(values):
            ax.text(column, row, f"{z:.2f}", ha="center", va="center", color="white" if z < 0.5 else "black")
    ax.set(title=f"start {start + 1}", xlabel="hidden unit", xticks=range(3), yticks=range(8))
    ax.set_xticklabels([1, 2, 3])
    ax.set_yticklabels(range(1, 9))
grid[0].set_ylabel("input that is on")
figure.colorbar(image, ax=grid, label="z of the hidden unit")
keep(figure, "07-encoder-codes.svg")
