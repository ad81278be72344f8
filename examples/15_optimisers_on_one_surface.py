# %% [markdown]
# # 15. Optimisers on one surface
#
# A loss of two parameters is a landscape, and training a walk in it.  Three walkers start at one place: plain
# gradient descent steps against the slope; momentum adds a part of the step before, as a ball
# that rolls; Adam divides each coordinate of the step by the usual size of its slope.
#
# Needs NumPy, and matplotlib for the pictures (`pip install "microbp[examples]"`).

# %%
import math
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot as plt

from microbp import SGD, Adam, Value, value_and_grad

PICTURES = Path(__file__).parent / "pictures" if "__file__" in globals() else Path("pictures")
matplotlib.rcParams["svg.hashsalt"] = "microbp"  # the same picture each time, to the byte
COLOURS = {"plain": "#B35806", "momentum": "#6B3FA0", "Adam": "#00705A"}
STYLES = {"plain": "-", "momentum": "--", "Adam": "-."}


def walk(E_of, start, optimizer, steps):
    """The points that an optimizer visits from `start` on its way down E_of(x, y)."""
    x, y = Value(start[0], "x"), Value(start[1], "y")
    points = [start]
    for _ in range(steps):
        x.grad = y.grad = 0.0
        E_of(x, y).backward()
        optimizer.step([x, y])
        points.append((x.data, y.data))
    return np.array(points)


def away(points, minimum):
    """The distance of each point from the minimum."""
    return np.hypot(*(points - minimum).T)


def steps_to(distances, goal):
    """How many steps until the distance has fallen below the goal, as text."""
    near = np.flatnonzero(distances < goal)
    return f"{near[0]:,}" if len(near) else "---"


def keep(figure, name):
    figure.savefig(PICTURES / name, metadata={"Date": None})
    print(name)


# %% [markdown]
# ## A bowl, where theory knows the answer
#
# E = (x² + κ y²) / 2 is a bowl that curves κ times as much along y as along x; κ is its *condition number*.
# The steep direction limits the rate, and the shallow one has to be patient.  The best that can be done is
# known (B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Computational
# Mathematics and Mathematical Physics 4, 1964): each step multiplies the distance
#
# - by (κ - 1) / (κ + 1) for plain descent, with the rate 2 / (1 + κ),
# - by (√κ - 1) / (√κ + 1) with momentum, in the long run, with the rate 4 / (1 + √κ)² and as momentum
#   the square of that factor.


# %%
def bowl(condition):
    return lambda x, y: (x**2 + condition * y**2) / 2


def best_plain(condition):
    return SGD(lr=2 / (1 + condition))


def best_momentum(condition):
    root = math.sqrt(condition)
    return SGD(lr=4 / (1 + root) ** 2, momentum=((root - 1) / (root + 1)) ** 2)


start, bottom, steps = (1.0, 1.0), (0.0, 0.0), 400
for condition in (4, 25, 100):
    root = math.sqrt(condition)
    print(f"κ = {condition}")
    for name, optimizer, published in (
        ("plain", best_plain(condition), (condition - 1) / (condition + 1)),
        ("momentum", best_momentum(condition), (root - 1) / (root + 1)),
    ):
        distances = away(walk(bowl(condition), start, optimizer, steps), bottom)
        factor, left = distances[-1] / distances[-2], steps_to(distances / distances[0], 1e-3)
        print(f"  {name:8}   {factor:.4f} a step (published {published:.4f}); a thousandth left after {left}")

# %% [markdown]
# Plain descent shrinks the distance by its factor in every single step.  With momentum, at the best rate, the
# distance goes as k times the k-th power of the factor, so that step k falls short by one part in k: that is
# the difference in the table, which shows the last of 400 steps.  And where κ is 100, a thousandth of the
# distance is left after a sixth of the steps.
#
# ## What Adam makes of a bowl
#
# D. P. Kingma and J. Ba ("Adam: a method for stochastic optimization", ICLR 2015, algorithm 1) divide a
# running mean of the gradient by the root of a running mean of its square, coordinate by coordinate.  The
# size of the gradient cancels: the method "is invariant to diagonal rescaling of the gradients", but for
# an ε of 10⁻⁸.  The first step shows it best.  It is as long as the rate, whatever the gradient.

# %%
print("Adam's first step, with the defaults   (published: 0.001 gradient / (|gradient| + 1e-8))")
for slope in (1e6, 215.6, 88.0, 1.0, 1e-6, 1e-8):
    x = Value(0.0, "x")
    x.grad = slope
    Adam().step([x])
    print(f"gradient {slope:7.4g}: {-x.data:.7f}   ({0.001 * slope / (slope + 1e-8):.7f})")

