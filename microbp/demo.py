"""The demonstration: a network learns XOR, and its backward pass is shown and checked."""

from __future__ import annotations

from pathlib import Path

from microbp.checking.checks import gradcheck
from microbp.losses import squared_error
from microbp.nn import MLP
from microbp.optim import SGD
from microbp.show.picture import graph
from microbp.show.stepper import explore
from microbp.show.text import deltas
from microbp.training import fit, predict
from microbp.value import Value

X = [[0, 0], [0, 1], [1, 0], [1, 1]]
Y = [0, 1, 1, 0]


def run(folder: Path, seed: int, epochs: int) -> bool:
    """Print and draw the whole story; whether XOR was learned."""
    network = MLP(2, [2, 1], seed=seed)
    print(f"{network} learns XOR by backpropagation.\n", flush=True)
    history = fit(network, X, Y, optimizer=SGD(lr=2.0), epochs=epochs, stop_when=0.01)
    outputs = predict(network, X)
    learned = all((output > 0.5) == bool(target) for output, target in zip(outputs, Y))
    print(f"{history}\n\nx1  x2  target  output")
    for (x1, x2), target, output in zip(X, Y, outputs):
        print(f" {x1}   {x2}       {target}  {output:.4f}")
    if not learned:
        print(f"\nThis is a local minimum: with these first weights XOR was not learned in {epochs} epochs.")
        print("That happens, to everyone; try another --seed.")

    E = squared_error(network([1, 0]), 1, half=True)
    network.zero_grad()
    E.backward()
    print(f"\nThe backward pass for x = (1, 0), E = (y - t)^2 / 2 = {E:.6f}:\n\n{deltas(E)}\n")
    check(network, E)
    draw(E, folder)
    return learned


def check(network: MLP, E: Value) -> None:
    """Print every delta = dE/du and dE/dw beside the slope that is measured by moving that u or w alone."""
    nets = [unit.u for layer in network for unit in layer]
    print("Checked against slopes that were measured; delta is dE/du (eq. 2):\n")
    print(gradcheck(E, nets, network.parameters(), raise_error=False))


def draw(E: Value, folder: Path) -> None:
    """Write both pictures of E's graph, and the page that steps through its passes, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    print("\nPictures, and a page:")
    for view, what in [("values", "every Value"), ("units", "every unit")]:
        print(f"  {graph(E, view=view).save(folder / f'xor-{view}.svg')}  {what}")
    print(f"  {explore(E).save(folder / 'xor-steps.html')}  both passes step by step, in a browser")
