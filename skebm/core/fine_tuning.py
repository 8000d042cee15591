"""Training of networks: epochs over minibatches, or L-BFGS over all rows at once.

The loss is the mean over the rows, weighted, plus an L2 penalty of alpha over the
number of rows in a batch (their weights, on average): scikit-learn's convention.
"""

import math
from itertools import islice, repeat
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from .adversarial import descent_of_change
from .backend import like, namespace, to_numpy
from .machine import Params, copy_params
from .network import Dropout, Network, descent, penalty
from .rows import batch_weights, batches_of, blocks, minibatches, take_rows, total
from .streams import Purpose, stream
from .training import Diverged, check_finite


class State(NamedTuple):
    """All that training carries from one epoch to the next.

    `moments` is the optimiser's state.
    """

    params: Params
    moments: object
    epoch: int


class Supervised(NamedTuple):
    """What is descended: the loss of a network's outputs.

    With a positive `radius`, also how much these change where rows are moved by it.
    """

    network: Network
    dropout: Dropout = Dropout()
    radius: float = 0.0

    def descent(self, params, rows, targets, row_weights, draws):
        """The weighted sum of the rows' losses, and minus its gradient."""
        return descent(
            self.network, params, rows, targets, row_weights, self.dropout, draws
        )

    def descent_of_change(self, params, rows, row_weights, draws):
        """The weighted sum of the changes, and minus its gradient."""
        return descent_of_change(
            self.network, params, rows, row_weights, self.radius, draws
        )


class Settings(NamedTuple):
    """What stays the same for the whole of training.

    The `objective` has a `descent`, as :class:`Supervised` has, and a
    `descent_of_change` where rows without targets take part.
    """

    objective: object
    optimiser: object
    batch_size: int
    alpha: float
    shuffle: bool
    seed: int


def with_output(params, output, targets, sample_weight):
    """Params of hidden layers with an output layer above them, which has no weights.

    Its biases fit the targets, (n_rows, n_outputs), without looking at the rows.
    """
    b = params.biases[-1]
    weights = like(np.zeros((b.shape[0], targets.shape[1])), b)
    biases = output.typical(sample_weight @ targets, total(sample_weight))
    biases = namespace(b).astype(biases, b.dtype)
    return Params((*params.weights, weights), (*params.biases, biases))


def mean_decay(alpha, sample_weight, n_batches):
    """The factor of the penalty, where a batch's loss is the mean over its rows."""
    return alpha * n_batches / total(sample_weight)


def copy_of(state):
    """Optimiser state that may be changed in place: Params in named tuples, or None."""
    if isinstance(state, Params):
        return copy_params(state)
    if isinstance(state, tuple):
        return type(state)(*(copy_of(x) for x in state))
    return state


