# %% [markdown]
# # 05. A worksheet, with published numbers
#
# Matt Mazur's "A Step by Step Backpropagation Example" (2015) computes one step of
# backpropagation by hand, and thousands of people have learned from it.  The network has two
# inputs, two hidden units and two outputs, all sigmoid, and the loss is half the sum of the
# squared errors.  We do the same and put our numbers beside his.

# %%
from functools import partial
from pathlib import Path

from microbp import MLP, SGD, deltas, graph, squared_error, worksheet

PICTURES = Path(__file__).parent / "pictures" if "__file__" in globals() else Path("pictures")

# %% [markdown]
# Mazur counts the weights through, w1 to w8; ours are named by where they lead from and to.

# %%
network = MLP(2, [2, 2])
(h1, h2), (o1, o2) = network
w = [*h1.weights, *h2.weights, *o1.weights, *o2.weights]
for weight, number in zip(w, (0.15, 0.20, 0.25, 0.30, 0.40, 0.45, 0.50, 0.55)):
    weight.data = number
h1.bias.data = h2.bias.data = 0.35
o1.bias.data = o2.bias.data = 0.60
x, target = [0.05, 0.10], [0.01, 0.99]

# %% [markdown]
# ## Forward, then backward

# %%
E = squared_error(network(x), target, half=True)
E.backward()
print(f"E = {E.data:.9f}   (published: 0.298371109)")
print()
print(deltas(E))

# %%
picture = graph(E, view="values")
print(picture.save(PICTURES / "05-worksheet-values.svg").name)
picture

# %%
picture = graph(E, view="units")
print(picture.save(PICTURES / "05-worksheet-units.svg").name)
picture

# %% [markdown]
# ## On paper
#
# `worksheet` makes a sheet of it, with blanks, for learners to do the same by hand:
# `sheet.save("sheet.html")` and `sheet.key.save("key.html")` go to the printer, and with a `seed`
# every learner gets other numbers.
# Its `check` marks what was found.  Here somebody forgot the slope of the sigmoid, and went on with
# the result as one should: that is one mistake, not three.

# %%
sheet = worksheet(network, x, target, loss=partial(squared_error, half=True))
found = {
    "z2[1]": 0.7514,
    "dE/dz2[1]": 0.7414,
    "delta2[1]": 0.7414,
    "dE/dw2[1,1]": 0.4398,
    "new w2[1,1]": 0.1801,
}
print(sheet.check(found))

# %% [markdown]
# ## One step of gradient descent
#
# The learning rate is 0.5, and the biases are not trained.

# %%
SGD(lr=0.5).step(w)
published = (
    0.149780716,
    0.19956143,
    0.24975114,
    0.29950229,
    0.35891648,
    0.408666186,
    0.511301270,
    0.561370121,
)
print("      ours          published")
for i, (weight, number) in enumerate(zip(w, published), start=1):
    print(f"w{i}    {weight.data:.9f}   {number}")
    assert abs(weight.data - number) < 5e-9

# %% [markdown]
# ## Ten thousand steps
#
# At the end he prints the error 0.0000351085.  It is the one before the last update.

# %%
optimizer, updates = SGD(lr=0.5), 10_000
for _ in range(updates - 1):  # the first is done
    E = squared_error(network(x), target, half=True)
    network.zero_grad()
    E.backward()
    optimizer.step(w)
print(f"E = {E.data:.10f} before update {updates}   (published: 0.0000351085)")
print(f"y = {o1.z.data:.9f} and {o2.z.data:.9f}, wanted {target[0]} and {target[1]}")
assert abs(E.data - 0.0000351085) < 5e-11
