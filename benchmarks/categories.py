"""Tables of categories: CategoricalRBM beside BernoulliRBM and independent columns.

    SKEBM_DATA=folder python benchmarks/categories.py [name ...] [--n_iter=100] ...

Names are those of DATA, sets of the folder's `binary` whose bits are categories written
one-hot. Both machines give probabilities to the same rows, so their log-likelihoods can
be compared: that of binary units also gives some to rows that cannot be, of which two
categories of a column are 1, or none. Independent columns have the shares of their
categories in the training rows, each counted once more. Options are parameters of both
machines. There is a line for each, with log Z from both directions.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from parameters import parsed

from skebm import BernoulliRBM, CategoricalRBM

# Hidden units, learning rate and initial activation. With 20 hidden units, log Z is
# known exactly.
DATA = {"mushrooms": (500, 0.1, 0.1), "voting": (20, 0.01, 0.5)}
PARAMS = {"n_iter": 100, "n_gibbs_steps": 5, "batch_size": 100, "random_state": 0}
ANNEALING = {"n_betas": 10_000, "n_runs": 200}


def columns_of(X):
    """Runs of columns of which one is 1 in every row, as slices."""
    first, found = 0, []
    while first < X.shape[1]:
        sums = np.cumsum(X[:, first:], axis=1)
        (ends,) = np.nonzero((sums == 1).all(axis=0))
        if not ends.size:
            raise ValueError(f"The bits from {first} on are not written one-hot.")
        found.append(slice(first, first + int(ends[0]) + 1))
        first = found[-1].stop
    return found


def data(name):
    """Training, validation and test rows as bits, and as tables of categories."""
    with np.load(Path(os.environ["SKEBM_DATA"]) / "binary" / f"{name}.npz") as file:
        bits = [file[part].astype(np.float32) for part in ("train", "valid", "test")]
    columns = columns_of(np.concatenate(bits))
    return bits, [as_categories(part, columns) for part in bits]


def as_categories(bits, columns):
    """A data frame whose dtypes name all categories, also those of no row."""
    found = {}
    for index, column in enumerate(columns):
        names = range(column.stop - column.start)
        numbers = bits[:, column].argmax(axis=1)
        found[f"column {index}"] = pd.Categorical(numbers, names)
    return pd.DataFrame(found)


def independent(train, test):
    """Mean log-likelihood of test rows with independent columns."""
    total = 0.0
    for name, column in train.items():
        counts = column.value_counts(sort=False) + 1.0
        total += test[name].map(np.log(counts / counts.sum())).astype(float).mean()
    return total


def line(name, label, machine, train, valid, test):
    begin = time.perf_counter()
    machine.fit(train)
    seconds = time.perf_counter() - begin
    log_z = machine.log_partition(**ANNEALING)
    below, above = log_z.value - log_z.upper, log_z.value - log_z.lower
    score = machine.score(test)
    print(
        f"{name:10} {label:22} validation {machine.score(valid):8.3f}  test "
        f"{score:8.3f} [{score + below:.3f}, {score + above:.3f}]  {seconds:.0f} s",
        flush=True,
    )


def main(*names, **params):
    for name in names or DATA:
        bits, tables = data(name)
        found = independent(tables[0], tables[2])
        print(f"{name:10} {'independent columns':22} test {found:27.3f}", flush=True)
        n_components, rate, activation = DATA[name]
        start = {"learning_rate": rate, "initial_activation": activation}
        own = {**start, **PARAMS, **params}
        line(name, "BernoulliRBM", BernoulliRBM(n_components, **own), *bits)
        line(name, "CategoricalRBM", CategoricalRBM(n_components, **own), *tables)


if __name__ == "__main__":
    given = sys.argv[1:]
    options = parsed(x for x in given if x.startswith("--"))
    main(*(x for x in given if not x.startswith("--")), **options)
