"""A plan, and the recording it comes from, as programs to be read: `matrices.py` and `scalars.py`."""
