"""Fits under way: loops of epochs, what they are parts of, what is saved of them.

A fit has parts, or epochs of its own, or both, in this order. Its parts are fits
themselves: those of the layers of a stack, or of the model that a network starts from.
So what goes for the one loop of epochs that is here goes for all that is trained:
callbacks, checkpoints, interruption, divergence, early stopping, lines printed.
"""

import functools
import time
from contextlib import suppress

import numpy as np
from sklearn.base import BaseEstimator, _fit_context

from ._about import AboutMixin
from ._callbacks import CallbackSupportMixin
from ._checkpoint import Checkpoint, without_callbacks
from ._columns import is_frame
from ._nested import NestedParamsMixin
from ._plain import PlainStateMixin
from ._resuming import Call, Unfinished, fingerprint, is_double
from ._validation import record_features, rows_of_user
from ._warnings import warn
from .core.training import Diverged


class Stage:
    """A loop of epochs: what is trained in it, and how. What trains has a subclass.

    `rates` are the learning rates of the epochs. `run` is all that goes from one epoch
    to the next. It is replaced and never changed in place: so an interruption leaves
    the last one, and undoes no more than the epoch under way.
    """

    # The fit that the epochs are of, once it trains them.
    fit = None

    def __init__(self, estimator, rates, run):
        self.estimator, self.rates, self.run = estimator, rates, run

    @property
    def n_done(self):
        """Number of epochs of this fit that are done."""
        raise NotImplementedError

    def start(self):
        """Make ready for the epochs."""

    def advance(self, rate):
        """The run after one more epoch."""
        raise NotImplementedError

    def attributes(self):
        """The fitted attributes, as if the fit ended now."""
        raise NotImplementedError

    def progress(self):
        """What to print after an epoch."""
        raise NotImplementedError

    def divergence(self):
        """What to say where the next epoch diverges."""
        raise NotImplementedError

    def is_over(self):
        """Whether to stop before the rates are used up."""
        return False

    def early_end(self):
        """What to print where the stage is over before the rates are used up."""
        return "Stopped early."

    def finish(self):
        """The run as it is to be kept, once there are no more epochs."""
        return self.run

    def where(self):
        """How far it has come, for users who have interrupted it."""
        if self.n_done == 0:
            return "before the first epoch"
        return f"after {self.n_done} of {len(self.rates)} epochs"


