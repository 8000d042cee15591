"""The epochs of a machine for ratings."""

import math
from typing import NamedTuple

from ._fitting import Stage
from ._machine_epochs import longer
from .core import rating_training


class Run(NamedTuple):
    """All that goes from epoch to epoch; `first` is their number before this fit.

    `best` is the state of the least `error` of held-out ratings so far.
    """

    state: rating_training.State
    history: dict
    first: int
    best: rating_training.State | None = None
    error: float = math.inf
    n_without_gain: int = 0


class RatingEpochs(Stage):
    """Ascent on the pseudo-log-likelihood, with early stopping or without.

    `data` are rows and weights to fit to, `held_out` what is to be predicted from
    these, or None, and `values` the ratings.
    """

    def __init__(self, estimator, rates, run, data, held_out, settings, values):
        super().__init__(estimator, rates, run)
        self.data, self.held_out = data, held_out
        self.settings, self.values = settings, values

    @property
    def n_done(self):
        """Number of epochs of this fit that are done."""
        return self.run.state.epoch - self.run.first

    def start(self):
        """Count what was learnt before this fit as a candidate for the best."""
        run = self.run
        if self.held_out is not None and run.first > 0 and run.best is None:
            error, _ = self._judged(run.state)
            self.run = run._replace(best=run.state, error=error)

    def _judged(self, state):
        return rating_training.error_of(
            state.params, self.values, self.data[0], self.held_out
        )

    def advance(self, rate):
        """The run after one more epoch."""
        run = self.run
        state, score = rating_training.train_epoch(
            run.state, *self.data, rate, self.settings
        )
        measured = {"pseudo_log_likelihood": score}
        run = run._replace(state=state)
        if self.held_out is not None:
            error, log_p = self._judged(state)
            measured["validation_rmse"] = error
            measured["validation_log_likelihood"] = log_p
            gained = error < run.error - self.estimator.tol
            run = run._replace(n_without_gain=0 if gained else run.n_without_gain + 1)
            if error < run.error:
                run = run._replace(best=state, error=error)
        return run._replace(history=longer(run.history, measured, state.epoch))

    def is_over(self):
        """Whether there was no gain for too many epochs."""
        return self.run.n_without_gain >= self.estimator.n_iter_no_change

    def early_end(self):
        """What to print where the stage is over before the rates are used up."""
        epoch = self.run.best.epoch
        return f"Stopped early: the parameters of epoch {epoch} are kept."

    def attributes(self):
        """The fitted attributes: of the best epoch, if ratings were held out."""
        return self.estimator._attributes(self.run, self.settings, self.values)

    def progress(self):
        """What to print after an epoch."""
        last = {name: values[-1] for name, values in self.run.history.items()}
        words = f"pseudo-likelihood = {last['pseudo_log_likelihood']:.4f}"
        if self.held_out is None:
            return words
        return f"{words}, validation RMSE = {last['validation_rmse']:.4f}"

    def divergence(self):
        """What to say where the next epoch diverges."""
        estimator = self.estimator
        return (
            f"{type(estimator).__name__} diverged in epoch "
            f"{self.run.state.epoch + 1}: its parameters are no longer finite. Lower "
            f"learning_rate ({estimator.learning_rate:g}) or momentum "
            f"({estimator.momentum:g})."
        )
