"""The epochs of a machine: what goes from one to the next, and is measured of each."""

import math
from typing import NamedTuple

import numpy as np

from ._fitting import Stage
from ._warnings import warn
from .core import monitor, rounds, training
from .core.early_stopping import Progress
from .core.machine import Params
from .core.rows import Spread, rows_together
from .core.streams import Purpose, stream
from .core.verdict import has_left_its_start, shortfall


class Run(NamedTuple):
    """All that goes from epoch to epoch; `first` is their number before this fit.

    Where rows are spread, an epoch has rounds, of which `turn` are done. `chains` are
    those of each part, and `before` are the params that the epoch began with.
    """

    state: training.State
    history: dict
    progress: Progress
    first: int
    turn: int = 0
    chains: tuple = ()
    before: Params | None = None


class MachineEpochs(Stage):
    """Stochastic gradient ascent on the log-likelihood, with early stopping or without.

    `data` are the rows and weights to fit to, `stopping` an
    :class:`skebm.core.early_stopping.EarlyStopping` or None. What the epochs start from
    is a `candidate` for the best, unless it is without any training.
    """

    def __init__(self, estimator, rates, run, data, settings, stopping, candidate):
        super().__init__(estimator, rates, run)
        self.data, self.settings, self.stopping = data, settings, stopping
        self.candidate, self.seen = candidate, data[0]
        draws = stream(settings.seed, Purpose.MONITOR, run.state.params.biases[0])
        n_visible = run.state.params.biases[0].shape[0]
        self.watched = monitor.watch(data[0].shape[0], n_visible, draws)

    @property
    def n_done(self):
        """Number of epochs of this fit that are done."""
        return self.run.state.epoch - self.run.first

    def start(self):
        """See how good the candidate is, unless that was done before."""
        run = self.run
        if self.stopping and self.candidate and run.progress.best is None:
            progress, _ = self.stopping.judge(run.progress, run.state)
            self.run = run._replace(progress=progress)

    def advance(self, rate):
        """The run after one more epoch."""
        before, progress = self.run.state, self.run.progress
        state = training.train_epoch(before, *self.data, rate, self.settings)
        measured = self._measured(before.params, state, rate)
        last = self.run.first + len(self.rates)
        if self.stopping and self.stopping.is_due(progress, state.epoch, last):
            progress, judged = self.stopping.judge(progress, state)
            measured |= judged
        history = longer(self.run.history, measured, state.epoch)
        return self.run._replace(state=state, history=history, progress=progress)

    def _measured(self, before, state, rate):
        """Numbers for the history of an epoch that began with the params `before`."""
        measured = self._watch(state)
        measured["gradient_norm"] = monitor.mean_gradient_norm(
            before, state.params, self._n_steps() * rate * state.units[0].step_scale
        )
        return measured

    def _watch(self, state):
        """What is seen of the rows that are watched, and of the chains."""
        rows, settings = state.rows(self.seen), self.settings
        chains = settings.algorithm.samples(state.chains)
        return monitor.measure(
            state.machine, rows, self.watched, chains, settings.inference
        )

    def is_over(self):
        """Whether enough epochs in a row speak for stopping."""
        return self.run.progress.n_against >= self.estimator.n_iter_no_change

    def early_end(self):
        """What to print where the stage is over before the rates are used up."""
        epoch = self.run.progress.best.epoch
        return f"Stopped early: the parameters of epoch {epoch} are kept."

    def finish(self):
        """The run with its last epoch looked at, wherever it was made to stop."""
        run = self.run
        if self.stopping is not None and run.state.epoch > run.progress.judged:
            progress, judged = self.stopping.judge(run.progress, run.state)
            history = {
                k: [*v[:-1], judged.get(k, v[-1])] for k, v in run.history.items()
            }
            run = run._replace(progress=progress, history=history)
        self._warn_of_shortfall(run.progress.best or run.state)
        return run

    def _warn_of_shortfall(self, state):
        """Warn where the machine to be kept is worse than independent units.

        It may be another likelihood that is trained on, as that of classes, that of a
        part of a deep machine, or one for each length of a document.
        """
        estimator, settings = self.estimator, self.settings
        n_steps, rates = self._n_steps(), self.rates[: self.n_done]
        if (
            settings.objective is not None
            or estimator._kinds_given is not None
            or state.units[0].has_totals
            or not has_left_its_start(rates, n_steps, state.units)
        ):
            return
        found = shortfall(state, *self._judged(), self.watched, settings)
        if found is not None:
            warn(
                f"{type(estimator).__name__} has learnt less than independent "
                "units: rows of X have a mean log-likelihood of at most "
                f"{found.log_likelihood:.4g} nats, and {found.independent:.4g} by the "
                f"means of the columns alone. Lower learning_rate "
                f"({estimator.learning_rate:g}) or momentum ({estimator.momentum:g}), "
                f"or raise n_gibbs_steps ({estimator.n_gibbs_steps})."
            )

    def _n_steps(self):
        """Number of minibatches in an epoch."""
        return -(-rows_together(self.data[0]) // self.settings.batch_size)

    def _judged(self):
        """Rows and weights by which the machine is judged in the end."""
        return self.data

    def attributes(self):
        """The fitted attributes: of the best epoch, if rows were held out."""
        return self.estimator._attributes(self.run, self.settings)

    def progress(self):
        """What to print after an epoch."""
        return in_words(self.run.history)

    def divergence(self):
        """What to say where the next epoch diverges."""
        estimator = self.estimator
        return (
            f"{type(estimator).__name__} diverged in epoch "
            f"{self.run.state.epoch + 1}: its parameters are no longer finite. Lower "
            f"learning_rate ({estimator.learning_rate:g}) or momentum "
            f"({estimator.momentum:g}), and see that X {self.run.state.units[0].ask}."
        )


class SpreadEpochs(MachineEpochs):
    """The same on rows that are spread, in rounds; some rows of all parts are watched.

    Between rounds the fit is saved.
    """

    def __init__(self, estimator, rates, run, data, *others):
        X, weights = data
        super().__init__(estimator, rates, run, (X.sample, weights), *others)
        n_watched = min(X.sample.shape[0], monitor.MAX_ROWS)
        self.watched = self.watched._replace(rows=np.arange(n_watched))
        self.data = data

    def _judged(self):
        """The sample of the rows, each of which counts the same."""
        return self.seen, np.ones(self.seen.shape[0])

    def advance(self, rate):
        """The run after one more epoch."""
        X, settings, run = self.data[0], self.settings, self.run
        before = run.before or run.state.params
        n_turns = rounds.n_turns(X.sizes, settings.batch_size, X.steps_per_round)
        for turn in range(run.turn, n_turns):
            state, n_chains = run.state, rounds.n_chains_of(run.state, settings)
            start = state._replace(chains=None)
            start = rounds.Start(start, settings, rate, turn, n_turns, n_chains)
            share = rounds.one_round(X, start, run.chains)
            state = rounds.after_round(state, share)
            run = Run(state, *run[1:4], turn + 1, share.chains, before)
            if run.turn < n_turns:
                self.run = run
                self.fit.save()
        work = training.epoch_work(X.shape[0], state.chains, settings)
        state = state._replace(epoch=state.epoch + 1, work=state.work + work)
        history = longer(run.history, self._measured(before, state, rate), state.epoch)
        return Run(state, history, *run[2:4], chains=run.chains)


def epochs_of(X):
    """The kind of epochs that are gone through rows such as X."""
    return SpreadEpochs if isinstance(X, Spread) else MachineEpochs


def in_words(history):
    """What was last measured, to be printed."""
    last = {name: values[-1] for name, values in history.items()}
    if "pseudo_log_likelihood" in last:
        words = f"pseudo-likelihood = {last['pseudo_log_likelihood']:.2f}"
    else:
        words = f"reconstruction error = {last['reconstruction_error']:.4f}"
    score = last.get("validation_log_likelihood", math.nan)
    return words if math.isnan(score) else f"{words}, validation score = {score:.2f}"


def longer(history, measured, epoch):
    """The history with one number more for each quantity, NaN where none was taken."""
    empty = [math.nan] * (epoch - 1)
    return {
        name: [*history.get(name, empty), measured.get(name, math.nan)]
        for name in {**history, **measured}
    }


def joined_histories(parts):
    """One history of several, (layer, history) each: NaN where one has no number."""
    names = dict.fromkeys(name for _, history in parts for name in history)
    joined = {"layer": [], **{name: [] for name in names}}
    for layer, history in parts:
        n_epochs = max(map(len, history.values()), default=0)
        joined["layer"] += [layer] * n_epochs
        for name in names:
            joined[name] += history.get(name, [math.nan] * n_epochs)
    return joined
