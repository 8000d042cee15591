"""The epochs of a variational autoencoder."""

from functools import partial
from typing import NamedTuple

import numpy as np

from ._fitting import Stage
from ._machine_epochs import longer
from .core import fine_tuning, variational
from .core.backend import namespace, placed_like, to_numpy
from .core.early_stopping import weighted_mean
from .core.rows import by_blocks, take_rows, total
from .core.streams import Purpose, stream
from .core.variational_bounds import evidence_bound, importance_bound, shared_noise
from .core.variational_queries import Autoencoder

# Rows that are measured after each epoch, with a class if there are classes; and the
# variance over rows of a latent unit's mean from which on the unit is active [Burda et
# al. 2016].
MEASURED_ROWS, ACTIVE = 500, 0.01

# Share of the epochs of a fit before rows without a class count. From the beginning on
# they may take the classes over, before these have found their place: of digits with 60
# labels, 40 % of the test rows were right, and 84 to 90 % so.
LABELED_FIRST = 0.3

# Draws of the latent units for each row that is held out.
HELD_OUT_DRAWS = 10


class Run(NamedTuple):
    """All that goes from epoch to epoch; `first` is their number before this fit.

    `best` is the state of the highest `score` so far of rows held out.
    """

    state: fine_tuning.State
    history: dict
    first: int
    best: fine_tuning.State | None = None
    best_score: float = float("-inf")
    n_without_gain: int = 0


class Data(NamedTuple):
    """Rows as states, their classes as rows of 0 and 1, and their weights."""

    X: object
    y: object
    weights: object


class VariationalEpochs(Stage):
    """Stochastic gradient ascent on the bound, with early stopping or without.

    `data` are rows to fit to. `held_out`, (rows, weights), are to score, or None.
    `more` are attributes to be written beside those of the run.
    """

    def __init__(self, estimator, rates, run, data, held_out, settings, more):
        super().__init__(estimator, rates, run)
        self.data, self.held_out, self.settings = data, held_out, settings
        self.more = more
        numbers = np.arange(data.X.shape[0])
        if data.y.shape[1] > 0:
            has_class = namespace(data.y).any(data.y > 0.0, axis=1)
            numbers = np.flatnonzero(to_numpy(has_class))
            labelled = total(data.weights[has_class])
            self.labelled_share = labelled / total(data.weights)
        step = max(1, len(numbers) // MEASURED_ROWS)
        self.watched = placed_like(numbers[::step][:MEASURED_ROWS], data.weights)

    @property
    def n_done(self):
        """Number of epochs of this fit that are done."""
        return self.run.state.epoch - self.run.first

    def start(self):
        """Count what was learnt before this fit as a candidate for the best."""
        run = self.run
        if self.held_out is not None and run.first > 0 and run.best is None:
            score = self._score(run.state.params)
            self.run = run._replace(best=run.state, best_score=score)

    def advance(self, rate):
        """The run after one more epoch."""
        run, estimator, X, y, weights = self.run, self.estimator, *self.data
        objective = self.settings.objective
        growth = (run.state.epoch + 1) / (estimator.kl_warmup + 1)
        joined = self.n_done >= int(LABELED_FIRST * len(self.rates))
        joined = joined or objective.log_prior is None
        objective = objective._replace(
            kl_weight=estimator.kl_weight * min(1.0, growth), takes_unlabeled=joined
        )
        settings = self.settings._replace(objective=objective)
        state, loss = fine_tuning.train_epoch(run.state, X, y, weights, rate, settings)
        if not joined:
            loss /= self.labelled_share  # the others are in the mean as zeros
        measured = {"loss": loss, **self._measured(state.params)}
        if self.held_out is not None:
            score = measured["validation_bound"] = self._score(state.params)
            if joined and growth >= 1.0:  # before, the objective is another one
                run = self._judged(run, state, score)
        history = longer(run.history, measured, state.epoch)
        return run._replace(state=state, history=history)

    def _judged(self, run, state, score):
        """The run with the state counted in as a candidate for the best."""
        gained = score > run.best_score + self.estimator.tol
        if score > run.best_score:
            run = run._replace(best=state, best_score=score)
        return run._replace(n_without_gain=0 if gained else run.n_without_gain + 1)

    def _measured(self, params):
        """Divergence from the prior and active latent units, of some of the rows."""
        X, y, weights = self.data
        x, y = (take_rows(part, self.watched, weights.dtype) for part in (X, y))
        model = self.settings.objective.model
        parts = variational.parts_of(model, params)
        posterior, _ = variational.recognised(model, parts, x, y)
        kl = variational.divergence(posterior, variational.prior_means(parts, y))
        xp = namespace(x)
        n_active = xp.sum(xp.astype(xp.var(posterior.mean, axis=0) > ACTIVE, xp.int64))
        return {"kl_divergence": float(xp.mean(kl)), "active_units": int(n_active)}

    def _score(self, params):
        """The bound of the rows held out, by the same draws after each epoch."""
        (X, weights), objective = self.held_out, self.settings.objective
        draws = stream(self.settings.seed, Purpose.VALIDATION, weights)
        n_latent = variational.n_latent(objective.model, params)
        noise = shared_noise(HELD_OUT_DRAWS, n_latent, weights, draws)
        fitted = Autoencoder(objective.model, params, objective.log_prior)
        bound, kl_weight = importance_bound, self.estimator.kl_weight
        if kl_weight != 1.0:
            bound = partial(evidence_bound, kl_weight=kl_weight)
        values = by_blocks(lambda x: fitted.bounds(x, noise, bound), X, weights.dtype)
        return weighted_mean(values, weights)

    def is_over(self):
        """Whether there was no gain for too many epochs."""
        return self.run.n_without_gain >= self.estimator.n_iter_no_change

    def early_end(self):
        """What to print where the stage is over before the rates are used up."""
        return f"Stopped early: the parameters of epoch {self.run.best.epoch} are kept."

    def attributes(self):
        """The fitted attributes: of the best epoch, if rows were held out."""
        return self.estimator._attributes(self.run, self.settings, self.more)

    def progress(self):
        """What to print after an epoch."""
        last = {name: values[-1] for name, values in self.run.history.items()}
        words = f"loss = {last['loss']:.2f}, KL = {last['kl_divergence']:.2f}"
        if self.held_out is None:
            return words
        return f"{words}, validation bound = {last['validation_bound']:.2f}"

    def divergence(self):
        """What to say where the next epoch diverges."""
        estimator = self.estimator
        return (
            f"{type(estimator).__name__} diverged in epoch "
            f"{self.run.state.epoch + 1}: its parameters are no longer finite. Lower "
            f"learning_rate ({estimator.learning_rate:g}), and see that X "
            f"{self.settings.objective.model.visible.ask}."
        )
