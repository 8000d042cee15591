"""The epochs of fine-tuning: by minibatches, or by L-BFGS over all rows at once."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ._fitting import Stage
from .core import fine_tuning
from .core.network import Network


class Targets(NamedTuple):
    """What is learnt, besides the rows.

    `score` takes the network, its params, and rows to score with what goes with them.
    `attributes` are written after the fit, and `ask` ends the advice where training
    diverges. `strata` are what a split keeps the shares of, or None.

    The others are what an estimator makes of y, for the labelled rows alone: `values`
    (n_rows, n_outputs) are what the network learns, `row_weights` those of classes.
    What was taken off the values, `offset`, is added to the biases of the outputs.
    """

    score: Callable
    attributes: dict
    least_held_out: int = 1
    strata: np.ndarray | None = None
    ask: str = ""
    network: Network | None = None
    values: np.ndarray | None = None
    row_weights: np.ndarray | None = None
    offset: np.ndarray | None = None


class Rows(NamedTuple):
    """Which rows the epochs take, with what goes with them, weights last.

    `data` are those to fit to and `held_out`, if there are any, those to score, both
    with their targets. `everything` are all rows, where those without targets count as
    well, or None.
    """

    data: tuple
    held_out: tuple | None = None
    everything: tuple | None = None


class Run(NamedTuple):
    """All that goes from epoch to epoch; `first` is their number before this fit.

    `best` is the state of the highest `merit` so far, of rows held out or of the loss.
    `failure` says why L-BFGS has not converged.
    """

    state: fine_tuning.State
    losses: list
    scores: list
    first: int
    best: fine_tuning.State | None = None
    best_merit: float = -math.inf
    n_without_gain: int = 0
    failure: str | None = None


class NetworkEpochs(Stage):
    """What both ways have in common.

    `rows` are :class:`Rows`, and `model` is what the network began with.
    """

    def __init__(self, estimator, rates, run, rows, settings, targets, model):
        super().__init__(estimator, rates, run)
        self.data, self.held_out, self.everything = rows
        self.settings, self.targets, self.model = settings, targets, model

    @property
    def n_done(self):
        """Number of epochs of this fit that are done."""
        return self.run.state.epoch - self.run.first

    def attributes(self):
        """The fitted attributes: of the best epoch, if rows were held out."""
        state = self.run.best if self.held_out and self.run.best else self.run.state
        return self.estimator._attributes(
            self.run, state, self.model, self.targets, self.settings.seed
        )

    def divergence(self):
        """What to say where the next epoch diverges."""
        return (
            f"{type(self.estimator).__name__} diverged in epoch "
            f"{self.run.state.epoch + 1} of fine-tuning: its parameters are no longer "
            f"finite. To mend it, {self.remedy()}see that X "
            f"{self.model._visible_kind().ask}{self.targets.ask}."
        )

    def remedy(self):
        """What to lower where training diverges, up to the next item."""
        return ""


class Descent(NetworkEpochs):
    """Stochastic gradient descent, with early stopping or without."""

    def start(self):
        """Count what was learnt before this fit as a candidate for the best."""
        run = self.run
        if self.held_out is not None and run.first > 0 and run.best is None:
            merit = self._score(run.state)
            self.run = run._replace(best=run.state, best_merit=merit)

    def _score(self, state):
        """The score of the rows held out."""
        network = self.settings.objective.network
        return self.targets.score(network, state.params, *self.held_out)

    def advance(self, rate):
        """The run after one more epoch."""
        before, losses, scores = self.run.state, self.run.losses, self.run.scores
        best, best_merit = self.run.best, self.run.best_merit
        state, loss = fine_tuning.train_epoch(
            before, *self.data, rate, self.settings, self.everything
        )
        merit = -loss
        if self.held_out is not None:
            merit = self._score(state)
            scores = [*scores, merit]
        gained = merit > best_merit + self.estimator.tol
        if merit > best_merit:
            best, best_merit = state, merit
        return self.run._replace(
            state=state,
            losses=[*losses, loss],
            scores=scores,
            best=best,
            best_merit=best_merit,
            n_without_gain=0 if gained else self.run.n_without_gain + 1,
        )

    def is_over(self):
        """Whether there was no gain for too many epochs."""
        return self.run.n_without_gain >= self.estimator.n_iter_no_change

    def early_end(self):
        """What to print where the stage is over before the rates are used up."""
        return f"Stopped early: no gain in {self.run.n_without_gain} epochs."

    def progress(self):
        """What to print after an epoch."""
        words = f"loss = {self.run.losses[-1]:.6f}"
        if self.held_out is None:
            return words
        return f"{words}, validation score = {self.run.scores[-1]:.4f}"

    def remedy(self):
        """What to lower where training diverges, up to the next item."""
        return f"lower learning_rate_init ({self.estimator.learning_rate_init:g}), and "


class Minimisation(NetworkEpochs):
    """L-BFGS: all its iterations are one epoch, of which an interruption ends some."""

    def advance(self, rate):
        """The run after the minimisation."""
        estimator, before = self.estimator, self.run

        def reached(state, losses):
            self.run = before._replace(state=state, losses=[*before.losses, *losses])

        report = fine_tuning.lbfgs(
            before.state,
            *self.data,
            estimator.max_iter,
            estimator.tol,
            self.settings,
            reached,
        )
        if report.success:
            return self.run
        return self.run._replace(failure=report.message)

    def progress(self):
        """What to print at the end."""
        return f"loss = {self.run.losses[-1]:.6f}" if self.run.losses else "no step"

    def where(self):
        """How far it has come, for users who have interrupted it."""
        return f"after {self.n_done} iterations of L-BFGS"
