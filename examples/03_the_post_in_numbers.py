# %% [markdown]
# # 03. The post in numbers: every equation, both sides
#
# The post that microbp implements explains backpropagation in twenty-two numbered equations: 1 to 3
# in its text, and 1.1 to 4.10 in its appendices.  An equation has two sides, and for a network with
# numbers in it both can be worked out, each in its own way.  Here that is done for all of them, and
# for every weight and unit that an equation speaks of.
#
# A derivative can be *measured*, without any calculus: move one number a little up and a little
# down, and see how much the result changes.  That will be one side.  The other is what the equation
# says.  And where it speaks of a delta, microbp's backward pass is asked for it.

# %%
import math
from pathlib import Path
from random import Random

import numpy as np

from microbp import MLP, Value, cross_entropy, deltas, graph, squared_error

PICTURES = Path(__file__).parent / "pictures" if "__file__" in globals() else Path("pictures")

# %% [markdown]
# ## The network, without microbp
#
# Three inputs x_i, four hidden units z_j, two output units y_k, and no biases, as in the post.
# w1[i,j] leads from input i to hidden unit j, and w2[j,k] on to output unit k.  (In the printed
# tables everything counts from 1, as in the post; in Python from 0.)

# %%
draw = Random(3)
x, t = np.array([0.9, -0.4, 0.3]), np.array([1.0, 0.0])
w1 = np.array([[draw.uniform(-1.5, 1.5) for _ in range(4)] for _ in range(3)])
w2 = np.array([[draw.uniform(-1.5, 1.5) for _ in range(2)] for _ in range(4)])
I, J, K = range(3), range(4), range(2)


def weighted_sums(z, w):
    return np.array([sum(z[n] * w[n, k] for n in range(len(z))) for k in range(w.shape[1])])


def sigmoid(u):
    return np.array([1 / (1 + math.exp(-number)) for number in u])


def losses(y):
    return np.array([(y[k] - t[k]) ** 2 for k in K])


u1 = weighted_sums(x, w1)
z = sigmoid(u1)
u2 = weighted_sums(z, w2)
y = sigmoid(u2)

# %% [markdown]
# The loss of each output unit, E_k, as a function of whatever is to be moved.  Each is the one above
# it with one more step before; E is their sum.


# %%
def from_u2(u2):
    return losses(sigmoid(u2))


def from_z(z):
    return from_u2(weighted_sums(z, w2))


def from_u1(u1):
    return from_z(sigmoid(u1))


def from_w2(w2):
    return from_u2(weighted_sums(z, w2))


def from_w1(w1):
    return from_u1(weighted_sums(x, w1))


def measured(f, numbers, h=1e-5):
    """How fast each result of f changes as each number is moved alone: results by numbers."""
    slopes = []
    for place in np.ndindex(numbers.shape):
        step = np.zeros(numbers.shape)
        step[place] = h
        slopes.append((f(numbers + step) - f(numbers - step)) / (2 * h))
    return np.moveaxis(np.array(slopes).reshape(*numbers.shape, -1), -1, 0)


def measured_of_E(f, numbers):
    """How fast E, the sum of the results of f, changes as each number is moved alone."""
    return measured(lambda moved: f(moved).sum(), numbers)[0]


# %% [markdown]
# ## The same network of Values
#
# One forward pass and one backward pass.  Its deltas are all we take from it.

# %%
network = MLP(3, [4, 2], bias=False)
for layer, w in zip(network, (w1, w2)):
    for k, unit in enumerate(layer):
        for n, weight in enumerate(unit.weights):
            weight.data = w[n, k]
E = squared_error(network(list(x)), list(t))
E.backward()
hidden, output = network
delta_j = [unit.delta for unit in hidden]
delta_k = [unit.delta for unit in output]
print(deltas(E))

# %%
picture = graph(E, view="units")
print(picture.save(PICTURES / "03-post-units.svg").name)
picture

# %% [markdown]
# ## Equations 1 to 3
#
# dE/dW is a derivative for each weight (1); a delta is dE/du (2); and dE/dw_jk is the delta of the
# unit the weight leads to, times what is passed along it (3).  In every line: the two sides for the
# first of the weights or units, and how far apart they are in the worst of them.


# %%
def compare(equation, says, left, right):
    left, right = np.array(left, float).ravel(), np.array(right, float).ravel()
    apart = np.abs(left - right).max()
    print(f"{equation:>6}  {says:39} {left[0]:+.9f} {right[0]:+.9f}   of {left.size:2}: {apart:.0e} apart")


