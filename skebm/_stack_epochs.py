"""The epochs of a stack as a whole: wake-sleep, or passes of one machine by another."""

import copy
from typing import NamedTuple

from ._fitting import Stage
from ._machine_epochs import longer
from ._stacking import features, told_of_layer
from .core import stack as belief
from .core import wake_sleep
from .core.backend import namespace
from .core.machine import Machine, Params
from .core.monitor import watch
from .core.rows import Encoded, take_rows
from .core.streams import Purpose, stream


class Run(NamedTuple):
    """All that goes from epoch to epoch.

    `generative` are the weights downwards, once wake-sleep has untied them, `history`
    and `n_passes` those of wake-sleep. `n_done` counts the epochs of this fit.
    """

    rbms: list
    generative: list | None = None
    history: dict = {}
    n_passes: int = 0
    n_done: int = 0


def stack_of(rbms, generative_components, dtype):
    """The core's stack, as the fitted attributes are now."""
    *lower, top = (rbm._machine(dtype) for rbm in rbms)
    generative = lower
    if generative_components is not None:
        generative = []
        for machine, components in zip(lower, generative_components, strict=True):
            W = namespace(components).astype(components.T, dtype, copy=False)
            params = Params((W,), machine.params.biases)
            generative.append(Machine(machine.units, params))
    return belief.Stack(tuple(lower), tuple(generative), top)


class StackEpochs(Stage):
    """Epochs of all machines: what wake-sleep and partial_fit have in common."""

    def __init__(self, estimator, rates, run, rows, seed):
        super().__init__(estimator, rates, run)
        self.rows, self.seed = rows, seed

    @property
    def n_done(self):
        """Number of epochs of this fit that are done."""
        return self.run.n_done

    def attributes(self):
        """The fitted attributes, as if the fit ended now."""
        return self.estimator._attributes(self.run, self.seed)


class LayerByLayer(StackEpochs):
    """A pass by each machine, on what the one below makes of the rows after its own."""

    def __init__(self, estimator, rates, run, rows, seed, sample_weight):
        super().__init__(estimator, rates, run, rows, seed)
        self.sample_weight = sample_weight

    def advance(self, rate):
        """The run after one more epoch, at the rates of the machines."""
        # Training replaces the arrays of a machine, and so not those of a copy.
        rbms = [copy.copy(rbm) for rbm in self.run.rbms]
        for index, rbm in enumerate(rbms):
            below = features(rbms[:index], self.rows)
            with told_of_layer(index, len(rbms)):
                rbm._fit_part(below, self.sample_weight, self.fit, "partial_fit")
            if self.fit.interrupted:  # the pass as a whole is undone
                raise KeyboardInterrupt
        return self.run._replace(rbms=rbms, n_done=self.n_done + 1)

    def progress(self):
        """What to print after an epoch."""
        return f"{len(self.run.rbms)} layers"


class WakeSleep(StackEpochs):
    """Contrastive wake-sleep; `weights` are those of the rows, with a mean of 1."""

    def __init__(self, estimator, rates, run, rows, weights, settings):
        super().__init__(estimator, rates, run, rows, settings.seed)
        self.weights, self.settings = weights, settings

    def start(self):
        """Make ready for the epochs, if there are any."""
        if not self.rates:
            return
        array = self.weights
        watched = watch(*self.rows.shape, stream(self.seed, Purpose.MONITOR, array))
        self.watched_rows = take_rows(self.rows, watched.rows, array.dtype)
        self.states = Encoded(self.rows, self.run.rbms[0]._visible_kind())

    def advance(self, rate):
        """The run after one more epoch."""
        run = self.run
        stack = wake_sleep.up_down_epoch(
            stack_of(run.rbms, run.generative, self.weights.dtype),
            self.states,
            self.weights,
            rate,
            run.n_passes,
            self.settings,
        )
        error = belief.reconstruction_error(stack, self.watched_rows)
        n_passes = run.n_passes + 1
        return Run(
            rbms=with_params(run.rbms, stack),
            generative=[machine.params.weights[0].T for machine in stack.generative],
            history=longer(run.history, {"reconstruction_error": error}, n_passes),
            n_passes=n_passes,
            n_done=run.n_done + 1,
        )

    def progress(self):
        """What to print after an epoch."""
        error = self.run.history["reconstruction_error"][-1]
        return f"reconstruction error = {error:.4f}"

    def divergence(self):
        """What to say where the next epoch diverges."""
        return (
            f"{type(self.estimator).__name__} diverged in pass "
            f"{self.run.n_passes + 1} of wake-sleep: its parameters are no longer "
            "finite. Lower up_down_learning_rate "
            f"({self.estimator.up_down_learning_rate:g}), and see that X lies in "
            "[0, 1]."
        )


def with_params(rbms, stack):
    """Copies of the machines with what wake-sleep has made of them.

    The lower ones have the weights upwards, and the visible biases of those downwards.
    """
    rbms = [copy.copy(rbm) for rbm in rbms]
    pairs = zip(rbms[:-1], stack.recognition, stack.generative, strict=True)
    for rbm, upward, downward in pairs:
        biases = (downward.params.biases[0], upward.params.biases[1])
        vars(rbm).update(rbm._from_params(Params(upward.params.weights, biases)))
    vars(rbms[-1]).update(rbms[-1]._from_params(stack.top.params))
    return rbms
