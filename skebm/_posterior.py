"""The posterior of a deep machine's hidden units, by mean field."""

from typing import NamedTuple

from sklearn.exceptions import ConvergenceWarning

from ._warnings import warn
from .core.backend import namespace
from .core.sampling import mean_field


class MeanField(NamedTuple):
    """What mean field found for some rows.

    Attributes
    ----------
    layers : list of ndarray of shape (n_samples, n_units)
        Probabilities of the hidden units, layer by layer from below.
    n_iter : int
        Largest number of iterations that a row took.
    change : float
        Largest change of a probability in the last iteration.
    converged : bool
        Whether it was within the tolerance.
    """

    layers: list
    n_iter: int
    change: float
    converged: bool


class Posterior:
    """Layers of the posterior side by side, for one block of rows after the other.

    It remembers the most steps that a row took, and the largest last change.

    Parameters
    ----------
    machine : Machine
        The core's machine.
    chosen : slice
        Which of its layers, where 0 is the visible one.
    rule : Inference
        How far mean field goes.
    """

    def __init__(self, machine, chosen, rule):
        self.machine, self.chosen, self.rule = machine, chosen, rule
        self.n_steps, self.change = 0, 0.0

    def __call__(self, visible):
        found = mean_field(self.machine, visible, self.rule)
        self.n_steps = max(self.n_steps, found.n_steps)
        self.change = max(self.change, found.change)
        return namespace(visible).concat(found.layers[self.chosen], axis=1)

    def warn(self):
        """Warn if mean field did not converge for some of the rows so far."""
        if self.change > self.rule.tol:
            warn(
                f"Mean field did not converge for all rows: after "
                f"{self.rule.max_steps} iterations probabilities still change by "
                f"{self.change:.2g}, and the tolerance is {self.rule.tol:g}. "
                "DBM.mean_field goes further, with more max_iter.",
                ConvergenceWarning,
            )
