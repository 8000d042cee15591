"""A machine of two layers whose last visible units are those of a class.

The visible layer is (x, y): the features, and a unit for each class, of which that of
the row's class is 1. A row without a label has zeros there. With y summed out, which
takes a term for each class, all of this is exact [Larochelle & Bengio 2008]:

    log p(x, k) = b x + log_base(x) + d_k + log_partition(c + x W + U_k) - log Z
    p(k | x) = softmax_k(d_k + log_partition(c + x W + U_k))
"""

from typing import NamedTuple

import numpy as np

from .backend import device_of, log_softmax, namespace, softmax, zeros
from .categorical import Categorical
from .early_stopping import weighted_mean
from .machine import EVEN, ODD, Params
from .mixed import SideBySide
from .rows import Encoded, by_blocks
from .units import Bernoulli, log_partition_change

# The total input of a hidden unit that is switched off: far below what turns it on.
SWITCHED_OFF = -1e4


def class_units(n_features, n_classes):
    """Kinds of units of the two layers. A row has the number of its class last."""
    columns = np.arange(n_features), np.array([n_features])
    return SideBySide((Bernoulli(), Categorical([n_classes])), columns), Bernoulli()


class Joint(NamedTuple):
    """Parameters of the features, (W, b), of the classes, (U, d), and of hidden units.

    `hidden` is the kind of these, and `c` are their biases.
    """

    W: object
    U: object
    b: object
    d: object
    c: object
    hidden: object


def joint(machine, n_classes):
    """The parameters of a machine, part by part: views."""
    W, (b, c) = machine.params.weights[0], machine.params.biases
    n = b.shape[0] - n_classes
    return Joint(W[:n, :], W[n:, :], b[:n], b[n:], c, machine.units[ODD])


def class_inputs(parts, inputs):
    """log p(x, k) but for what is the same for all k, (n_rows, n_classes).

    `inputs` are those of the hidden units without a class, c + x W. What is taken off
    is that of a row without any class.
    """
    none = zeros((inputs.shape[0], parts.U.shape[0]), inputs)
    return parts.d + log_partition_change(parts.hidden, inputs, none, parts.U)


def class_fields(machine, x, n_classes):
    """The same from the features, (n_rows, n_features)."""
    parts = joint(machine, n_classes)
    return class_inputs(parts, x @ parts.W + parts.c)


def of_class(values, numbers):
    """Of values (n_rows, n_classes) those of the class of each row, (n_rows,)."""
    xp = namespace(values)
    classes = xp.arange(values.shape[1], device=device_of(values))
    chosen = classes == numbers[:, None]
    return xp.sum(xp.where(chosen, values, xp.zeros_like(values)), axis=1)


def log_joint(machine, x, n_classes):
    """log p(x, k) + log Z, (n_rows, n_classes)."""
    parts, kind = joint(machine, n_classes), machine.units[EVEN].kinds[0]
    inputs = x @ parts.W + parts.c
    of_x = x @ parts.b + kind.log_base(x) + parts.hidden.log_partition(inputs)
    return of_x[:, None] + class_inputs(parts, inputs)


def by_class(parts, inputs):
    """E[h | x, k] for each class in turn, (n_rows, n_hidden).

    All of them at once would be a large array.
    """
    for k in range(parts.U.shape[0]):
        yield parts.hidden.mean(inputs + parts.U[k, :])


def expected_hidden(machine, x, n_classes):
    """E[h | x], the class summed out, (n_rows, n_hidden)."""
    parts = joint(machine, n_classes)
    inputs = x @ parts.W + parts.c
    p = softmax(class_inputs(parts, inputs))
    return sum(p[:, k, None] * h for k, h in enumerate(by_class(parts, inputs)))


