"""How the model's side of the gradient is estimated.

An algorithm's `phases` takes a machine, rows of data with their weights, and chains; it
returns stacked layers of data rows and model rows, their weights, which sum to zero,
and the chains for the next batch.
"""

from typing import NamedTuple

from .backend import namespace
from .machine import ODD, draw, means
from .sampling import alternate


class ContrastiveDivergence(NamedTuple):
    """CD-k: the chains start anew at the rows of each batch [Hinton 2002]."""

    n_steps: int

    def phases(self, machine, rows, weights, chains, stream):
        """Stacked layers of data and model rows, weights that sum to zero, chains."""
        positive = means(machine, [rows, None], ODD)
        start = draw(machine, positive, ODD, stream)
        negative = means(machine, alternate(machine, start, self.n_steps, stream), ODD)
        chains = draw(machine, negative, ODD, stream)
        concat = namespace(rows).concat
        layers = [concat(pair) for pair in zip(positive, negative, strict=True)]
        return layers, concat([weights, -weights]), [None, chains[1]]


class PersistentChains(NamedTuple):
    """PCD-k: the chains go on from batch to batch [Tieleman 2008].

    The hidden means that enter the gradient are those given the *new* visible states,
    and the next step starts from a sample of these very means.
    """

    n_steps: int

    def phases(self, machine, rows, weights, chains, stream):
        """Stacked layers of data and model rows, weights that sum to zero, chains."""
        xp = namespace(rows)
        model = alternate(machine, chains, self.n_steps, stream)
        layers = means(machine, [xp.concat([rows, model[0]]), None], ODD)
        n_rows, n_chains = rows.shape[0], model[0].shape[0]
        fresh = [x[n_rows:, ...] for x in layers]
        chains = draw(machine, fresh, ODD, stream)
        against = xp.broadcast_to(xp.sum(weights) * (-1.0 / n_chains), (n_chains,))
        return layers, xp.concat([weights, against]), chains
