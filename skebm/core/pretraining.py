"""Deep Boltzmann machines from restricted ones, trained layer by layer.

Each machine of the stack is to do a part of the work of two: a layer in between gets
input from below and from above, but during pretraining from one side alone. So that
side counts twice: the layer that it comes from is a sum of two tied copies, as all are
but the visible layer of the top machine and the hidden one of the lowest
[Salakhutdinov & Hinton 2009, 2012].
"""

from itertools import pairwise

from .machine import Params
from .units import tied

# Copies of a layer that stands for itself, and for the one that is not there.
SINGLE, DOUBLE = 1, 2


def doubled(units):
    """Kinds of the visible and of the hidden layer, for each machine from below.

    The visible layer of the lowest machine is doubled, as its hidden layer will get
    input from above too; the hidden layer of the top machine for the like reason.
    """
    last = len(units) - 2
    return [
        (
            tied(below, DOUBLE if index < last else SINGLE),
            tied(above, DOUBLE if index > 0 else SINGLE),
        )
        for index, (below, above) in enumerate(pairwise(units))
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