# %% [markdown]
# A bowl that stands along the axes is therefore always the same bowl: y is but x on another scale.

# %%
for condition in (4, 25, 100):
    distances = away(walk(bowl(condition), start, Adam(lr=0.1), steps), bottom)
    left = steps_to(distances / distances[0], 1e-3)
    print(f"κ = {condition:3}   Adam with rate 0.1 has a thousandth of the distance left after {left} steps")

# %%
figure, ax = plt.subplots(figsize=(7.0, 4.2), layout="constrained")
for name, optimizer in (
    ("plain", best_plain(100)),
    ("momentum", best_momentum(100)),
    ("Adam", Adam(lr=0.1)),
):
    distances = away(walk(bowl(100), start, optimizer, steps), bottom)
    ax.semilogy(distances, STYLES[name], color=COLOURS[name], label=name)
for factor, label in ((99 / 101, None), (9 / 11, "published factors")):
    ax.semilogy(math.sqrt(2) * factor ** np.arange(steps + 1), ":", color="black", linewidth=1.0, label=label)
ax.set(xlabel="step", ylabel="distance from the minimum (κ = 100)", xlim=(0, 250), ylim=(1e-10, 30))
ax.grid(alpha=0.3)
ax.legend(loc="lower left")
keep(figure, "15-bowl.svg")

# %% [markdown]
# Momentum overshoots at first, and is soon ahead.  Adam swings past the minimum again and again.
#
# ## A bent valley
#
# Rosenbrock's valley (The Computer Journal 3, 1960) leads from (-1.2, 1), where everybody starts, to the
# minimum at (1, 1).  Its walls are steep, its floor is nearly flat, and as it bends no axis points along it.


# %%
def valley(x, y):
    return 100 * (y - x**2) ** 2 + (1 - x) ** 2


START, MINIMUM = (-1.2, 1.0), (1.0, 1.0)
E, slope = value_and_grad(valley, argnums=(0, 1))(*START)
print(f"at the start E = {E:.1f}, and the gradient is ({slope[0]:.1f}, {slope[1]:.1f})")

# %% [markdown]
# Which rate is fair?  Each walker gets three, the last being large for it.

# %%
STEPS = 6000
WALKERS = {
    "plain": (SGD, {}, (0.001, 0.002, 0.003)),
    "momentum": (SGD, {"momentum": 0.9}, (0.0001, 0.001, 0.003)),
    "Adam": (Adam, {}, (0.01, 0.1, 1.0)),
}
print(f"                   first within 0.1       0.01   away after {STEPS:,} steps")
for name, (method, options, rates) in WALKERS.items():
    for rate in rates:
        distances = away(walk(valley, START, method(lr=rate, **options), STEPS), MINIMUM)
        near, nearer = steps_to(distances, 0.1), steps_to(distances, 0.01)
        print(f"{name:9} rate {rate:6} {near:>12} {nearer:>10}   {distances[-1]:.1e}")

# %% [markdown]
# Here momentum is the best guide: it adds up the small pushes along the floor, and those from wall to wall
# cancel.  Plain descent is slow with 0.002 and gets nowhere with 0.003.  Adam's rate is a length and not a
# factor, so that its steps do not become short by themselves: with 1.0 it comes near sooner than with 0.1,
# and does not stay.

# %%
figure, ax = plt.subplots(figsize=(8.4, 5.2), layout="constrained")
xs, ys = np.linspace(-1.5, 1.3, 300), np.linspace(-0.5, 1.5, 300)
heights = valley(*np.meshgrid(xs, ys))
ax.contour(xs, ys, heights, levels=np.geomspace(1, 1000, 10), colors="#BBBBBB", linewidths=0.8)
for name, optimizer, marker in (
    ("plain", SGD(lr=0.002), "o"),
    ("momentum", SGD(lr=0.001, momentum=0.9), "s"),
    ("Adam", Adam(lr=0.1), "^"),
):
    points = walk(valley, START, optimizer, 400)
    style = {
        "color": COLOURS[name],
        "marker": marker,
        "markevery": [100, 200, 400],
        "markeredgecolor": "white",
    }
    ax.plot(*points.T, STYLES[name], markersize=8, linewidth=1.4, label=name, **style)
ax.plot(*START, "k*", *MINIMUM, "kX", markersize=11)
ax.annotate("start", START, (-8, 10), textcoords="offset points", ha="right")
ax.annotate("minimum", MINIMUM, (10, -14), textcoords="offset points")
ax.set(xlabel="x", ylabel="y", title="400 steps in Rosenbrock's valley, a mark after 100, 200 and 400")
ax.legend(loc="lower left")
keep(figure, "15-valley.svg")
