"""Callbacks for `fit`: what goes on between epochs, recorded or saved.

scikit-learn's callbacks are experimental; they are imported here and nowhere else.
"""

import copy
import hashlib
import io
import os
import pickle
from numbers import Integral
from pathlib import Path

from sklearn.callback import CallbackSupportMixin, ScoringMonitor
from sklearn.utils import check_scalar

__all__ = ["CallbackSupportMixin", "Checkpoint", "HistoryMonitor"]

# The first line of a checkpoint; the second one is the digest of what follows.
MAGIC = b"skebm checkpoint 1\n"

# What scikit-learn hangs on an estimator for the time of a fit.
TEMPORARY = ("_callback_fit_ctx", "_skl_callbacks_to_teardown", "_parent_callback_ctx")


def last_of_history(estimator, X, y):
    """The newest numbers that the estimator itself has recorded."""
    if hasattr(estimator, "history_"):
        return {name: values[-1] for name, values in estimator.history_.items()}
    scores = getattr(estimator, "validation_scores_", None)
    last = {"loss": estimator.loss_curve_[-1]}
    return last if scores is None else {**last, "validation_score": scores[-1]}


class HistoryMonitor(ScoringMonitor):
    """Callback that records numbers after each epoch, also where there is no y.

    It is :class:`sklearn.callback.ScoringMonitor` for unsupervised estimators: numbers
    from all fits of a grid search are in one place, also if they ran in parallel.

    Parameters
    ----------
    scoring : callable, str, list, tuple, dict or None, default=None
        What to record, as in :class:`sklearn.callback.ScoringMonitor`: for example a
        callable of estimator, X and y that returns a dictionary of numbers. None
        records the newest numbers of `history_`, or of `loss_curve_` and
        `validation_scores_`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skebm import BernoulliRBM, HistoryMonitor
    >>> X = load_digits().data > 7
    >>> monitor = HistoryMonitor()
    >>> rbm = BernoulliRBM(16, n_iter=3, random_state=0).set_callbacks(monitor).fit(X)
    >>> errors = [row["reconstruction_error"] for row in monitor.get_logs().data]
    >>> len(errors), errors == rbm.history_["reconstruction_error"]
    (3, True)
    """

    def __init__(self, *, scoring=None):
        super().__init__(scoring=last_of_history if scoring is None else scoring)

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, fitted_estimator=None
    ):
        """Record the numbers; called after each epoch and after the fit."""
        if context.task_name == "epoch":
            y = X if y is None else y  # without a y nothing would be recorded
            super().on_fit_task_end(
                estimator, context, X=X, y=y, fitted_estimator=fitted_estimator
            )


class Checkpoint:
    """Callback that saves a fit while it goes on, and resumes it.

    A file is never seen half written: a new one is written beside it, forced to disk,
    and renamed. A fit that was killed and is resumed ends with the same numbers, bit
    for bit, as one that was not.

    Parameters
    ----------
    path : str or path-like
        File to write. One for each estimator that is fitted at the same time.
    every : int, default=1
        Number of epochs between checkpoints.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_digits
    >>> from skebm import BernoulliRBM, Checkpoint
    >>> X = load_digits().data > 7
    >>> rbm = BernoulliRBM(16, n_iter=5, random_state=0)
    >>> with TemporaryDirectory() as folder:
    ...     checkpoint = Checkpoint(folder + "/rbm.checkpoint", every=2)
    ...     rbm = rbm.set_callbacks(checkpoint).fit(X)
    ...     n_saved = checkpoint.load().n_iter_
    ...     resumed = checkpoint.resume(X)  # as after an interruption
    >>> n_saved, resumed.n_iter_
    (4, 5)
    """

    def __init__(self, path, *, every=1):
        self.path = Path(path)
        self.every = check_scalar(every, "every", Integral, min_val=1)

    def setup(self, estimator, context):
        """Refuse what cannot be resumed, and a folder that is not there."""
        if not hasattr(estimator, "_resume_fit"):
            raise TypeError(
                f"Checkpoint is for machines such as BernoulliRBM, but {estimator} is "
                "none: set it on the machine that is given as rbm."
            )
        if not self.path.parent.is_dir():
            raise FileNotFoundError(
                f"The folder of the checkpoint {str(self.path)!r} does not exist: "
                "make it first."
            )

    def teardown(self, estimator, context):
        """Nothing is left to do after the fit."""

    def on_fit_task_begin(self, estimator, context):
        """Nothing is to be done before an epoch."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Save; called after each epoch and after the fit."""
        unfinished = getattr(fitted_estimator, "_unfinished", None)
        if unfinished is not None and unfinished.n_done % self.every == 0:
            write_checkpoint(self.path, fitted_estimator)

    def load(self):
        """The estimator as of the last checkpoint.

        Only open files that you trust: they are pickles, which can run any code.

        Returns
        -------
        estimator : object
            The fitted estimator, without callbacks.

        Raises
        ------
        FileNotFoundError
            If there is no checkpoint yet.
        ValueError
            If the file is no checkpoint, or is damaged.
        """
        return read_checkpoint(self.path)

    def resume(self, X, y=None, sample_weight=None, callbacks=()):
        """Go on from the last checkpoint to the end of the fit.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows that were given to `fit`.
        y : array-like, default=None
            What was given to `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            What was given to `fit`.
        callbacks : sequence of callbacks, default=()
            Further callbacks; checkpoints go on in any case.

        Returns
        -------
        estimator : object
            The fitted estimator, the same as if the fit had not been interrupted.

        Raises
        ------
        FileNotFoundError
            If there is no checkpoint yet.
        ValueError
            If the file is no checkpoint, or is damaged, or X or the weights are others.
        """
        estimator = self.load().set_callbacks(self, *callbacks)
        return estimator._resume_fit(X, y, sample_weight)


def write_checkpoint(path, estimator):
    """Write the estimator to `path`, in one step as seen from outside."""
    estimator = copy.copy(estimator).set_callbacks()
    for name in TEMPORARY:
        vars(estimator).pop(name, None)
    payload = pickle.dumps(estimator, protocol=pickle.HIGHEST_PROTOCOL)
    digest = hashlib.sha256(payload).hexdigest().encode() + b"\n"
    beside = path.with_name(path.name + ".part")
    with open(beside, "wb") as file:
        file.writelines([MAGIC, digest, payload])
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
    if hasattr(os, "O_DIRECTORY"):  # the renaming, too, is to survive a power cut
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read_checkpoint(path):
    """The estimator in a checkpoint."""
    file = io.BytesIO(path.read_bytes())
    if file.readline() != MAGIC:
        raise ValueError(
            f"{str(path)!r} is not a checkpoint of this version of skebm. Give the "
            "path of a file that Checkpoint wrote."
        )
    digest, payload = file.readline().strip(), file.read()
    if hashlib.sha256(payload).hexdigest().encode() != digest:
        raise ValueError(
            f"The checkpoint {str(path)!r} is damaged: it is cut off or was changed. "
            "Fit anew, or use a copy of an earlier checkpoint."
        )
    return pickle.loads(payload)
