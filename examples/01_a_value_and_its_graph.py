# %% [markdown]
# # 01. A value and its graph
#
# A `Value` is a number that remembers how it was computed.  That memory is all that
# backpropagation needs: every operation knows only how *its* result reacts to *its* inputs
# (its local derivatives), and walking the memory backwards multiplies and adds them up.

# %%
from pathlib import Path

from microbp import Value, graph, tree

PICTURES = Path(__file__).parent / "pictures" if "__file__" in globals() else Path("pictures")

# %% [markdown]
# Compute something small.  Labels are optional; they make what follows easier to read.

# %%
a, b = Value(2.0, "a"), Value(-3.0, "b")
c = a * b
c.label = "c"
d = c + a
d.label = "d"
print(d)

# %% [markdown]
# `d` knows what it was computed from, and how it reacts to each of its inputs: a sum passes
# changes on as they are (1 and 1), a product scales them by the *other* factor.

# %%
for node in (c, d):
    for input, partial in zip(node.inputs, node.partials):
        print(f"d{node.label}/d{input.label} = {partial}")

# %% [markdown]
# ## Backwards
#
# `backward` starts with dd/dd = 1 and goes from every node to its inputs, sending
# *local derivative times own gradient*.  What arrives at a node is added up.  `a` is used
# twice, so two contributions arrive: along the sum 1, and along the product b = -3.
#
# dd/da = 1 + b = -2 and dd/db = a = 2.

# %%
d.backward()
print(f"dd/da = {a.grad}")
print(f"dd/db = {b.grad}")
assert (a.grad, b.grad) == (1.0 + b.data, a.data)

# %% [markdown]
# The same as a tree.  Each line begins with the local derivative along which the line above
# was reached; multiply along a path, add over the paths, and you have the gradient.

# %%
print(tree(d))

# %% [markdown]
# And as a picture: a box for each value, its local derivatives in the strip at the left, one
# for each input; below the name the value, and at the bottom the gradient on a heat scale.

# %%
picture = graph(d, view="values")
print(picture.save(PICTURES / "01-value.svg").name)
picture

# %% [markdown]
# ## Trust, but nudge
#
# A derivative says how much the result changes when an input is nudged.  So nudge: change
# `a` a little, run the same graph again, and compare.

# %%
before = d.data
a.data += 1e-6
d.recompute()
print(f"nudging a by 0.000001 changed d by {d.data - before:.9f}")
print(f"the gradient promised               {a.grad * 1e-6:.9f}")
