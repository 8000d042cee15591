"""Gaps of tables filled, beside scikit-learn's imputers.

    python benchmarks/imputation.py [name ...] [--n_seeds=5] [--share=0.2]

Names are those of DATA; without any, all of them. Of each table some columns of numbers
are binned into categories, columns of two numbers become categories too, and a share of
all entries is taken away at random. Each imputer fills them: the error is the root mean
square of the numbers, each column in units of its standard deviation, and the accuracy
that of the categories. scikit-learn's imputers get numbers standardised and categories
one-hot, of which the largest column counts; or, "in order", the numbers of the bins,
which say more than the categories do. The one of skebm gets the data frame; or, "in
order", one with the numbers of the bins as integers. There is a line for each, with
means over the seeds, which choose the gaps, and their standard errors.
"""

import sys
import time

import numpy as np
import pandas as pd
from parameters import parsed
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

from skebm import BoltzmannImputer

N_BINS, LETTERS = 4, "ABCD"

# Which columns are binned.
DATA = {
    "wine": (load_wine, ["alcohol", "ash", "hue", "color_intensity"]),
    "diabetes": (load_diabetes, ["bmi", "bp", "s5"]),
    "cancer": (load_breast_cancer, ["mean texture", "mean smoothness", "area error"]),
}

CODES = {letter: code for code, letter in enumerate(LETTERS)}

IMPUTERS = {
    "mean and mode": lambda seed: SimpleImputer(),
    "KNNImputer": lambda seed: KNNImputer(),
    "IterativeImputer": lambda seed: IterativeImputer(max_iter=30, random_state=seed),
    "IterativeImputer, in order": lambda seed: IterativeImputer(
        max_iter=30, random_state=seed
    ),
}


def table(name):
    """A data frame, some of whose columns are categories."""
    load, binned = DATA[name]
    frame = load(as_frame=True).data
    two_values = [c for c in frame if frame[c].nunique() == 2]
    bins = {c: pd.qcut(frame[c], N_BINS, labels=list(LETTERS)) for c in binned}
    bins |= {c: pd.cut(frame[c], 2, labels=list(LETTERS[:2])) for c in two_values}
    return frame.assign(**{c: column.astype(str) for c, column in bins.items()})


def as_numbers(gaps, in_order):
    """Numbers standardised, and a column for each category, with NaN for gaps.

    Or one with the numbers of the categories, if these are taken `in_order`.
    """
    parts = []
    for name, column in gaps.items():
        if column.dtype.kind == "f":
            parts.append(((column - column.mean()) / column.std()).to_frame())
            continue
        if in_order:
            parts.append(column.map(CODES).astype(float).to_frame())
            continue
        one_hot = pd.get_dummies(column, prefix=name, dtype=float)
        parts.append(one_hot.mask(column.isna()))
    return parts


def filled_by(imputer, gaps, in_order):
    """The table that an imputer of scikit-learn makes of one with gaps."""
    parts = as_numbers(gaps, in_order)
    found = imputer.fit_transform(pd.concat(parts, axis=1).to_numpy())
    columns, first = {}, 0
    for (name, column), part in zip(gaps.items(), parts, strict=True):
        values = found[:, first : first + part.shape[1]]
        first += part.shape[1]
        if column.dtype.kind == "f":
            columns[name] = values[:, 0] * column.std() + column.mean()
        elif in_order:
            columns[name] = as_letters(values[:, 0], column.nunique())
        else:
            names = [c.removeprefix(f"{name}_") for c in part.columns]
            columns[name] = np.array(names)[values.argmax(axis=1)]
    return pd.DataFrame(columns)


def as_letters(numbers, n_values):
    """The bins that numbers are nearest to, of so many."""
    numbers = np.clip(np.rint(np.asarray(numbers, dtype=float)), 0, n_values - 1)
    return np.array(list(LETTERS))[numbers.astype(int)]


def filled_by_machine(gaps, seed):
    """The table that BoltzmannImputer makes of one with gaps."""
    return BoltzmannImputer(random_state=seed).fit_transform(gaps)


def filled_in_order(gaps, seed):
    """The same, with the bins as integers, which it takes for numbers and rounds."""
    binned = [name for name, column in gaps.items() if column.dtype.kind != "f"]
    codes = {name: gaps[name].map(CODES).astype("Int64") for name in binned}
    filled = filled_by_machine(gaps.assign(**codes), seed)
    letters = {name: as_letters(filled[name], gaps[name].nunique()) for name in binned}
    return filled.assign(**letters)


OURS = {
    "BoltzmannImputer": filled_by_machine,
    "BoltzmannImputer, in order": filled_in_order,
}


def judged(filled, frame, missing):
    """Error of the numbers, and accuracy of the categories."""
    squares, right = [], []
    for index, (name, column) in enumerate(frame.items()):
        gone = missing[:, index]
        if column.dtype.kind == "f":
            off = (filled[name] - column)[gone] / column.std()
            squares.extend(off**2)
        else:
            right.extend(filled[name][gone] == column[gone])
    return np.sqrt(np.mean(squares)), np.mean(right)


def compared(name, n_seeds, share):
    """A line for each imputer."""
    frame = table(name)
    found = {}
    for seed in range(n_seeds):
        missing = np.random.default_rng(seed).random(frame.shape) < share
        gaps = frame.mask(missing)
        for label, make in IMPUTERS.items():
            begin = time.perf_counter()
            filled = filled_by(make(seed), gaps, label.endswith("order"))
            seconds = time.perf_counter() - begin
            row = (*judged(filled, frame, missing), seconds)
            found.setdefault(label, []).append(row)
        for label, fill in OURS.items():
            begin = time.perf_counter()
            filled = fill(gaps, seed)
            seconds = time.perf_counter() - begin
            row = (*judged(filled, frame, missing), seconds)
            found.setdefault(label, []).append(row)
    for label, rows in found.items():
        mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0)
        error = spread / np.sqrt(max(1, n_seeds - 1))
        print(
            f"{name:10} {label:26} RMSE {mean[0]:.4f} +- {error[0]:.4f}   "
            f"accuracy {mean[1]:.4f} +- {error[1]:.4f}   {mean[2]:6.1f} s",
            flush=True,
        )


def main(*names, n_seeds=5, share=0.2):
    for name in names or DATA:
        compared(name, n_seeds, share)


if __name__ == "__main__":
    given = sys.argv[1:]
    options = parsed(x for x in given if x.startswith("--"))
    main(*(x for x in given if not x.startswith("--")), **options)
