"""Checkpoints: a callback by which a fit is saved while it goes on, and resumed."""

import copy
import pickle
import re
import weakref
from contextlib import suppress
from numbers import Integral
from pathlib import Path

from sklearn.utils import check_scalar

from ._callbacks import CallbackSupportMixin
from ._checkpoint_file import identity, read_checkpoint, write_checkpoint
from ._warnings import warn

# What scikit-learn hangs on an estimator for the time of a fit.
TEMPORARY = ("_callback_fit_ctx", "_skl_callbacks_to_teardown", "_parent_callback_ctx")


class Checkpoint:
    """Callback that saves a fit while it goes on, and resumes it.

    The file is a pickle of which nothing is run: :meth:`load` and :meth:`resume` refuse
    what is neither an estimator of skebm or scikit-learn nor an array, number, text or
    container, unless it is `trusted`.

    Of a stack, of a deep machine or of what is fine-tuned, it saves the whole fit, with
    the layer that is under way. A file is never seen half written: a new one is written
    beside it, forced to disk, and renamed. A fit that was killed and is resumed ends
    with the same numbers, bit for bit, as one that was not.

    The first checkpoint is written before the first epoch. A file that is there already
    is an error, as it belongs to another fit; :meth:`resume` goes on with that. So is
    one that cannot be written. Later on, that is a warning, and the fit goes on.

    Parameters
    ----------
    path : str or path-like
        File to write. It is for one fit: in a grid search, which makes many, the
        callback is an error.
    every : int, default=1
        Number of epochs between checkpoints, over all layers. `partial_fit`, which has
        one epoch, writes after each call.
    trusted : sequence of types and functions, default=()
        What may be in the file besides estimators of skebm and scikit-learn, arrays,
        numbers, text and containers: for example a subclass of an estimator that is not
        of skebm itself. Anything else that a file names is an error, so that opening a
        checkpoint runs no code.

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

    def __init__(self, path, *, every=1, trusted=()):
        self.path = Path(path).absolute()
        if "\0" in str(path) or not Path(path).name:
            raise ValueError(f"path must be that of a file, got {str(path)!r}.")
        self.every = check_scalar(every, "every", Integral, min_val=1)
        self.trusted = tuple(trusted)
        self._forget()

    def _forget(self):
        # Whose model is in the file, and which file that is: of this process alone.
        self._owners, self._last = weakref.WeakSet(), None

    def __getstate__(self):
        return {"path": self.path, "every": self.every, "trusted": self.trusted}

    def __setstate__(self, state):
        vars(self).update(state)
        self._forget()

    def setup(self, estimator, context):
        """Refuse what cannot be resumed, and a folder that is not there."""
        if not hasattr(estimator, "_resume_fit"):
            raise TypeError(
                "Checkpoint is for the estimators of skebm, but "
                f"{type(estimator).__name__} is none: set it on the one within."
            )
        while context.parent is not None:
            context = context.parent
            if not context.sequential_subtasks:
                raise TypeError(
                    "A Checkpoint saves one fit, and a search makes many. Search "
                    "without it, and set it on a clone of the best estimator, to fit "
                    "that again."
                )
        if not self.path.parent.is_dir():
            raise FileNotFoundError(
                f"The folder of the checkpoint {str(self.path)!r} does not exist: "
                "make it first."
            )
        if self.path.is_dir():
            raise IsADirectoryError(
                f"The path of the checkpoint, {str(self.path)!r}, is a folder: give "
                "that of a file in it."
            )

    def teardown(self, estimator, context):
        """Nothing is left to do after the fit."""

    def on_fit_task_begin(self, estimator, context):
        """Nothing is to be done: the fit itself asks for a writer."""

    def on_fit_task_end(self, estimator, context):
        """Nothing is to be done: the fit itself asks for a writer."""

    def _writer(self, estimator, call):
        """What writes the checkpoints of one fit."""
        # Who goes on has the model that is in its file; no other may write over it.
        own = call.going_on and estimator in self._owners
        return Writer(self, call, self._last if own else None)

    def _own(self, estimator, last):
        """Remember whose model is in the file, and which file that is."""
        if last != self._last:
            self._forget()
        self._owners.add(estimator)
        self._last = last

    def load(self):
        """The estimator as of the last checkpoint.

        No code is run that a file names: see `trusted`.

        Returns
        -------
        estimator : object
            The estimator, without callbacks. It is fitted as far as the fit had come:
            not at all, if that was before the first epoch, or in a part whose features
            are not yet its own.

        Raises
        ------
        FileNotFoundError
            If there is no checkpoint yet.
        ValueError
            If the file is no checkpoint, is damaged or of another version, or holds
            what is not `trusted`.
        """
        estimator = read_checkpoint(self.path, self.trusted)
        self._own(estimator, identity(self.path))
        return estimator

    def resume(self, X, y=None, sample_weight=None, callbacks=()):
        """Go on from the last checkpoint to the end of the fit.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows that were given to `fit`: dense, sparse or as a data frame, but of
            the same array library and device.
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
            If the file is no checkpoint of a fit, or is damaged, or X, y or the weights
            are others.
        """
        estimator = self.load()
        if not hasattr(estimator, "_unfinished"):
            raise ValueError(
                f"The checkpoint {str(self.path)!r} is of partial_fit, which has "
                "nothing to resume: go on with partial_fit of what load() returns."
            )
        return estimator.set_callbacks(self, *callbacks)._resume_fit(
            X, y, sample_weight
        )


class Writer:
    """The checkpoints of one fit of an estimator.

    `last` is the identity of its own file, if it has one: see :func:`identity`.
    """

    def __init__(self, checkpoint, call, last):
        self.checkpoint, self.call, self.last = checkpoint, call, last
        self.path, self.every = checkpoint.path, checkpoint.every
        self.n_epochs, self.n_written, self.created = 0, 0, False

    def begin(self, estimator, so_far):
        """Write the first checkpoint, or raise an error that says why that fails."""
        self.estimator = estimator
        if self.call.unfinished is not None:
            self.last = identity(self.path)
            self._clear()
            return
        if not self._is_free():
            self._refuse()
        if self.call.method != "fit":
            return
        try:
            self._write(so_far)
        except FileExistsError:  # another fit was faster
            self._refuse()
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise TypeError(
                f"No checkpoint can be written, as the estimator cannot be: {error}."
            ) from error

    def _write(self, so_far):
        if not self._is_free():
            raise FileExistsError("another fit has taken its place")
        new = self.last is None
        write_checkpoint(self.path, so_far(), new, self.checkpoint.trusted)
        self.last, self.created = identity(self.path), self.created or new
        self.checkpoint._own(self.estimator, self.last)

    def _is_free(self):
        """Whether there is no file, or the one that was written last."""
        return identity(self.path) in {self.last, None}

    def _refuse(self):
        raise FileExistsError(
            f"There is a checkpoint {str(self.path)!r} already, of another fit or of a "
            f"copy of this estimator. Go on by Checkpoint({str(self.path)!r}).resume, "
            "or with what its load() returns, or delete it, or give another path."
        ) from None

    def _clear(self):
        """Remove what is left of checkpoints during which a process was killed."""
        part = re.compile(re.escape(self.path.name) + r"\.[0-9a-f]{8}\.part")
        for left in self.path.parent.iterdir():
            if part.fullmatch(left.name):
                left.unlink(missing_ok=True)

    def offer(self, so_far):
        """Write one, after an epoch, if it is time."""
        self.n_epochs += 1
        if self.call.method == "fit" and self.n_epochs % self.every:
            return
        try:
            self._write(so_far)
            self.n_written += 1
        except Exception as error:  # whatever it is, the fit is worth more
            warn(
                f"The checkpoint {str(self.path)!r} could not be written: {error}. The "
                "fit goes on, and the checkpoint before this one is left."
            )

    def give_up(self):
        """Leave no file of a fit that failed before there was anything to save."""
        if not self.created or self.n_written:
            return
        with suppress(OSError):  # the fit's own error is the one to raise
            if self._is_free():
                self.path.unlink(missing_ok=True)


def without_callbacks(estimator):
    """A shallow copy of an estimator, without what scikit-learn hangs on it.

    And so for those that are in it.
    """
    estimator = copy.copy(estimator).set_callbacks()
    left = vars(estimator)
    for name in TEMPORARY:
        left.pop(name, None)
    left.update((name, stripped(value)) for name, value in list(left.items()))
    return estimator


def stripped(value):
    """The value, if it is an estimator or a list of these without their callbacks."""
    if isinstance(value, list):
        return [stripped(x) for x in value]
    is_one = isinstance(value, CallbackSupportMixin)
    return without_callbacks(value) if is_one else value
