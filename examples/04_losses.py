# %% [markdown]
# # 04. Losses, and what each says to the output unit
#
# A loss E puts a number on how wrong the outputs y are for the targets t.  Learning never sees that
# number, though.  All it gets from a loss is its slope: dE/dy at an output, and with the slope of the
# output unit, y (1 - y) for a sigmoid, the **delta** with which the backward pass begins.
# This is where losses differ.
#
# Needs matplotlib for the pictures (`pip install -e ".[examples]"`).

# %%
from pathlib import Path

import matplotlib
from matplotlib import pyplot as plt

from microbp import (
    SGD,
    Unit,
    Value,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    explain,
    mean_absolute_error,
    mean_squared_error,
    softmax,
    squared_error,
)

matplotlib.rcParams["svg.hashsalt"] = "microbp"  # the same picture each time, to the byte
PICTURES = Path(__file__).parent / "pictures" if "__file__" in globals() else Path("pictures")

# %% [markdown]
# ## Four losses of the same outputs
#
# The squared error adds up (y - t)² (equation 3.1 of the post), and "half" of it spares a factor 2 in
# every slope.  The mean squared error divides by the number of outputs, the mean absolute error
# takes |y - t|.  Cross-entropy is for outputs that are probabilities: E = -t log y - (1 - t) log (1 - y).


# %%
def half_squared_error(y, t):
    return squared_error(y, t, half=True)


LOSSES = [squared_error, half_squared_error, mean_squared_error, mean_absolute_error, binary_cross_entropy]
t = [1.0, 0.0, 1.0, 0.0]
print("                          E   dE/dy for each output, whose targets are 1, 0, 1, 0")
for loss in LOSSES:
    y = [Value(0.9, "y[1]"), Value(0.2, "y[2]"), Value(0.4, "y[3]"), Value(0.5, "y[4]")]
    E = loss(y, t)
    E.backward()
    print(f"{loss.__name__:20} {E.data:6.4f}  ", " ".join(f"{each.grad:+7.4f}" for each in y))

# %% [markdown]
# The slopes of the squared errors grow with the distance, those of the absolute error all have the same
# size, and those of cross-entropy are (y - t) / (y (1 - y)): the steeper the surer the output is of
# something wrong.

# %% [markdown]
# ## Squares listen to outliers, absolute values do not
#
# One output b, without any input, for five targets of which one is far off.  With squares the slopes
# balance at the mean of the targets; with absolute values where there are as many above as below, at
# the median.

# %%
targets = [1.0, 2.0, 3.0, 4.0, 100.0]
for loss, what in ((mean_squared_error, "mean"), (mean_absolute_error, "median")):
    b = Value(0.0, "b")
    for step in range(4000):
        b.grad = 0.0
        loss([b] * 5, targets).backward()
        SGD(lr=20 / (step + 50)).step([b])
    expected = {"mean": sum(targets) / 5, "median": sorted(targets)[2]}[what]
    print(f"{loss.__name__:20} ends at b = {b.data:7.3f}   (the {what} of the targets: {expected})")

# %% [markdown]
# ## Delta at a sigmoid output
#
# With a sigmoid between u and y, delta = dE/dy · y (1 - y).  For a target of 1 and a very negative u the
# output is as wrong as can be.  The squared error is then steep in y, yet y (1 - y) lets next to nothing
# through; cross-entropy divides by the very same factor, and what is left is delta = y - t.


# %%
def delta(loss, number, target=1.0):
    u = Value(number, "u")
    loss(u.sigmoid(), target).backward()
    return u.grad


print("       u          y   half squared   mean absolute   cross-entropy       y - t")
for number in (-8.0, -4.0, -2.0, 0.0, 2.0, 4.0):
    y = Value(number).sigmoid().data
    row = (delta(loss, number) for loss in (half_squared_error, mean_absolute_error, binary_cross_entropy))
    print(f"{number:8.1f}   {y:.6f}", *(f"{each:+15.6f}" for each in row), f"{y - 1:+11.6f}")

# %% [markdown]
# Nobody put y - t into the engine.  It comes out of three local derivatives, one of which cancels
# another:

# %%
u = Value(-2.0, "u")
y = u.sigmoid()
y.label = "y"
E = binary_cross_entropy(y, 1.0)
E.backward()
print(explain(u, of=E))

# %% [markdown]
# Where y has been rounded to 0 or 1 nothing cancels any more, and the logarithm of 0 has no value.  So
# there is a form that takes u itself, t softplus(-u) + (1 - t) softplus(u), which is right for every u.

# %%
for number in (-30.0, -800.0):
    u = Value(number, "u")
    E = binary_cross_entropy_with_logits(u, 1.0)
    E.backward()
    print(f"u = {number:6.1f}   E = {E.data:.6f}   delta = {u.grad:+.6f}")
