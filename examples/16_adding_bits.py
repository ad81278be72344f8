# %% [markdown]
# # 16. A unit shared over time adds numbers
#
# Binary numbers are added from the right, a pair of bits at a time, and all one has to remember on the way is
# whether to carry.  A unit that sees two bits *and its own last output* could remember that.  But then it
# depends on itself, and where does backpropagation begin in a circle?
#
# There is no circle.  For every recurrent network there is a feedforward network that behaves in the same way
# over a finite time: Rumelhart, Hinton and Williams recall in chapter 8 of *Parallel Distributed Processing*
# (1986, page 354) that Minsky and Papert had pointed this out.  One writes the unit down once for each step,
# each copy seeing the one before.  Values do so by themselves: each call makes new nodes, with the same
# weights.

# %%
from copy import deepcopy
from itertools import repeat
from pathlib import Path
from random import Random
from statistics import correlation
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib import pyplot as plt

from microbp import SGD, Layer, Unit, Value, compile, graph, paths, squared_error, units

matplotlib.rcParams["svg.hashsalt"] = "microbp"  # the same picture each time, to the byte
PICTURES = Path(__file__).parent / "pictures" if "__file__" in globals() else Path("pictures")
STARTS = 20
STEPS = 1500

# %% [markdown]
# ## Two units
#
# One unit is to carry, and sees the two bits and what it said one step ago.  The other writes the bit of the
# sum: it sees the two bits, what was carried to here, and what is carried on.  (Where the sum of the three
# bits is s, the bit to be written is s - 2 if there is a carry, and s if there is none.  Without seeing the
# carry no single unit could: three bits' parity is worse than XOR.)


# %%
def add(a, b, steps):
    """The bits of the sum, lowest first, and the carries; `steps` has the two units for each step."""
    bits, carries, carried = [], [], Value(0.0, "z[0]")
    for x, y, (carry, write) in zip(a, b, steps):
        z = carry([x, y, carried])
        bits.append(write([x, y, carried, z]))
        carries.append(z)
        carried = z
    return bits, carries


carry, write = Unit(3, layer=1), Unit(4, layer=2)
parameters = [*carry.parameters(), *write.parameters()]
print(f"{len(parameters)} weights and biases, whatever the length of the numbers")


def start(parameters, seed):
    random = Random(seed)
    for parameter in parameters:
        parameter.data = random.uniform(-1.0, 1.0)


# %% [markdown]
# ## The gradient is summed over time
#
# Three steps of it: 3 + 5 = 8 has all its carries, and as bits, lowest first, is 110 + 101 = 000 with a carry
# left over.  A weight now has an influence at three places, and its derivative is the sum of the three:
#
#     dE/dw = sum over the steps t of delta(t) z(t)
#
# with the delta of the unit at step t and what came along the weight there.


# %%
def leaves(name, numbers):
    return [Value(number, f"{name}[{t}]") for t, number in enumerate(numbers, start=1)]


def error_of_three(steps):
    bits, _ = add(leaves("a", [1.0, 1.0, 0.0]), leaves("b", [1.0, 0.0, 1.0]), steps)
    E = squared_error(bits, [0, 0, 0])
    E.backward()
    return E


start(parameters, seed=0)
E = error_of_three(repeat((carry, write)))
w = carry.weights[2]  # from the unit to itself
print("step    delta        z    delta z")
terms = []
for unit in units(E):
    if w in unit.weights:
        z = unit.inputs[unit.weights.index(w)]
        terms.append(unit.u.grad * z.data)
        print(f"{len(terms):4} {unit.u.grad:8.4f} {z.data:8.4f} {terms[-1]:10.6f}")
print(f"their sum    {sum(terms):19.6f}")
print(f"dE/d{w.label}   {w.grad:19.6f}")
print()
print(f"{paths(E, w, limit=3)}")
picture = graph(E, view="units")
print(picture.save(PICTURES / "16-unrolled.svg").name)
picture

# %% [markdown]
# The first step adds nothing, as nothing was carried to it.  Here is the same in the form in which the paper
# in *Nature* (323, 1986, figure 5) has it: a layered network with weights of its own at each layer, which
# start out equal.  Their derivatives differ.  To keep them equal the paper changes each by their average; a
# weight that is one and the same gets their sum, which is the average times the number of steps.

# %%
copies = [deepcopy((carry, write)) for _ in range(3)]
for unit in (unit for step in copies for unit in step):
    unit.zero_grad()
error_of_three(copies)
print("weight     step 1     step 2     step 3        sum     shared")
apart = 0.0
for k, unit in enumerate((carry, write)):
    for j, shared in enumerate(unit.parameters()):
        own = [step[k].parameters()[j].grad for step in copies]
        apart = max(apart, abs(sum(own) - shared.grad))
        print(f"{shared.label:8}", *(f"{slope:10.6f}" for slope in (*own, sum(own), shared.grad)))
