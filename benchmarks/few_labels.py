"""Digits of which 60 have a label: what rows without one do for ConditionalVAE.

    python benchmarks/few_labels.py

Of scikit-learn's 1797 digits, 1397 are there to learn from and 400 to test. Printed are
shares of the test rows that are right: of logistic regression on the 60 labelled rows
and on all, and of `ConditionalVAE`, without and with `label_inputs`, on all labels, on
the 60 rows alone, on these with the others unlabelled, and so where the others count
from the first epoch on.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from skebm import ConditionalVAE, _vae_epochs

N_LABELS = 60


def main():
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(
        X / 16, y, random_state=0, test_size=400, stratify=y
    )
    some = np.where(np.arange(len(y)) < N_LABELS, y, -1)

    def report(name, model, rows=None, labels=y):
        right = model.fit(X[:rows], labels[:rows]).score(X_test, y_test)
        print(f"{name:45} {100 * right:.1f} %", flush=True)

    for rows in (N_LABELS, len(y)):
        logistic = LogisticRegression(max_iter=1000)
        report(f"logistic regression, {rows} labels", logistic, rows)
    for label_inputs in (False, True):
        name = f"label_inputs={label_inputs}"

        def model(n_iter, label_inputs=label_inputs):
            return ConditionalVAE(
                10,
                hidden_layer_sizes=(100,),
                label_inputs=label_inputs,
                learning_rate=0.003,
                n_iter=n_iter,
                unlabeled=-1,
                random_state=0,
            )

        report(f"{name}, all labels", model(50))
        report(f"{name}, {N_LABELS} labels alone", model(300), N_LABELS)
        report(f"{name}, others unlabelled", model(50), labels=some)
        first, _vae_epochs.LABELED_FIRST = _vae_epochs.LABELED_FIRST, 0.0
        report(f"{name}, others from the start", model(50), labels=some)
        _vae_epochs.LABELED_FIRST = first


if __name__ == "__main__":
    main()
