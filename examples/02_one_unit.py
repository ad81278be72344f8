# %% [markdown]
# # 02. One unit: u, z and delta
#
# A unit of a network takes inputs z_n, weighs them, and passes on a squashed sum:
#
# - its input is u = sum_n z_n w_n + b (equation 1.1; the bias b is ours),
# - its output is z = sigmoid(u),
# - its **delta** is dE/du (equation 2): how the loss reacts to the unit's input.
#
# With delta known, every weight is easy: dE/dw_n = delta * z_n (equation 3).

# %%
from pathlib import Path

from microbp import Unit, Value, deltas, graph, sigmoid, squared_error

PICTURES = Path(__file__).parent / "pictures" if "__file__" in globals() else Path("pictures")

# %% [markdown]
# ## By hand
#
# Nothing but Values.  E is half the squared distance from a target of 1.

# %%
x1, x2 = Value(1.0, "x[1]"), Value(2.0, "x[2]")
w1, w2, b = Value(0.5, "w1"), Value(-0.25, "w2"), Value(0.1, "b")
u = w1 * x1 + w2 * x2 + b
z = u.sigmoid()
E = 0.5 * (z - 1.0) ** 2
u.label, z.label, E.label = "u", "z", "E"
E.backward()
print(f"u = {u.data:.6f}   z = {z.data:.6f}   E = {E.data:.6f}   delta = dE/du = {u.grad:.6f}")

# %% [markdown]
# The chain rule says delta = dE/dz * dz/du, and for the sigmoid dz/du = z (1 - z)
# (equation 4.4).  Then equation 3 gives the weights.  Nobody told the engine any of this;
# it comes out of the local derivatives.

# %%
delta = (z.data - 1.0) * z.data * (1.0 - z.data)
print(f"(z - t) z (1 - z) = {delta:.6f}")
for w, x in ((w1, x1), (w2, x2)):
    print(f"dE/d{w.label} = {w.grad:.6f} and delta * {x.label} = {u.grad * x.data:.6f}")

# %% [markdown]
# ## The same, ready made
#
# `Unit` keeps u, z and delta after a pass, and `deltas` writes the worksheet of the pass.

# %%
unit = Unit(2)
unit.weights[0].data, unit.weights[1].data, unit.bias.data = 0.5, -0.25, 0.1
E = squared_error(unit([1.0, 2.0]), 1.0, half=True)
E.backward()
print(f"u = {unit.u.data:.6f}   z = {unit.z.data:.6f}   E = {E.data:.6f}   delta = {unit.delta:.6f}")
print()
print(deltas(E))
assert abs(unit.delta - u.grad) < 1e-15

# %%
picture = graph(E, view="values")
print(picture.save(PICTURES / "02-unit-values.svg").name)
picture

# %%
picture = graph(E, view="units")
print(picture.save(PICTURES / "02-unit-units.svg").name)
picture

# %% [markdown]
# ## What the sigmoid does to delta
#
# z (1 - z) is greatest, 1/4, where u = 0, and fades on both sides.  A unit far out on
# either side is *saturated*: whatever the loss says, hardly anything reaches its weights.

# %%
for number in (-8.0, -4.0, -2.0, 0.0, 2.0, 4.0, 8.0):
    out = sigmoid(Value(number))
    print(f"u = {number:5.1f}   z = {out.data:.6f}   dz/du = {out.partials[0]:.6f}")