try:
    binary_cross_entropy(Value(-800.0).sigmoid(), 1.0)
except ValueError as error:
    print(f"from y, with u = -800: {error}")

# %%
us = [k / 20 for k in range(-160, 161)]
figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
for loss, name, style in (
    (squared_error, "squared error", "-"),
    (half_squared_error, "half the squared error", "--"),
    (mean_absolute_error, "mean absolute error", "-."),
    (binary_cross_entropy, "cross-entropy: y - t", "-"),
):
    axes.plot(us, [delta(loss, number) for number in us], style, label=name)
axes.set(xlabel="u, the input of the output unit", ylabel="delta = dE/du   (target 1)")
axes.axhline(0.0, color="0.7", linewidth=0.8, zorder=0)
axes.legend(frameon=False)
figure.savefig(PICTURES / "04-deltas.svg", metadata={"Date": None})
print("04-deltas.svg")

# %% [markdown]
# ## A unit that is sure and wrong
#
# Michael Nielsen (*Neural Networks and Deep Learning*, 2015, chapter 3) trains one unit to turn an input of
# 1 into an output of 0, with half the squared error and a rate of 0.15.  From w = 0.6, b = 0.9 its
# output falls from 0.82 to 0.09 in 300 steps.  From w = b = 2, where it begins at 0.98, it hardly
# changes for the first 150 steps or so, and ends at 0.20.


# %%
def outputs(loss, rate, w, b, steps=300):
    """The output of the unit before each step, and after the last."""
    unit = Unit(1)
    unit.weights[0].data, unit.bias.data = w, b
    found = []
    for _ in range(steps):
        unit.zero_grad()
        loss(unit([1.0]), 0.0).backward()
        found.append(unit.z.data)
        SGD(lr=rate).step(unit.parameters())
    return [*found, unit([1.0]).data]


near, far = (outputs(half_squared_error, 0.15, *start) for start in ((0.6, 0.9), (2.0, 2.0)))
print(f"from (0.6, 0.9): {near[0]:.2f} to {near[-1]:.2f}   (published: 0.82 to 0.09)")
print(f"from (2.0, 2.0): {far[0]:.2f} to {far[-1]:.2f}   (published: 0.98 to 0.20)")
print(f"                 {far[150]:.2f} after 150 steps")

# %% [markdown]
# With cross-entropy a unit learns fastest where it is most wrong.  (A rate means something else for each
# loss, so it is the form of the curves that is to be compared: this one falls almost at once.)

# %%
surely = outputs(binary_cross_entropy, 0.15, 2.0, 2.0)
u = 2.0 * 1.0 + 2.0
print(f"delta before the first step: {delta(half_squared_error, u, 0.0):.4f} for half the squared error,")
print(f"                             {delta(binary_cross_entropy, u, 0.0):.4f} for cross-entropy")
print(f"with cross-entropy: {surely[0]:.2f} to {surely[-1]:.2f}, and already {surely[50]:.2f} after 50 steps")

figure, axes = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
axes.plot(near, "--", label="half the squared error, from (0.6, 0.9)")
axes.plot(far, "-", label="half the squared error, from (2, 2)")
axes.plot(surely, "-.", label="cross-entropy, from (2, 2)")
axes.set(xlabel="steps of gradient descent, at a rate of 0.15", ylabel="output (target 0)", ylim=(0, 1))
axes.legend(frameon=False, loc="center left", bbox_to_anchor=(0.11, 0.55))
figure.savefig(PICTURES / "04-sure-and-wrong.svg", metadata={"Date": None})
print("04-sure-and-wrong.svg")

# %% [markdown]
# ## Several classes
#
# With one output unit for each class, softmax makes probabilities of their inputs,
# y_k = exp(u_k) / sum exp(u), and cross-entropy is E = -sum_k t_k log y_k.  Now each u_k moves *all*
# outputs, so the chain rule has a sum over all of them; and still what is left of it is y_k - t_k.

# %%
numbers, t = [2.0, -1.0, 0.5], [0.0, 1.0, 0.0]
u = [Value(number, f"u[{k}]") for k, number in enumerate(numbers, start=1)]
y = softmax(u)
E = -sum(t_k * y_k.log() for t_k, y_k in zip(t, y))
E.backward()
by_hand = [each.grad for each in u]

again = [Value(number, f"u[{k}]") for k, number in enumerate(numbers, start=1)]
cross_entropy(again, 1).backward()
for k in range(3):
    print(
        f"unit {k + 1}   y = {y[k].data:.6f}   y - t = {y[k].data - t[k]:+.6f}"
        f"   delta, from softmax and log: {by_hand[k]:+.6f}   from cross_entropy: {again[k].grad:+.6f}"
    )
print(f"the deltas add up to {sum(by_hand):.0e}: what one class gains the others lose")
