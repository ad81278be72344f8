# %% [markdown]
# # 10. From scalars to matrices
#
# Textbooks write backpropagation with matrices: D1 = (D2 W2ᵀ) · Z1 · (1 − Z1), dE/dW1 = Z0ᵀ D1.
# Where do they come from?  From nowhere: they are what the single products and sums of one
# sample become when equal operations are done side by side, for all units and all samples.
# Here a network is written in single Values, `compile` finds its matrices, and the same
# gradient is computed four times: by the scalars, by the compiled program, by the NumPy code
# that it prints, and by PyTorch.

# %%
from pathlib import Path
from random import Random
from time import perf_counter

import numpy as np

from microbp import SGD, Value, compile, fit, graph, sigmoid
from microbp.datasets import moons

PICTURES = Path(__file__).parent / "pictures" if "__file__" in globals() else Path("pictures")

# %% [markdown]
# ## A network without a network class
#
# Two inputs, three hidden units, one output: weights in lists, and the formulas as one writes
# them on a blackboard.  `w1[j][k]` leads from input j to hidden unit k.  The labels are only
# for reading: they name what is printed below.

# %%
random = Random(1)
w1 = [[Value(random.uniform(-2, 2), f"w1[{j},{k}]") for k in (1, 2, 3)] for j in (1, 2)]
b1 = [Value(0.0, f"b1[{k}]") for k in (1, 2, 3)]
w2 = [Value(random.uniform(-2, 2), f"w2[{j},1]") for j in (1, 2, 3)]
b2 = Value(0.0, "b2[1]")


def unit(name, weights, inputs, bias):
    u = sum(w * z for w, z in zip(weights, inputs)) + bias
    z = sigmoid(u)
    u.label, z.label = f"u{name}", f"z{name}"
    return z


def loss(x, t):
    z1 = [unit(f"1[{k + 1}]", [w1[0][k], w1[1][k]], x, b1[k]) for k in range(3)]
    E = (unit("2[1]", w2, z1, b2) - t) ** 2
    E.label = "E"
    return E


# %% [markdown]
# Computed for one sample it is a graph like any other.

# %%
x, t = [Value(0.5, "x[1]"), Value(-1.0, "x[2]")], Value(1.0, "t")
E = loss(x, t)
E.backward()
picture = graph(E, view="units")
print(picture.save(PICTURES / "10-one-sample.svg").name)
picture

# %% [markdown]
# ## What is found in it
#
# `compile` records that graph once, with Values that stand for every sample.  Products with a
# common list of factors are a matrix product, and the sigmoids of a layer one array operation.

# %%
X, T = moons(100, seed=1)
program = compile(loss)
mean_loss, gradient = program.value_and_grad(X, T)
print(program)

# %% [markdown]
# The backward pass follows from the same plan.  This is the program as NumPy code, with the
# deltas of the textbook, D = dE/dU:

# %%
print(program.source)

# %% [markdown]
# And this is what those matrices stand for, one sample in single numbers: every weight's
# derivative is the delta of the unit it leads to, times what it carries there.

# %%
unrolled = program.scalar_source
print(unrolled[unrolled.index("# backward") :])

# %% [markdown]
# ## Four times the same gradient
#
# The scalars, sample by sample; the compiled program; the printed code, run on its own.

# %%
parameters = program.parameters
for parameter in parameters:
    parameter.grad = 0.0
for sample, target in zip(X, T):
    loss(sample, target).backward(1 / len(X))
by_scalars = np.array([parameter.grad for parameter in parameters])

printed = {}
exec(program.source, printed)
numbers = np.array([parameter.data for parameter in parameters])
by_printed_code = printed["value_and_grad"](numbers, np.array(X), np.array(T))[1]


def apart(one, other):
    return np.abs(one - other).max() / np.abs(other).max()


print(f"compiled program and scalars: {apart(gradient, by_scalars):.0e} apart")
print(f"printed NumPy and scalars:    {apart(by_printed_code, by_scalars):.0e} apart")

# %% [markdown]
# PyTorch, where it is installed, has its matrices from us, and finds the same.

# %%
try:
    import torch
except ImportError:
    print("PyTorch is not installed: pip install torch")
else:

    def tensor(values):
        return torch.tensor(values, dtype=torch.float64, requires_grad=True)

    W1, B1 = tensor([[w.data for w in row] for row in w1]), tensor([b.data for b in b1])
    W2, B2 = tensor([[w.data] for w in w2]), tensor([b2.data])
    y = torch.sigmoid(torch.sigmoid(torch.tensor(X, dtype=torch.float64) @ W1 + B1) @ W2 + B2)
    torch.nn.functional.mse_loss(y[:, 0], torch.tensor(T, dtype=torch.float64)).backward()
    by_torch = np.concatenate([part.grad.numpy().ravel() for part in (W1, B1, W2, B2)])
    print(f"PyTorch and scalars:          {apart(by_torch, by_scalars):.0e} apart")

# %% [markdown]
# ## What it is good for
#
# A step of training on the hundred samples, by the scalars and by the program.

# %%


def milliseconds(engine, epochs):
    start = perf_counter()
    fit(lambda x: x, X, T, loss, SGD(0.5), epochs, parameters=parameters, progress=False, engine=engine)
    return 1000 * (perf_counter() - start) / epochs


for engine, epochs in [("eager", 20), ("compiled", 2000)]:
    print(f"{engine}: {milliseconds(engine, epochs):.2f} ms a step")
print(program.check(X, T))
