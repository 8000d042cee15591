"""Deep Boltzmann machines from restricted ones, trained layer by layer.

Either the first layer alone is pretrained (:func:`grown`), or all are. Then each
machine of the stack is to do a part of the work of two: a layer in between gets input
from below and from above, but during pretraining from one side alone. So that side
counts twice: the layer that it comes from is a sum of two tied copies, as all are but
the visible layer of the top machine and the hidden one of the lowest [Salakhutdinov &
Hinton 2009, 2012].
"""

from itertools import pairwise

from .machine import ODD, Params, initial_params, inputs, means
from .units import largest_state

# Copies of a layer that stands for itself, and for the one that is not there.
SINGLE, DOUBLE = 1, 2

# Standard deviation of what comes up to the layers above a machine that grows.
NEARLY_NOTHING = 0.1


def copies(n_machines):
    """Copies of the visible and of the hidden layer, for each machine from below.

    The visible layer of the lowest machine is doubled, as its hidden layer will get
    input from above too; the hidden layer of the top machine for the like reason.
    """
    last = n_machines - 1
    return [
        (DOUBLE if index < last else SINGLE, DOUBLE if index > 0 else SINGLE)
        for index in range(n_machines)
    ]


def composed(stack):
    """Params of the deep machine, from those of the machines from below.

    A layer in between has the mean of the biases that it got in two machines, and so
    the mean of the total inputs that these give it.
    """
    biases = [stack[0].biases[0]]
    for below, above in pairwise(stack):
        biases.append(0.5 * (below.biases[1] + above.biases[0]))
    biases.append(stack[-1].biases[1])
    return Params(tuple(params.weights[0] for params in stack), tuple(biases))


def grown(lowest, hidden_mean, units, sizes, stream):
    """Params of a deep machine that is hardly more than the machine `lowest` at first.

    The weights of the layers above, of `sizes`, are so small that their input to the
    hidden units of `lowest`, which have the mean `hidden_mean`, does not matter. So the
    bound begins at the log-likelihood of `lowest`.
    """
    pairs = zip(units[2:], sizes, strict=True)
    means = (hidden_mean, *(kind.resting(n, hidden_mean) for kind, n in pairs))
    above = initial_params(units[1:], means, stream, size=NEARLY_NOTHING)
    down = inputs(above, [None, means[1][None, :]], 0)[0, ...]
    weights, (visible, hidden) = lowest
    return Params(
        (*weights, *above.weights), (visible, hidden - down, *above.biases[1:])
    )


def raised(machines, rows):
    """Hidden probabilities, from machine to machine upwards, of rows of probabilities.

    Every copy of a unit has the same, so a layer's states are the probabilities times
    the number of copies, which is the largest state.
    """
    for machine in machines:
        below, above = map(largest_state, machine.units)
        rows = means(machine, [below * rows, None], ODD)[ODD] / above
    return rows