class Fit:
    """One call of fit or partial_fit: a context, in which it is trained.

    Parameters
    ----------
    estimator : Trainable
        What is fitted.
    X, y : array-like
        What callbacks see.
    call : Call
        How the fit comes about.
    seed : int
        Its seed.
    data : tuple of matrices
        Rows, weights and so on, which have to be the same where a fit is resumed.
    n_tasks : int
        Number of tasks that callbacks are told of, parts or epochs.
    names : sequence
        Names, as of classes, which have to be the same too.
    reader : Reader or None
        What has made numbers of the rows, to be kept with the features.
    """

    def __init__(
        self, estimator, X, y, call, *, seed, data, n_tasks, names=(), reader=None
    ):
        self.estimator, self.call, self.seed = estimator, call, seed
        self.reader = reader
        self.seen, self.n_tasks = {"estimator": estimator, "X": X, "y": y}, n_tasks
        self.double = is_double(data[0])
        self.digest = functools.cache(lambda: fingerprint(*data, names=names))
        # A function that makes a copy of the part that is trained now, or None.
        self.parts, self.part_so_far, self.stage = [], None, None
        # Words for where the user interrupted it; whether a callback stopped it.
        self.interrupted, self.stopped, self.writers = None, False, []
        self.features, self.is_written = self._features(), False

    def __enter__(self):
        self._check_resumed()
        self.context = self.estimator._init_callback_context(max_subtasks=self.n_tasks)
        callbacks = getattr(self.estimator, "_skl_callbacks", ())
        if self.call.outer is not None:
            callbacks = ()  # those of the whole are saved
        checkpoints = [x for x in callbacks if isinstance(x, Checkpoint)]
        self.writers = [x._writer(self.estimator, self.call) for x in checkpoints]
        self.context.call_on_fit_task_begin(**self.seen)
        try:
            for writer in self.writers:
                writer.begin(self.estimator, self.so_far)
        except BaseException:
            self.give_up()
            raise
        return self

    def give_up(self):
        """Leave no file of a fit that has failed before there was anything to save."""
        for writer in self.writers:
            writer.give_up()

    def _features(self):
        """Number and names of the features, as they were where a fit is resumed."""
        if self.call.unfinished is not None:
            return self.call.unfinished.features
        found = BaseEstimator()
        record_features(found, self.seen["X"])
        return {**vars(found), "_reader": self.reader}

    def _check_resumed(self):
        unfinished = self.call.unfinished
        if self.call.outer is not None or unfinished is None:
            return
        if unfinished.fingerprint != self.digest():
            raise ValueError(
                "To resume a fit takes the same rows, in the same order and of the "
                "same array library and device, and the same weights and labels as it "
                "began with, but these are others. Give those, or go on with the new "
                "ones by partial_fit of the estimator that load() returns."
            )

    def __exit__(self, kind, error, traceback):
        if isinstance(error, KeyboardInterrupt) and self._has_something():
            # Between the epochs and the end, where nothing has answered it.
            self.interrupted = self.interrupted or self.stage.where()
            if not self.is_written:
                self._write()
            self._tell()
            return True
        if error is not None and not self.is_written:
            self._keep_parts(error)
            self.give_up()
        return False

    def _has_something(self):
        """Whether there is something to keep, and a stage that says what."""
        return self.stage is not None and bool(self.stage.n_done or self.parts)

    def _keep_parts(self, error):
        """Hang what was trained on an exception."""
        if not self.parts or hasattr(error, "parts"):
            return
        with suppress(AttributeError):  # some exceptions take no attributes
            error.parts = self.parts
            error.add_note(
                "What was trained before is not lost: it is the list `parts` of this "
                f"exception.{self.estimator._about_parts}"
            )

    def train_parts(self, parts, train, task_name):
        """Train estimators one after the other, but for those that are; return them.

        `train` takes one that is not, and the list of those before it; it returns what
        to print, or None.
        """
        for index, part in enumerate(parts):
            if part.__sklearn_is_fitted__() and not hasattr(part, "_unfinished"):
                self.parts.append(part)
                continue
            task = self.context.subcontext(task_name=task_name)
            try:
                with task.propagate_callback_context(part):
                    task.call_on_fit_task_begin(**self.seen)
                    words = train(part, self.parts)
                    self.parts.append(part)
                    self.part_so_far = None
                if self.estimator.verbose and words:
                    self.print(words)
                self.stopped = self._stops(task)
            except KeyboardInterrupt:
                if not self.parts:
                    raise
                self.interrupted = self.interrupted or "before its end"
                self.part_so_far = None
            if self.interrupted is not None:
                of = f" {index + 1} of {len(parts)}" if len(parts) > 1 else ""
                self.interrupted = f"in {task_name}{of}, {self.interrupted}"
            if self.has_ended():
                break
        return self.parts

    def _stops(self, task):
        """Tell of the end of a part; whether a callback stops the fit there.

        Layers may make a model so far, which callbacks see. What a network starts from
        is none of its kind.
        """
        shown = (
            (lambda: self.attributes() or None) if task.task_name == "layer" else None
        )
        return bool(
            task.call_on_fit_task_end(**self.seen, reconstruction_attributes=shown)
        )

    def has_ended(self):
        """Whether no further part and no epoch is to be trained."""
        return self.stopped or self.interrupted is not None

    def unless_interrupted(self, function, otherwise):
        """What `function` gives; where it is interrupted, what `otherwise` gives.

        An interruption ends the fit all the same. Without parts to lose, it does so at
        once.
        """
        try:
            return function()
        except KeyboardInterrupt:
            if not self.parts:
                raise
            self.interrupted = "before the first epoch"
            return otherwise()

    def train(self, stage, task_name=None):
        """Train the epochs of a stage; return whether its rates were used up.

        With `task_name`, they are subtasks of a task of that name.
        """
        self.stage, stage.fit = stage, self
        if self.has_ended():
            return False
        try:
            return self._train(stage, task_name)
        except KeyboardInterrupt:
            if stage.n_done == 0 and not self.parts:
                raise
            self.interrupted = stage.where()
            return False
        except Diverged:
            if self.call.going_on and stage.n_done > 0:
                vars(self.estimator).update(stage.attributes())
            raise FloatingPointError(stage.divergence()) from None

    def _train(self, stage, task_name):
        tasks, rates = self.context, stage.rates[stage.n_done :]
        if task_name is None:
            stage.start()
            return self._epochs(rates, tasks)
        tasks = tasks.subcontext(task_name=task_name, max_subtasks=len(rates))
        tasks.call_on_fit_task_begin(**self.seen)
        stage.start()
        used_up = self._epochs(rates, tasks)
        tasks.call_on_fit_task_end(**self.seen)
        return used_up

    def _epochs(self, rates, tasks):
        stage, verbose, begin = self.stage, self.estimator.verbose, time.perf_counter()
        for rate in rates:
            if stage.is_over():
                if verbose:
                    self.print(stage.early_end())
                return False
            task = tasks.subcontext(task_name="epoch")
            task.call_on_fit_task_begin(**self.seen)
            # Overflow is no news where an epoch ends by asking if all is finite.
            with np.errstate(over="ignore", invalid="ignore"):
                stage.run = stage.advance(rate)
            if verbose:
                now = time.perf_counter()
                self.print(
                    f"Iteration {stage.n_done}, {stage.progress()}, "
                    f"time = {now - begin:.2f}s"
                )
                begin = now
            self.save()
            if task.call_on_fit_task_end(
                **self.seen, reconstruction_attributes=self.attributes
            ):
                self.stopped = True
                return False
        return True

    def print(self, words):
        """Print a line, as all estimators do."""
        print(f"[{type(self.estimator).__name__}] {words}", flush=True)

    def save(self):
        """Save what is done, wherever there is a checkpoint, with what is around it."""
        if self.call.outer is not None:
            self.call.outer.save_part(self.so_far)
        for writer in self.writers:
            writer.offer(self.so_far)

    def save_part(self, so_far):
        """The same after an epoch of a part, of which `so_far` makes a copy."""
        self.part_so_far = so_far
        if self.call.method == "fit":
            self.save()

    def so_far(self):
        """A copy of the estimator as if the fit ended now, which can go on."""
        estimator = without_callbacks(self.estimator)
        vars(estimator).pop("_unfinished", None)
        if not self.call.going_on:
            vars(estimator).pop("feature_names_in_", None)  # of a fit before this one
        vars(estimator).update(self.attributes())
        if self.call.method == "fit":
            vars(estimator)["_unfinished"] = Unfinished(
                going_on=self.call.going_on,
                seed=self.seed,
                double=self.double,
                features=self.features,
                fingerprint=self.digest() if self.call.outer is None else None,
                parts=self.all_parts(),
                run=self.stage and self.stage.run,
            )
        return estimator

    def all_parts(self):
        """Copies of the parts, with the one that is under way."""
        last = [] if self.part_so_far is None else [self.part_so_far()]
        return [*map(without_callbacks, self.parts), *last]

    def attributes(self):
        """The fitted attributes, as if the fit ended now; none before there are any."""
        if self.stage is not None:
            found = self.stage.attributes()
        else:
            found = self.estimator._attributes_of_parts(self.all_parts(), self.seed)
        if not found:
            return {}
        return {**self.features, **found}

    def end(self):
        """Write the fitted attributes, and tell who wants to know."""
        try:
            self.stage.run = self.stage.finish()
        except KeyboardInterrupt:
            self.interrupted = self.stage.where()
        self._write()
        self.context.call_on_fit_task_end(**self.seen, reconstruction_attributes={})
        self._tell()

    def _write(self):
        found, left = self.stage.attributes(), vars(self.estimator)
        if not self.call.going_on:
            found = {**self.features, **found}
            left.pop("feature_names_in_", None)  # of a fit before this one
        left.update(found)
        left.pop("_unfinished", None)
        self.is_written = True

    def _tell(self):
        """Tell of an interruption: the fit around this one, or the user."""
        if self.call.outer is not None:
            self.call.outer.interrupted = self.interrupted
        elif self.interrupted is not None:
            warn(
                f"Training interrupted by user {self.interrupted}: what was learnt "
                "until then is kept."
            )


