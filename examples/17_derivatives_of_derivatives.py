# %% [markdown]
# # 17. Derivatives of derivatives
#
# A gradient is computed by products and sums of local derivatives.  So it is a graph too, and
# what is a graph can be drawn, explained, and differentiated again.

# %%
import math
from fractions import Fraction
from pathlib import Path

from microbp import (
    Value,
    evaluate,
    explain,
    grad,
    gradcheck,
    gradients,
    graph,
    operation,
    sigmoid,
    zero_grad,
)

PICTURES = Path(__file__).parent / "pictures" if "__file__" in globals() else Path("pictures")

# %% [markdown]
# ## The gradient is a graph
#
# `backward()` leaves numbers behind.  `gradients` gives the same numbers as Values, and touches no `grad`.
# At the left of the picture stands the unit and its loss, at the right the chain rule: delta =
# dE/du is the same number as dE/db, and equation 3, dE/dw = delta * x, is the last box.

# %%
w, x, b, t = Value(0.5, "w"), Value(2.0, "x"), Value(-1.5, "b"), Value(1.0, "t")
u = w * x + b
z = u.sigmoid()
E = (z - t) ** 2
u.label, z.label, E.label = "u", "z", "E"

dE_dw, dE_db = gradients(E, [w, b])
print(f"dE/dw = {dE_dw.data:.4f} = delta * x = {dE_db.data:.4f} * {x.data:g}")
E.backward()
assert (w.grad, b.grad) == (dE_dw.data, dE_db.data)

zero_grad([w, x, b, t])
dE_dw.backward()
picture = graph(dE_dw)
print(picture.save(PICTURES / "17-the-gradient-is-a-graph.svg").name)
picture

# %% [markdown]
# What `backward` has left on this second graph are derivatives of dE/dw: on w the curvature of
# the loss, d(dE/dw)/dw.  It is derived step by step like any other.  The output z of the unit has
# three consumers now, and each sends its share.

# %%
print(explain(w, of=dE_dw))

# %% [markdown]
# ## A table of one line, read three times
#
# The row of tanh says: z = tanh(x), with the local derivative 1 - z * z.  That is all anybody
# told the engine.  Read again and again with Values it gives all higher derivatives.  At 0 they are
# the tangent numbers 1, 2, 16, 272, 7936 with alternating signs (sequence A000182 of the On-Line
# Encyclopedia of Integer Sequences), and divided by n! the series x - x³/3 + 2x⁵/15 - 17x⁷/315 + 62x⁹/2835.

# %%
x = Value(0.0, "x")
derivative = x.tanh()
for n in range(1, 10):
    derivative = gradients(derivative, x)
    coefficient = Fraction(int(derivative.data), math.factorial(n))
    if n % 2:
        print(f"derivative {n} at 0: {derivative.data:6.0f}   coefficient of x^{n}: {coefficient}")
assert derivative.data == 7936

# %% [markdown]
# ## Functions of functions
#
# `grad` turns a function of numbers into the function of its derivative.  Where is a sigmoid bent most?
# There its third derivative is 0: at u = ± log(2 + √3) = ± 1.316958.

# %%
bend = grad(grad(sigmoid))
change_of_bend = grad(bend)
low, high = 1.0, 2.0
while high - low > 1e-12:  # by halving
    middle = (low + high) / 2
    low, high = (middle, high) if change_of_bend(middle) < 0 else (low, middle)
print(f"most bent at u = {low:.6f}, log(2 + sqrt(3)) = {math.log(2 + math.sqrt(3)):.6f}")
assert abs(low - math.log(2 + math.sqrt(3))) < 1e-9

# %% [markdown]
# ## A row of your own
#
# Whoever knows an operation's local derivative can add it to the table, in one line.  Swish is
# x * sigmoid(x) (Ramachandran, Zoph and Le, 2017).  `gradcheck` measures every derivative by difference
# quotients, those of each operation too: had the row a wrong slope it would be named.

# %%
swish = operation("swish", "x * sigmoid(x)", "z + sigmoid(x) * (1 - z)")
print(gradcheck(swish, 0.7, order=2))

# %% [markdown]
# Its second derivative needs no further line, as it is made of the row.  Swish has a dip on the left:
# where is it?  Newton's method finds the zero of its slope.  By hand: the slope is 0 where
# x + 1 = -exp(x), and the value there is x + 1.

# %%
slope, bend = grad(swish), grad(grad(swish))
x = -1.0
for _ in range(6):
    x -= slope(x) / bend(x)
print(f"the dip of swish is at x = {x:.12f}, where it is {swish(x).data:.12f}")
assert abs(x + 1 + math.exp(x)) < 1e-14 and abs(swish(x).data - (x + 1)) < 1e-14
swish.remove()  # from the table, so that it is again what it was

# %% [markdown]
# ## In other numbers
#
# The row does not know what kind of number it is given.  `evaluate` runs a recorded graph with
# fractions, and so a worksheet can be checked without a rounded digit.

# %%
w, x, t = Value(0.5, "w"), Value(0.3, "x"), Value(1.0, "t")
E = (w * x - t) ** 2 / 2
E.label = "E"
print(evaluate(E, {w: Fraction(1, 2), x: Fraction(1, 3)}))