def pulled(parts, inputs, q, joined, errors, kept):
    """Sums of E[h | x, k]: expected by `q`, by `errors`, and over the rows.

    The first two are over k, (n_rows, n_hidden), the last (n_classes, n_hidden) by the
    shares `joined` and `errors`. For the latter, the means are multiplied by `kept`.
    """
    expected, pulls = zeros(inputs.shape, inputs), zeros(inputs.shape, inputs)
    class_pulls = []
    for k, mean in enumerate(by_class(parts, inputs)):
        expected += q[:, k, None] * mean
        of_class = joined[:, k] @ mean
        if kept is not None:
            mean *= kept
        class_pulls.append(of_class + errors[:, k] @ mean)
        mean *= errors[:, k, None]
        pulls += mean
    return expected, pulls, namespace(inputs).stack(class_pulls)


def with_classes_drawn(machine, rows, n_classes, stream):
    """Visible rows whose classes, of which they have the probabilities, are drawn."""
    n_features = rows.shape[1] - n_classes
    x, p = rows[:, :n_features], rows[:, n_features:]
    y = machine.units[EVEN].kinds[1].sample(p, stream)
    return namespace(rows).concat([x, y], axis=1)


class ClassPhases(NamedTuple):
    """Both phases of a batch, where each row of data counts for some of the classes.

    `up` are the layers of data rows, of which the class and the hidden units are what
    is expected, and of model rows below them. `shares` (n_rows, n_classes) are the
    weights of (x, k) and E[h | x, k] in the gradient, `pulls` (n_rows, n_hidden) the
    sums of these over k, and `class_pulls` (n_classes, n_hidden) over the rows.
    `against` are the weights of model rows.
    """

    up: list
    chains: object
    shares: object
    pulls: object
    class_pulls: object
    against: object

    def gradient(self, layers, offsets):
        """Centred gradient: as :func:`skebm.core.machine.gradient` of all (x, k).

        The features of a row are the same for all k, so that one product serves them.
        """
        xp, n = namespace(self.pulls), self.pulls.shape[0]
        n_features = layers[EVEN].shape[1] - self.shares.shape[1]
        at_x, at_y = offsets[EVEN][:n_features], offsets[EVEN][n_features:]
        at_h, mass = offsets[ODD], xp.sum(self.shares, axis=1)
        x = layers[EVEN][:, :n_features] - at_x
        y = layers[EVEN][n:, n_features:] - at_y
        dreamt = self.against[:, None] * (layers[ODD][n:, :] - at_h)
        h = xp.concat([self.pulls - mass[:, None] * at_h, dreamt])
        by_class = xp.sum(self.shares, axis=0)
        pulls = self.class_pulls - by_class[:, None] * at_h
        U = pulls - at_y[:, None] * xp.sum(pulls, axis=0) + y.T @ dreamt
        d = by_class - at_y * xp.sum(mass) + self.against @ y - U @ at_h
        b = (xp.concat([mass, self.against]) - h @ at_h) @ x
        c = (1.0 - x @ at_x) @ h - at_y @ U
        return Params((xp.concat([x.T @ h, U]),), (xp.concat([b, d]), c))