dE_dw1, dE_dw2 = measured_of_E(from_w1, w1), measured_of_E(from_w2, w2)
dE_du1, dE_du2 = measured_of_E(from_u1, u1), measured_of_E(from_u2, u2)
gradient = [parameter.grad for parameter in network.parameters()]  # unit by unit: a column of W each

compare("(1)", "dE/dW", [*dE_dw1.T.ravel(), *dE_dw2.T.ravel()], gradient)
compare("(2)", "delta_k = dE/du_k", delta_k, dE_du2)
compare("(3)", "dE/dw_jk = delta_k z_j", dE_dw2, [[delta_k[k] * z[j] for k in K] for j in J])

# %% [markdown]
# ## Appendix 1: the input of a unit
#
# The units' inputs that the Values computed, beside the sums written out.

# %%
compare("(1.1)", "u_k = sum_n z_n w_nk", [unit.u.data for unit in output], u2)

# %% [markdown]
# ## Appendix 2: where delta comes from
#
# A weight w_jk reaches E_k only through u_k (2.1): the loss of the *other* output unit does not
# change with it.  So the chain rule has one path to follow (2.2), its last step is z_j (2.3, 2.4),
# and what comes before it deserves a name: delta (2.5, 2.6).

# %%
dEk_dw = measured(from_w2, w2)  # by k, j, k
duk_dw = measured(lambda moved: weighted_sums(z, moved), w2)
dEk_du = measured(from_u2, u2).diagonal()
own = [[dEk_dw[k, j, k] for k in K] for j in J]
others = [[dEk_dw[1 - k, j, k] for k in K] for j in J]
du_dw = [[duk_dw[k, j, k] for k in K] for j in J]

compare("(2.1)", "dE_m/dw_jk = 0, m not being k", others, np.zeros((4, 2)))
compare("(2.2)", "dE_k/dw_jk = dE_k/du_k du_k/dw_jk", own, dEk_du * du_dw)
compare("(2.3)", "du_k/dw_jk = z_j", du_dw, [[z[j] for k in K] for j in J])
compare("(2.4)", "dE_k/dw_jk = dE_k/du_k z_j", own, [[dEk_du[k] * z[j] for k in K] for j in J])
compare("(2.5)", "delta_k = dE_k/du_k", delta_k, dEk_du)
compare("(2.6)", "dE_k/dw_jk = delta_k z_j", own, [[delta_k[k] * z[j] for k in K] for j in J])

# %% [markdown]
# ## Appendix 3: the delta of an output unit
#
# E is a sum of squares (3.1), and y depends on u by a sigmoid, so that the derivative of the square
# and that of the sigmoid give delta_k = 2 (y_k - t_k) y_k (1 - y_k), which is what (3.2) asks for.

# %%
by_hand = [2 * (y[k] - t[k]) * y[k] * (1 - y[k]) for k in K]

compare("(3.1)", "E = sum_k (y_k - t_k)^2", E.data, sum((y[k] - t[k]) ** 2 for k in K))
compare("(3.2)", "dE_k/du_k = 2 (y_k - t_k) y_k (1 - y_k)", dEk_du, by_hand)

# %% [markdown]
# ## Appendix 4: the delta of a hidden unit
#
# The same for a weight that leads to a hidden unit (4.1, 4.2), whose delta goes through z_j (4.3).
# The sigmoid's slope is easy (4.4); but z_j is passed on to *every* output unit, so that dE/dz_j is a
# sum over them (4.5, 4.6), of their deltas (4.7) times the weights on the way (4.8): the deltas go
# backwards through the weights (4.9).  All put together (4.10), in full.

# %%
dE_dz, dEk_dz = measured_of_E(from_z, z), measured(from_z, z)
duk_dz = measured(lambda moved: weighted_sums(moved, w2), z)
dz_du = measured(sigmoid, u1).diagonal()
slope = [z[j] * (1 - z[j]) for j in J]
back = [sum(delta_k[k] * w2[j, k] for k in K) for j in J]

