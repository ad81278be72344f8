# %% [markdown]
# # 07. XOR, the problem that needs a hidden unit
#
# "One or the other, but not both" cannot be computed by a single unit: no line separates
# (0,1) and (1,0) from (0,0) and (1,1).  In chapter 8 of *Parallel Distributed Processing*
# (1986) Rumelhart, Hinton and Williams showed that backpropagation finds hidden units that
# can.  We follow them: sigmoid units, E = half the sum of the squared errors over a sweep
# through the four patterns, and one step of gradient descent for each sweep.

# %%
from pathlib import Path
from random import Random

from microbp import MLP, SGD, Unit, Value, deltas, fit, graph, predict, squared_error

PICTURES = Path(__file__).parent / "pictures" if "__file__" in globals() else Path("pictures")
X = [[0, 0], [0, 1], [1, 0], [1, 1]]
Y = [0, 1, 1, 0]


def half_squared_error(y, t):
    return squared_error(y, t, half=True)


def start(parameters, seed):
    """Small first weights, as in the chapter; it does not say which."""
    random = Random(seed)
    for parameter in parameters:
        parameter.data = random.uniform(-0.5, 0.5)


def learn(network, parameters, seed, sweeps=1000):
    start(parameters, seed)
    return fit(
        network,
        X,
        Y,
        half_squared_error,
        SGD(lr=0.5, momentum=0.9),
        epochs=sweeps,
        reduction="sum",
        parameters=parameters,
        stop_when=0.02,  # every output is then within 0.2 of its target, most far closer
        progress=False,
    )


def show(network):
    for x, y, t in zip(X, predict(network, X), Y):
        print(f"{x}   target {t}   output {y:.3f}")


# %% [markdown]
# ## One unit cannot
#
# A single unit separates by a line, and no line will do: after any amount of training some
# pattern is wrong, or all of them are left at 0.5.

# %%
single = MLP(2, [1])
print(learn(single, single.parameters(), seed=1))
show(single)

# %% [markdown]
# ## One hidden unit and direct connections
#
# The chapter's smallest network: the inputs lead to one hidden unit *and* straight to the
# output unit.  No class is needed for such an architecture; units are functions of Values.
# The chapter reports a solution after 558 sweeps with a learning rate of 0.5 (page 331); most of
# its simulations have a momentum of about 0.9 (page 330).  How many sweeps are needed depends
# on the first weights and on when one calls it solved.

# %%
hidden, output = Unit(2, layer=1), Unit(3, layer=2)
parameters = [*hidden.parameters(), *output.parameters()]


def direct(x):
    x1, x2 = x
    return output([x1, x2, hidden(x)])


sweeps = []
for seed in range(10):
    history = learn(direct, parameters, seed, sweeps=5000)
    sweeps.append(history.epochs)
    assert history.ended == "stop_when"
print(f"sweeps needed from ten starts: {sorted(sweeps)}   (published, one start: 558)")
show(direct)

# %% [markdown]
# The hidden unit has found a use, the one the chapter describes: it turns on if neither input
# is on, and then, by its strong negative weight, turns the output unit off.

# %%
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
print(graph(E, view="units").save(PICTURES / "07-xor-direct.svg").name)

# %% [markdown]
# ## Two hidden units, and local minima
#
# With two hidden units and no direct connections there are local minima: gradient descent
# can end where one pattern stays wrong and no small step helps.  The chapter shows one.

# %%
network = MLP(2, [2, 1])
histories = [learn(network, network.parameters(), seed) for seed in range(20)]
solved = sorted(history.epochs for history in histories if history.ended == "stop_when")
print(f"{len(solved)} of 20 starts learned XOR, after {solved[0]} to {solved[-1]} sweeps.")
print(f"Not so after 1000 sweeps, in a local minimum or still on its way: {20 - len(solved)}")
