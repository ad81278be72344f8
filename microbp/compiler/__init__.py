"""compile: a scalar function recorded once, and run on whole batches.

In the order of reading: `recording.py` has one sample's graph, `normal.py` sees its sums as what
they are, and `plan.py` finds the operations on arrays.  A plan has two readers: `layout.py`,
`forward.py`, `backward.py` and `executor.py` run it on NumPy, and `sources/` writes it as code.
`memory.py` keeps the parameters that the user holds right; `program.py` is what is called.
"""
