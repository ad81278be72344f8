"""The samples of a batch as columns of numbers, checked for all that can be wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from microbp.arguments import counted, shown
from microbp.compiler.plan import Array
from microbp.nn import as_samples
from microbp.value import Value, is_real


def as_rows(samples: Any, name: str) -> Array:
    """The samples of one argument as an array with a row for each.

    Raises TypeError for what are no numbers, ValueError for rows of different lengths, no rows
    at all, and numbers that are not finite; each error names the argument and the sample.
    """
    if not isinstance(samples, np.ndarray):
        samples = as_samples(samples, name)
    try:
        rows = _as_reals(samples)
    except (TypeError, ValueError, OverflowError) as error:
        raise _irregular(samples, name) from error
    if rows.ndim == 0 or not len(rows):
        raise ValueError(f"{name} is empty; at least one sample is needed")
    if not np.isfinite(rows).all():
        k, *_ = np.argwhere(~np.isfinite(rows))[0]
        bad = rows[k][~np.isfinite(rows[k])]
        raise ValueError(f"{name}: sample {k + 1} contains {float(bad.flat[0])}; every number must be finite")
    return rows


def as_columns(arguments: Sequence[Array], names: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> Array:
    """The samples of all arguments as one array: a row for each input of a program, a column for each sample.

    Raises ValueError where the rows have another shape than the program was made for, or where there
    are more samples of one argument than of another.
    """
    for rows, name, shape in zip(arguments, names, shapes):
        if rows.shape[1:] != shape:
            raise ValueError(
                f"{name}: the program was made for samples of {_numbers(shape)}, "
                f"and these are of {_numbers(rows.shape[1:])}"
            )
        if len(rows) != len(arguments[0]):
            raise ValueError(
                f"{names[0]} has {counted(len(arguments[0]), 'sample')} and {name} {len(rows):,}; "
                "there has to be one of each for every sample"
            )
    return np.concatenate([rows.reshape(len(rows), -1).T for rows in arguments])


def _as_reals(samples: Any) -> Array:
    given = np.asarray(samples)
    if given.dtype.kind not in "biufO" or (given.dtype.kind == "O" and not all(map(is_real, given.flat))):
        raise TypeError
    return given.astype(np.float64)


def _numbers(shape: tuple[int, ...]) -> str:
    if not shape:
        return "one number"
    return f"{' by '.join(map(str, shape))} number{'s' if shape != (1,) else ''}"


def _irregular(samples: Any, name: str) -> Exception:
    """What is wrong with samples that make no array."""
    first = None
    for k, sample in enumerate(samples, start=1):
        entries = sample if isinstance(sample, (list, tuple)) else [sample]
        if any(isinstance(entry, Value) for entry in entries):
            return TypeError(
                f"{name}: sample {k} contains a Value; samples are plain numbers, and what is trained "
                "is used by the function itself"
            )
        try:
            shape = _as_reals(sample).shape
        except (TypeError, ValueError, OverflowError):
            came = sample.tolist() if isinstance(sample, np.ndarray) else sample
            return TypeError(f"{name}: sample {k} is {shown(came)}; only real numbers can be used")
        first = shape if first is None else first
        if shape != first:
            return ValueError(f"{name}: sample 1 is of {_numbers(first)} and sample {k} of {_numbers(shape)}")
    return TypeError(f"{name} cannot be read as an array of numbers")