class ClassObjective(NamedTuple):
    """What is maximised: a weighted sum of log-probabilities.

        sum_i w_i (discriminative log p(y_i | x_i) + generative log p(x_i, y_i))

    Rows without a class have log p(x_i) in the place of the latter, and nothing in that
    of the former. The discriminative gradient is exact; the other one has chains.

    With `dropout`, each row is classified by the hidden units that are left when this
    share of them is dropped, whose part in log p(k | x) counts for that of all.
    """

    n_classes: int
    generative: float
    discriminative: float
    dropout: float = 0.0

    def phases(self, algorithm, machine, rows, weights, chains, stream, inference):
        """The phases of one batch."""
        xp, parts = namespace(rows), joint(machine, self.n_classes)
        n_features, w = parts.b.shape[0], weights[:, None]
        x, y = rows[:, :n_features], rows[:, n_features:]
        inputs = x @ parts.W + parts.c
        known, fields = has_class(y), class_inputs(parts, inputs)
        q, kept = xp.where(known, y, softmax(fields)), None
        if self.dropout > 0.0:
            kept, fields = self._dropped_out(parts, inputs, stream)
        errors = self.discriminative * w * xp.where(known, y - softmax(fields), 0.0)
        joined = self.generative * w * q
        expected, pulls, class_pulls = pulled(parts, inputs, q, joined, errors, kept)
        pulls += self.generative * w * expected
        up, against = [xp.concat([x, q], axis=1), expected], weights[:0]
        if self.generative > 0.0:
            dreamt, against, chains = self._dreamt(
                algorithm, machine, up, weights, chains, stream, inference
            )
            up = [xp.concat(pair) for pair in zip(up, dreamt, strict=True)]
        return ClassPhases(up, chains, joined + errors, pulls, class_pulls, against)

    def _dropped_out(self, parts, inputs, stream):
        """What the hidden means are multiplied by, and log p(x, k) of those left."""
        xp, left = namespace(inputs), 1.0 - self.dropout
        kept = stream.uniform(inputs.shape) >= self.dropout
        of_kept = class_inputs(parts, xp.where(kept, inputs, SWITCHED_OFF)) - parts.d
        return xp.astype(kept, inputs.dtype) / left, parts.d + of_kept / left

    def _dreamt(self, algorithm, machine, up, weights, chains, stream, inference):
        """Layers and weights of model rows, and the chains after them."""
        rows = up[EVEN]
        if algorithm.starts_at_rows:
            rows = with_classes_drawn(machine, rows, self.n_classes, stream)
        else:
            rows = rows[:0, :]
        found = algorithm.phases(machine, rows, weights, chains, stream, inference)
        dreamt = [layer[rows.shape[0] :, :] for layer in found.up]
        against = found.weights[weights.shape[0] :]
        return dreamt, self.generative * against, found.chains


def with_classes_expected(machine, rows, n_classes):
    """Visible rows with p(k | x) where they have no class."""
    xp, n_features = namespace(rows), rows.shape[1] - n_classes
    x, y = rows[:, :n_features], rows[:, n_features:]
    p = softmax(class_fields(machine, x, n_classes))
    return xp.concat([x, xp.where(has_class(y), y, p)], axis=1)


def has_class(y):
    """Which rows have a class, (n_rows, 1)."""
    return namespace(y).sum(y, axis=1)[:, None] > 0.0


def class_scores(machine, X, n_classes, dtype):
    """For each visible row of X whether its class is the likeliest, and its log p.

    They are (n_rows, 2), and mean nothing for rows without a class.
    """

    def scores(rows):
        xp, n_features = namespace(rows), rows.shape[1] - n_classes
        y = rows[:, n_features:]
        fields = class_fields(machine, rows[:, :n_features], n_classes)
        right = xp.argmax(fields, axis=1) == xp.argmax(y, axis=1)
        log_p = xp.sum(y * log_softmax(fields), axis=1)
        return xp.stack([xp.astype(right, rows.dtype), log_p], axis=1)

    return by_blocks(scores, X, dtype)


class ClassStopping(NamedTuple):
    """Early stopping by the share of rows held out whose class is the likeliest one.

    `held_out` are (rows, weights). A gain is one of more than `tol`.
    """

    held_out: tuple
    n_classes: int
    tol: float

    def is_due(self, progress, epoch, last):
        """Whether to look at this epoch: at each."""
        return True

    def judge(self, progress, state):
        """Progress with the state counted in, and numbers for the history."""
        X, weights = self.held_out
        rows = Encoded(X, state.units[0])
        scores = class_scores(state.machine, rows, self.n_classes, weights.dtype)
        accuracy, log_p = (weighted_mean(scores[:, i], weights) for i in (0, 1))
        against = progress.is_no_gain(accuracy, self.tol)
        progress = progress.counted(state, accuracy, against)
        measured = {"validation_accuracy": accuracy, "validation_log_proba": log_p}
        return progress, measured