def labelled_batches(X, targets, sample_weight, settings, draws, n_before):
    """Rows, targets and weights of minibatches, in pass after pass without an end.

    Each pass is in new order. If the rows are not shuffled, it goes on where the last
    epoch has ended, after `n_before` batches.
    """
    size, order = settings.batch_size, None
    weights, n_batches = batch_weights(sample_weight, size), -(-X.shape[0] // size)
    skipped = 0 if settings.shuffle else n_before % n_batches
    while True:
        if settings.shuffle:
            order = draws.permutation(X.shape[0])
        batches = batches_of((X, targets), weights, order, size)
        yield from islice(batches, skipped, None)
        skipped = 0


def steps(X, targets, sample_weight, everything, settings, array, epoch):
    """What each step of an epoch descends: a labelled batch, and one of `everything`.

    With `everything`, the epoch is a pass over that; else None stands for its batches,
    and the epoch is a pass over the labelled rows.
    """
    size = settings.batch_size
    draws = stream(settings.seed, Purpose.SHUFFLE, array, epoch)
    n_steps, others = -(-X.shape[0] // size), repeat(None)
    if everything is not None:
        n_rows = everything[0].shape[0]
        order = draws.permutation(n_rows) if settings.shuffle else None
        n_steps, others = -(-n_rows // size), minibatches(*everything, order, size)
    labelled = labelled_batches(
        X, targets, sample_weight, settings, draws, epoch * n_steps
    )
    return n_steps, zip(islice(labelled, n_steps), others, strict=False)


def train_epoch(
    state, X, targets, sample_weight, learning_rate, settings, everything=None
):
    """One pass over the rows; the state after it, and the mean loss on the way.

    `targets` is (n_rows, n_outputs). `everything` may be rows without targets, and
    their weights, that are to have outputs that hardly change: then the pass is over
    these, and the others come as often as it takes. `state` stays as it is.
    """
    params, moments = copy_params(state.params), copy_of(state.moments)
    epoch, array, loss = state.epoch, params.biases[0], 0.0
    draws = stream(settings.seed, Purpose.NOISE, array, epoch)
    objective = settings.objective
    n_batches = -(-X.shape[0] // settings.batch_size)
    decay = mean_decay(settings.alpha, sample_weight, n_batches)
    optimiser = settings.optimiser._replace(weight_decay=decay)
    n_steps, batches = steps(
        X, targets, sample_weight, everything, settings, array, epoch
    )
    for (rows, y, weights), others in batches:
        part, step = objective.descent(params, rows, y, weights, draws)
        loss = loss + part
        if others is not None:
            part, change = objective.descent_of_change(params, *others, draws)
            step, loss = added(step, change), loss + part
        moments = optimiser.update(step, moments, params, learning_rate)
    loss = float(loss) / n_steps + float(penalty(params, decay))
    check_finite(params)
    if not math.isfinite(loss):  # as where the squares of large weights are not
        raise Diverged("the loss is no longer finite")
    return State(params, moments, epoch + 1), loss


def added(step, more):
    """The sum of two gradients, in place of the first."""
    for group, others in zip(step, more, strict=True):
        for x, y in zip(group, others, strict=True):
            x += y
    return step


def flatten(params):
    """All params in one vector of double precision, as SciPy takes them."""
    arrays = (to_numpy(x) for group in params for x in group)
    return np.concatenate([np.ravel(x) for x in arrays]).astype(np.float64)


def unflatten(vector, params):
    """A vector as arrays of the shapes, namespace and dtype of `params`."""
    groups, first = [], 0
    for group in params:
        arrays = []
        for x in group:
            last = first + int(np.prod(x.shape))
            arrays.append(like(vector[first:last].reshape(x.shape), x))
            first = last
        groups.append(tuple(arrays))
    return Params(*groups)


def objective(network, params, X, targets, sample_weight, alpha):
    """The loss over all rows, and minus its gradient, a block of rows at a time."""
    decay = mean_decay(alpha, sample_weight, 1)
    loss, steps = penalty(params, decay), None
    weights = sample_weight / total(sample_weight)
    for block in blocks(X.shape[0]):
        rows, y = (take_rows(x, block, weights.dtype) for x in (X, targets))
        part, step = descent(network, params, rows, y, weights[block])
        loss = loss + part
        steps = step if steps is None else added(steps, step)
    for step, W in zip(steps.weights, params.weights, strict=True):
        step -= decay * W
    return float(loss), steps


def lbfgs(state, X, targets, sample_weight, max_iter, tol, settings, reached):
    """Go down to where the loss is lowest, by L-BFGS; SciPy's report.

    `tol` bounds the largest element of the gradient at the end. After each iteration
    `reached` is called with the state, and the losses up to there.
    """
    evaluated, losses = [], []

    def loss_and_gradient(vector):
        params = unflatten(vector, state.params)
        network = settings.objective.network
        loss, steps = objective(
            network, params, X, targets, sample_weight, settings.alpha
        )
        evaluated.append(loss)
        return loss, -flatten(steps)

    def after_iteration(vector):
        # The last point that is evaluated in an iteration is the one it ends at.
        losses.append(evaluated[-1])
        params = unflatten(vector, state.params)
        check_finite(params)
        reached(State(params, None, state.epoch + len(losses)), losses)

    result = minimize(
        loss_and_gradient,
        flatten(state.params),
        method="L-BFGS-B",
        jac=True,
        callback=after_iteration,
        options={"maxiter": max_iter, "maxfun": 15_000, "gtol": tol},
    )
    check_finite(unflatten(result.x, state.params))
    return result
