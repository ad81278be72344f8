# %% [markdown]
# # 11. Two moons, and the line between them
#
# XOR has four patterns, and all of them are known.  Here are 300 points from two half circles,
# blurred by noise, and the question is about points the network has *not* seen.  A quarter of
# them is held out for that.

# %%
from pathlib import Path

import matplotlib

from microbp import MLP, Adam, Unit, accuracy, binary_cross_entropy, datasets, fit, plot_decision

PICTURES = Path(__file__).parent / "pictures" if "__file__" in globals() else Path("pictures")
matplotlib.rcParams["svg.hashsalt"] = "microbp"  # the same picture each time, to the byte

X, Y = datasets.moons(300, noise=0.2, seed=1)
train_X, train_Y, test_X, test_Y = datasets.split(X, Y, share=0.25, seed=1)
print(f"{len(train_X)} samples to learn from, {len(test_X)} held out")


def learn(network):
    history = fit(
        network,
        train_X,
        train_Y,
        binary_cross_entropy,
        Adam(lr=0.02),
        epochs=60,
        batch_size=15,
        seed=1,
        validation=(test_X, test_Y),
        progress=False,
    )
    print(network, history, sep="\n")
    print(f"right: {accuracy(network, train_X, train_Y):.1%} of those it learned from", end=", ")
    print(f"{accuracy(network, test_X, test_Y):.1%} of those held out")
    return history


def keep(ax, name):
    ax.figure.savefig(PICTURES / name, metadata={"Date": None})
    print(name)


# %% [markdown]
# ## One unit draws a straight line
#
# The output of a sigmoid unit is taken for the probability of class 1.  It is 0.5 where u = 0,
# that is where w1 x1 + w2 x2 + b = 0: a straight line, which cuts off the tips of the moons.

# %%
unit = Unit(2, seed=1)
learn(unit)
keep(plot_decision(unit, test_X, test_Y), "11-moons-one-unit.svg")

# %% [markdown]
# ## Eight hidden units bend it
#
# Each hidden unit has a line of its own, and the output unit weighs them.  The points are the
# held-out ones; a region is darker the surer the network is.  Where the moons blur into one
# another no line is right about every point.

# %%
network = MLP(2, [8, 1], activation="tanh", output_activation="sigmoid", seed=1)
history = learn(network)
keep(plot_decision(network, test_X, test_Y), "11-moons-network.svg")

# %% [markdown]
# The loss of the held-out samples falls with that of the training samples, and from about epoch
# 20 on stays above it: part of what is learned then is true of the training samples only.

# %%
keep(history.plot(), "11-moons-loss.svg")
