"""Are the derivatives right?  gradcheck measures them, check_rule proves them.

In the order of reading: `subjects.py` makes one thing to be checked of a function or a graph,
`local_slopes.py` measures each operation by itself, `verdicts.py` compares and reports, and
`checks.py` puts them together.  `pieces.py` finds where a row is smooth, and `proofs.py` proves
its partials there with SymPy.
"""