print(f"sums and shared derivatives are {apart:.0e} apart at most")

# %% [markdown]
# ## Learning to add
#
# We train on all 256 sums of two numbers of 4 bits, with a fifth step for the last carry, by the rule of
# example 07, with momentum.  Then we ask for 200 sums of numbers of 31 bits.

# %%
SHORT, LONG = 5, 32
random = Random(0)
short_pairs = [(m, n) for m in range(16) for n in range(16)]
long_pairs = [(random.randrange(2**31), random.randrange(2**31)) for _ in range(200)]


def bits_of(numbers, length):
    return [[number >> t & 1 for t in range(length)] for number in numbers]


def samples(pairs, length):
    """The bits of both numbers and of their sum, for each pair."""
    first, second = zip(*pairs)
    return [bits_of(numbers, length) for numbers in (first, second, [m + n for m, n in pairs])]


short, long = samples(short_pairs, SHORT), samples(long_pairs, LONG)


class Run(NamedTuple):
    losses: list
    short: np.ndarray  # the bits that are written, for each short sum
    long: np.ndarray
    weights: list


def experiment(adder, parameters):
    """Learn from every start."""
    loss = compile(lambda a, b, t: squared_error(adder(a, b)[0], t))
    on_short, on_long = compile(adder), compile(adder)
    runs = []
    for seed in range(STARTS):
        start(parameters, seed)
        losses = loss.train(*short, optimizer=SGD(lr=0.5, momentum=0.9), steps=STEPS)
        written = [answers(*sums[:2])[0] > 0.5 for answers, sums in ((on_short, short), (on_long, long))]
        runs.append(Run(losses, *written, [parameter.data for parameter in parameters]))
    return runs


def right(written, samples):
    """For each sum whether every bit is right."""
    return (written == samples[2]).all(axis=1)


def report(runs):
    """Print how many learned; returns those that get every short sum right."""
    learned = [run for run in runs if right(run.short, short).all()]
    general = [run for run in learned if right(run.long, long).all()]
    print(f"{len(learned)} of {STARTS} starts learned all {len(short_pairs)} sums of 4 bits")
    print(f"{len(general)} of these {len(learned)} do all {len(long_pairs)} sums of {LONG - 1} bits")
    return learned


def two_units(a, b):
    return add(a, b, repeat((carry, write)))


runs = experiment(two_units, parameters)
learned = report(runs)
ends = sorted(run.losses[-1] for run in runs)
print("where the loss ended:", *(f"{end:.2f}" for end in ends))
forgetful = [run for run in runs if (run.short == np.bitwise_xor(*short[:2])).all()]
n_right = right(forgetful[0].short, short).sum()
print(f"{len(forgetful)} starts never carry, which is right for {n_right} of 256 sums")

# %% [markdown]
# Who has learned short sums can add long ones, since it is the same unit at each step.  A network with other
# weights for each bit could not: it has never seen the sixth.  The other starts end in local minima, most of
# them in one where nothing is ever carried and a XOR b is written: right for the 3⁴ = 81 sums in which 1 and
# 1 never meet.
#
# ## What it has learned
#
# Nobody said what to carry.


# %%
def assign(parameters, numbers):
    for parameter, number in zip(parameters, numbers):
        parameter.data = number


assign(parameters, learned[0].weights)
for unit in (carry, write):
    print(", ".join(f"{parameter.label} = {parameter.data:.1f}" for parameter in unit.parameters()))


def plus(m, n):
    """The sum of two whole numbers, by the two units."""
    length = max(m, n).bit_length() + 1
    bits, _ = two_units(*bits_of([m, n], length))
    return sum(round(bit.data) << t for t, bit in enumerate(bits))


m, n = 123_456_789, 987_654_321
print(f"{m:,} + {n:,} = {plus(m, n):,}")
m, n = random.getrandbits(1000), random.getrandbits(1000)
print(f"two numbers of 1,000 bits: {'right' if plus(m, n) == m + n else 'wrong'}")

# %% [markdown]
# To write the bit, the two numbers' bits and what was carried count alike, and what is carried on counts
# about minus twice that: s - 2 carry, as above.  And the unit that was to carry does:


# %%
def true_carries(m, n, length):
    """Whether the lowest t bits of both numbers together need another bit."""
    return [int(m % 2**t + n % 2**t >= 2**t) for t in range(1, length + 1)]


truth = np.array([true_carries(m, n, LONG) for m, n in long_pairs])
states = compile(two_units)
print("start   unit where none is carried   where one is   correlation")
for k, run in enumerate(learned, start=1):
    assign(parameters, run.weights)
    _, carries = states(*long[:2])
    none, one = carries[truth == 0], carries[truth == 1]
    r = correlation(carries.ravel(), truth.ravel())
    print(f"{k:5} {none.min():14.3f} to {none.max():.3f} {one.min():12.3f} to {one.max():.3f} {r:9.3f}")