class Trainable(
    PlainStateMixin, AboutMixin, NestedParamsMixin, CallbackSupportMixin, BaseEstimator
):
    """An estimator whose fit can be a part of another, and go on from a checkpoint."""

    # The attribute that has the namespace and device of the model.
    _reference_attribute = "components_"

    # What makes numbers of the rows that users give, or None: then they are numbers.
    _reader = None

    # The epoch whose parameters early stopping kept, of all since training began.
    _kept_epoch = None

    # What there is to know of the parts of a fit that failed, after a space.
    _about_parts = ""

    # What `score_samples` gives, in words.
    _score_name = "log-likelihood (nats)"

    def _train(self, X, y, sample_weight, call):
        """Fit, in the context of a :class:`Fit`. Every estimator has its own."""
        raise NotImplementedError

    def _new_reader(self, X):
        """What makes numbers of rows such as X, or None where they are numbers."""
        return None

    def _as_rows(self, numbers, like=None):
        """What users get for rows of numbers: a table like theirs, and as `like` it."""
        return numbers if self._reader is None else self._reader.rows(numbers, like)

    def _as_filled(self, numbers, X):
        """The table X that a user gave, with its gaps filled by numbers."""
        return numbers if self._reader is None else self._reader.filled(numbers, X)

    def _as_numbers(self, rows, name):
        """Numbers for rows that users give, of which one may serve for all."""
        if rows is None:
            return None
        rows = rows_of_user(self, rows, name)
        if self._reader is None:
            return rows
        if not is_frame(rows):
            rows = np.atleast_2d(np.asarray(rows, dtype=object))
        return self._reader.numbers(rows)

    def _all_layers(self, X):
        """Units of each hidden layer given the rows, (n_samples, n_units), from below.

        This is for estimators of one.
        """
        return [self.transform(X)]

    def _attributes(self, run, *details):
        """Fitted attributes for what a stage has come to, which may add details."""
        raise NotImplementedError

    def _attributes_of_parts(self, parts, seed):
        """Fitted attributes while parts are trained, if the estimator can use them."""
        return {}

    @_fit_context(prefer_skip_nested_validation=False)
    def _fit_part(self, X, sample_weight, outer, method="fit"):
        """Fit as a part of the fit `outer`, or go on with that; or pass over X."""
        call = self._call(outer)
        if method == "partial_fit":
            call = Call(method, self.__sklearn_is_fitted__(), outer)
        return self._train(X, None, sample_weight, call)

    @_fit_context(prefer_skip_nested_validation=False)
    def _resume_fit(self, X, y=None, sample_weight=None):
        """Go on with a fit that was interrupted, from its checkpoint."""
        return self._train(X, y, sample_weight, self._call(None))

    def _call(self, outer):
        unfinished = vars(self).get("_unfinished")
        going_on = unfinished is not None and unfinished.going_on
        return Call("fit", going_on, outer, unfinished)