compare("(4.1)", "dE/dw_ij = delta_j x_i", dE_dw1, [[delta_j[j] * x[i] for j in J] for i in I])
compare("(4.2)", "delta_j = dE/du_j", delta_j, dE_du1)
compare("(4.3)", "delta_j = dE/dz_j dz_j/du_j", delta_j, dE_dz * dz_du)
compare("(4.4)", "dz_j/du_j = z_j (1 - z_j)", dz_du, slope)
compare("(4.5)", "dE/dz_j = sum_k dE_k/dz_j", dE_dz, sum(dEk_dz[k] for k in K))
compare("(4.6)", "dE/dz_j = sum_k dE_k/du_k du_k/dz_j", dE_dz, sum(dEk_du[k] * duk_dz[k] for k in K))
compare("(4.7)", "delta_k = dE_k/du_k", delta_k, dEk_du)
compare("(4.8)", "w_jk = du_k/dz_j", w2, duk_dz.T)
compare("(4.9)", "dE/dz_j = sum_k delta_k w_jk", dE_dz, back)
in_full = [[x[i] * slope[j] * back[j] for j in J] for i in I]
compare("(4.10)", "dE/dw_ij = x_i z_j (1 - z_j) sum_k ...", dE_dw1, in_full)

# %% [markdown]
# ## One layer more
#
# "We continue this process, one layer at a time."  (4.3) and (4.9) say how a layer's deltas follow from
# those of the next one; nothing in them is about output units.  In a network with three hidden layers
# they give every delta, from the last to the first.

# %%
deep = MLP(3, [4, 3, 3, 2], seed=1)
squared_error(deep(list(x)), list(t)).backward()
for number in (3, 2, 1):
    layer, following = deep[number - 1], deep[number]
    by_hand = [
        unit.z.data * (1 - unit.z.data) * sum(later.delta * later.weights[j].data for later in following)
        for j, unit in enumerate(layer)
    ]
    apart = max(abs(unit.delta - each) for unit, each in zip(layer, by_hand))
    print(f"layer {number}: the delta of unit 1 is {by_hand[0]:+.12f}, {apart:.0e} apart at most")

# %% [markdown]
# ## Slips, shown by numbers
#
# The post has a few slips of the pen.  None of them is deep, but a reader who takes an equation at its
# word should know; here is what each would give.
#
# **(4.4)** writes dz_j/dw_ij where dz_j/du_j is meant.  The derivative by the weight has a factor x_i
# more.

# %%
dz_dw = measured(lambda moved: sigmoid(weighted_sums(x, moved)), w1)
print(f"z_1 (1 - z_1) = {slope[0]:.6f}   dz_1/du_1 = {dz_du[0]:.6f}   dz_1/dw_11 = {dz_dw[0, 0, 0]:.6f}")
print(f"z_1 (1 - z_1) x_1 = {slope[0] * x[0]:.6f}")

# %% [markdown]
# **(4.5) to (4.9)** sum over n while their terms speak of k.  Taken literally, each sum adds the same
# term K times.

# %%
print(f"dE/dz_1 = {dE_dz[0]:+.6f}")
print(f"sum over k of delta_k w_1k = {back[0]:+.6f}")
for k in K:
    print(f"K times delta_{k + 1} w_1{k + 1} = {2 * delta_k[k] * w2[0, k]:+.6f}")

# %% [markdown]
# **(4.10)** says that dE/dw_ij is proportional to the sum of the deltas.  The factors x_i and
# z_j (1 - z_j) may hide in "proportional"; the weights w_jk may not, as they stand inside the sum.  If
# they could, dE/dw_ij over x_i z_j (1 - z_j) would be the same for all hidden units:

# %%
print(f"the sum of the deltas: {sum(delta_k):+.6f}")
for j in J:
    quotient = dE_dw1[0, j] / (x[0] * slope[j])
    print(f"j = {j + 1}: the quotient {quotient:+.6f}   the sum of deltas times weights {back[j]:+.6f}")

# %% [markdown]
# **(3.1)** gives E_k as a sum over n from 1 to N: that sum, over the output units, is E.  The loss of one
# output unit is one term of it.
#
# **(2.5)** says delta_k = dE_k/du_k and **(2)** says dE/du_k.  For a sum of squares both hold, as above.
# With softmax outputs and cross-entropy they do not: there u_k moves the other outputs too.

# %%
u = [Value(number, f"u[{k}]") for k, number in enumerate(u2, start=1)]
cross_entropy(u, [0.7, 0.3]).backward()
shares = np.exp(u2) / np.exp(u2).sum()
print(f"dE/du_1   = {u[0].grad:+.6f}   (y_1 - t_1 = {shares[0] - 0.7:+.6f})")
print(f"dE_1/du_1 = {-0.7 * (1 - shares[0]):+.6f}   (of E_1 = -t_1 log y_1 alone)")

# %% [markdown]
# **"The weighted average"**, as the post calls u in words, is a weighted *sum*, as (1.1) says in symbols.
# Divided by the sum of its weights it would be another network.

# %%
print(f"u_1 = {u2[0]:+.6f}   as an average {u2[0] / sum(w2[:, 0]):+.6f}")