# %% [markdown]
# The picture shows it for the first of the long sums, and at the right how the starts fared: those that learn
# leave the plateau early, and the others stay on theirs.

# %%
figure, (one_sum, starts) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
assign(parameters, learned[0].weights)
_, carries = states(*long[:2])
places = range(1, LONG + 1)
one_sum.step(places, truth[0], where="mid", color="0.6", label="whether to carry")
one_sum.plot(places, carries[0], "o", color="#0072B2", markersize=5, label="output of the unit")
one_sum.set(xlabel="place of the bit, lowest first", ylabel="carry", title="A sum of 31 bits, learned from 4")
one_sum.legend(loc="center right")
for run in runs:
    colour = "#0072B2" if right(run.short, short).all() else "#D55E00"
    starts.semilogy(run.losses, color=colour, linewidth=0.8)
starts.plot([], color="#0072B2", label=f"learned to add: {len(learned)} of {STARTS}")
starts.plot([], color="#D55E00", label="did not")
starts.set(xlabel="sweep through the 256 short sums", ylabel="loss", title="Two units, different starts")
starts.legend()
for ax in (one_sum, starts):
    ax.grid(alpha=0.3)
figure.savefig(PICTURES / "16-carry.svg", metadata={"Date": None})
print("16-carry.svg")

# %% [markdown]
# ## Three hidden units, and four states
#
# In his lectures Geoffrey Hinton adds with three hidden units that all see each other's last outputs and the
# two bits, while the output sees only them.  The network "learns four distinct patterns of activity", he
# says, and they "correspond to the nodes in the finite state automaton" of addition: a state for each bit to
# be written, with a carry and without (*Neural Networks for Machine Learning*, 2012, lecture 7c; there the
# output comes a step later).  The same numbers and rule as above:

# %%
hidden, read = Layer(5, 3), Unit(3, layer=2)


def three_units(a, b):
    """The bits of the sum, lowest first, and the outputs of the hidden units."""
    bits, states, state = [], [], [0.0, 0.0, 0.0]
    for x, y in zip(a, b):
        state = hidden([x, y, *state])
        bits.append(read(state))
        states.append(state)
    return bits, states


more_parameters = [*hidden.parameters(), *read.parameters()]
print(f"{len(more_parameters)} weights and biases")
more_learned = report(experiment(three_units, more_parameters))

# %% [markdown]
# To be right about all short sums is not yet to be right about long ones.  Where just one of the two bits is
# 1 the carry is handed on.  In 8 of the 256 short sums that happens three times in a row, and never more
# often.  Who fails on long sums fails where it has to be done at least so often.


# %%
def handed_on(run):
    """For each wrong long sum, at how many places before the first wrong bit just one of the bits was 1."""
    a, b, wanted = (np.array(bits) for bits in long)
    for alone, wrong in zip(a != b, run.long != wanted):
        if wrong.any():
            before = alone[: wrong.argmax()]
            yield np.argmin([*before[::-1], False])


for run in more_learned:
    if not right(run.long, long).all():
        print(f"one start does {right(run.long, long).mean():.1%} of the long sums", end=", ")
        print(f"and where it fails the carry had been handed on at least {min(handed_on(run))} times")

# %% [markdown]
# Here are the patterns, at all places of all long sums, of the starts that have those right: a unit is
# counted as on above 0.5.  Each pattern stands for a bit that is written and a carry, and hardly ever for two
# such.

# %%
more_states = compile(three_units)
counts, of_one_state = [], []
print("start   bit/carry of each pattern of the hidden units")
for k, run in enumerate((run for run in more_learned if right(run.long, long).all()), start=1):
    assign(more_parameters, run.weights)
    _, activities = more_states(*long[:2])
    stands_for = {}
    for units_on, bit, carried in zip((activities > 0.5).reshape(-1, 3), np.ravel(long[2]), truth.ravel()):
        pattern = "".join("1" if on else "0" for on in units_on)
        stands_for.setdefault(pattern, set()).add(f"{bit}/{carried}")
    counts.append(len(stands_for))
    of_one_state += [len(meant) == 1 for meant in stands_for.values()]
    table = (f"{pattern}:{'|'.join(sorted(meant))}" for pattern, meant in sorted(stands_for.items()))
    print(f"{k:5}  ", "  ".join(table))
print(f"patterns: {', '.join(map(str, sorted(counts)))}   (published, one network: 4)")
print(f"{sum(of_one_state)} of {len(of_one_state)} patterns stand for one bit and carry only")

# %% [markdown]
# Some starts find four patterns, one for each state.  Others give one state several patterns, according to
# how it was reached; the automaton is the same.
