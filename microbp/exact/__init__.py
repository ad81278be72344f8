"""evaluate: a recorded graph and its gradients in numbers other than floats.

`numbers.py` reads the rows with fractions and decimals, `symbols.py` with SymPy's symbols, and
`evaluation.py` runs a graph with them.
"""
