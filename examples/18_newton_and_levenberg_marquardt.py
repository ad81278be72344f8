# %% [markdown]
# # 18. Newton, Levenberg and Marquardt
#
# Gradient descent knows the slope of a loss.  With the second derivatives one knows its curvature
# too, and can step to where the bottom would be if the loss were a parabola:
# step = -H⁻¹ g, Newton's method.  Near the bottom it nearly is one, and the number of right digits
# *doubles* with every step.
#
# Needs NumPy for the linear equations, and matplotlib for the picture (`pip install -e ".[examples]"`).

# %%
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot as plt

from microbp import Value, compile, gradients, hessian, value_and_grad

matplotlib.rcParams["svg.hashsalt"] = "microbp"  # the same picture each time, to the byte
PICTURES = Path(__file__).parent / "pictures" if "__file__" in globals() else Path("pictures")

# %% [markdown]
# ## Newton's method, on a curved valley
#
# Rosenbrock's function (The Computer Journal 3, 1960) has its minimum, 0, at (1, 1), at the end of
# a bent valley.  He started at (-1.2, 1), and so has everybody since.


# %%
def valley(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def newton(f, x, steps):
    """The points that Newton's method visits from x."""
    slope_of, curvature_of = value_and_grad(f), hessian(f)
    points = [np.array(x)]
    for _ in range(steps):
        _, slope = slope_of(points[-1])
        points.append(points[-1] - np.linalg.solve(curvature_of(points[-1]), slope))
    return points


def descend(f, x, rate, steps):
    """The points that gradient descent visits from x."""
    slope_of, points = value_and_grad(f), [np.array(x)]
    for _ in range(steps):
        points.append(points[-1] - rate * slope_of(points[-1])[1])
    return points


path = newton(valley, [-1.2, 1.0], 7)
for k, (a, b) in enumerate(path):
    error = np.linalg.norm([a - 1, b - 1])
    print(f"step {k}: ({a:+.10f}, {b:+.10f}), away from the minimum by {error:.1e}")
a, b = descend(valley, [-1.2, 1.0], rate=1e-3, steps=5000)[-1]
print(f"gradient descent after 5,000 steps: away by {np.linalg.norm([a - 1, b - 1]):.1e}")
assert np.abs(path[-1] - 1).max() < 1e-15

# %% [markdown]
# ## Curves through measured points
#
# A loss that is a sum of squares, E = Σ r², of residuals r(b) has the gradient 2 Jᵀ r and nearly the Hessian
# 2 Jᵀ J, where J are the first derivatives of the residuals: no second derivatives are needed.
# Levenberg and Marquardt step by -(JᵀJ + λ D)⁻¹ Jᵀ r, D being the diagonal of JᵀJ: Newton's way where λ is
# small, and short steps downhill where it is large.  λ grows when a step went up, and shrinks otherwise.
#
# J comes from `gradients` of the residual, and is compiled: one call gives all rows.


# %%
def residuals_and_jacobian(model, parameters):
    """The compiled function of x and y that gives r, and dr/db for each parameter b, for all samples."""

    def residual(x, y):
        r = model(x) - y
        return r, gradients(r, parameters)

    return compile(residual)


def levenberg_marquardt(model, parameters, x, y, start, most=2000):
    """Fit the parameters; returns them after each step that was taken."""
    assign(parameters, start)
    program = residuals_and_jacobian(model, parameters)
    r, J = program(x, y)
    path, damping = [np.array(start)], 1e-3
    while len(path) < most:
        H, slope = J.T @ J, J.T @ r
        step = np.linalg.solve(H + damping * np.diag(np.diag(H)), -slope)
        assign(parameters, path[-1] + step)
        r_there, J_there = program(x, y)
        if r_there @ r_there < r @ r:
            path.append(path[-1] + step)
            r, J, damping = r_there, J_there, damping / 10
        elif damping > 1e12:  # no step is short enough: rounding errors are all that is left
            break
        else:
            damping *= 10
    assign(parameters, path[-1])
    return path


def assign(parameters, numbers):
    for parameter, number in zip(parameters, numbers):
        parameter.data = float(number)


def right_digits(found, certified):
    """How many digits are right in the worst of several numbers: -log10 of the relative error."""
    error = np.abs(np.array(found) / certified - 1).max()
    return min(-np.log10(max(error, 1e-16)), 11.0)


# %% [markdown]
# The yardstick are two problems of the Statistical Reference Datasets for nonlinear regression, by the United
# States' National Institute of Standards and Technology (https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml):
# each comes with two points to start from and with parameters certified to 11 digits.  Misra1a, of lower
# difficulty, is a study of adsorption in dentistry: y = b1 (1 - exp(-b2 x)).  MGH09, of higher difficulty
# and "found to be difficult for some very good algorithms", is y = b1 (x² + x b2) / (x² + x b3 + b4).

# %%
b1, b2, b3, b4 = (Value(1.0, f"b{k}") for k in (1, 2, 3, 4))


def adsorption(x):
    return b1 * (1 - (-b2 * x).exp())


def rational(x):
    return b1 * (x**2 + x * b2) / (x**2 + x * b3 + b4)


MISRA1A = {
    "model": adsorption,
    "parameters": [b1, b2],
    "x": [77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0],
    "y": [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78],
    "starts": [[500, 0.0001], [250, 0.0005]],
    "certified": [2.3894212918e02, 5.5015643181e-04],
    "sum of squares": 1.2455138894e-01,
}
MGH09 = {
    "model": rational,
    "parameters": [b1, b2, b3, b4],
    "x": [4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625],
    "y": [0.1957, 0.1947, 0.1735, 0.16, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246],
    "starts": [[25, 39, 41.5, 39], [0.25, 0.39, 0.415, 0.39]],
    "certified": [1.9280693458e-01, 1.9128232873e-01, 1.2305650693e-01, 1.3606233068e-01],
    "sum of squares": 3.0750560385e-04,
}

for name, problem in (("Misra1a", MISRA1A), ("MGH09", MGH09)):
    for k, start in enumerate(problem["starts"], start=1):
        problem["path"] = levenberg_marquardt(
            problem["model"], problem["parameters"], problem["x"], problem["y"], start
        )
        found, certified = problem["path"][-1], problem["certified"]
        E = sum((problem["model"](x) - y) ** 2 for x, y in zip(problem["x"], problem["y"]))
        steps, digits = len(problem["path"]) - 1, right_digits(found, certified)
        print(f"{name}, start {k}: {steps} steps, {digits:.0f} digits right")
        print(f"    sum of squares {E.data:.10e}, certified {problem['sum of squares']:.10e}")
        assert digits > 7
        assert abs(E.data / problem["sum of squares"] - 1) < 1e-10

# %% [markdown]
# ## Digits that double
#
# Levenberg and Marquardt's method gets MGH09 right to 7 digits and no further: its 2 JᵀJ is not quite the
# curvature, so that each step gains the same *number* of digits, and what decides whether a step is taken,
# E itself, does not feel the last ones.  Newton's method takes the second derivatives of the residuals
# too: `gradients` of `gradients`, compiled, for all samples at once.


# %%
def slope_and_curvature(model, parameters):
    """The compiled function of x and y that gives dE/db and d(dE/db)/db', for all samples."""

    def loss(x, y):
        slope = gradients((model(x) - y) ** 2, parameters)
        return slope, [gradients(each, parameters) for each in slope]

    return compile(loss)


def polish(problem, start, steps):
    """The points that Newton's method visits from a start near the minimum of a sum of squares."""
    program = slope_and_curvature(problem["model"], problem["parameters"])
    path = [np.array(start)]
    for _ in range(steps):
        assign(problem["parameters"], path[-1])
        slopes, curvatures = program(problem["x"], problem["y"])
        path.append(path[-1] - np.linalg.solve(curvatures.sum(axis=0), slopes.sum(axis=0)))
    return path


slow = MGH09["path"][6:]
fast = polish(MGH09, slow[0], 5)
best = fast[-1]
slow_error, fast_error = ([np.abs(point / best - 1).max() for point in path] for path in (slow, fast[:-1]))
print("MGH09, largest relative error of a parameter:")
for k, error in enumerate(slow_error):
    if k < 5:
        print(f"step {k:2}: Levenberg and Marquardt {error:.1e}   Newton {fast_error[k]:.1e}")
    elif k % 5 == 0:
        print(f"step {k:2}: Levenberg and Marquardt {error:.1e}")

print()
for k, (found, certified) in enumerate(zip(best, MGH09["certified"]), start=1):
    print(f"b{k} = {found:.10e}   certified {certified:.10e}")
    assert f"{found:.10e}" == f"{certified:.10e}"

# %% [markdown]
# In the picture a straight line means the same number of digits for each step, and Newton's line bends
# down: from 10⁻² to 10⁻⁴ to 10⁻⁸, and then to what floats can tell.

# %%
figure, (curve, left, right) = plt.subplots(1, 3, figsize=(14, 4))
assign(MGH09["parameters"], best)
xs = np.linspace(0.0, 4.1, 200)
curve.plot(xs, [rational(x).data for x in xs], label="fitted")
curve.plot(MGH09["x"], MGH09["y"], "o", label="given")
curve.set(title="MGH09: the curve", xlabel="x", ylabel="y")
descent = descend(valley, [-1.2, 1.0], rate=1e-3, steps=60)
for points, label in ((descent, "gradient descent"), (path, "Newton")):
    left.semilogy([max(np.linalg.norm(point - 1), 1e-16) for point in points], ".-", label=label)
left.set(title="Rosenbrock's valley", xlabel="step", ylabel="distance from the minimum")
for errors, label in ((slow_error, "Levenberg and Marquardt"), (fast_error, "Newton")):
    right.semilogy(errors, ".-", label=label)
right.set(title="MGH09: the way there", xlabel="step", ylabel="largest relative error")
for ax in (curve, left, right):
    ax.legend()
    ax.grid(alpha=0.3)
figure.tight_layout()
figure.savefig(PICTURES / "18-digits-that-double.svg", metadata={"Date": None})
