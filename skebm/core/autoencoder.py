"""Autoencoders: a stack of machines that is unrolled [Hinton & Salakhutdinov 2006].

The network goes up the stack, to the code x_L, and down again to the outputs, by means:

    x_{l+1} = f_{l+1}(x_l W_l + c_l) ,   y_L = x_L ,   y_l = f_l(y_{l+1} V_l + b_l) .

It starts with the V_l that the stack generates with, W_l^T if they are tied, and learns
to give its input, y_0 = x_0.
"""

from .machine import Params
from .network import (
    ACTIVATIONS,
    Dropout,
    Network,
    cross_entropy,
    mirrored,
    output_field,
    outputs,
    top_layer,
)
from .units import require


def check_loss(loss, kind):
    """Raise an error unless this is a loss for visible units of that kind."""
    require(kind, "activation", "An autoencoder")
    if loss is cross_entropy and not hasattr(
        ACTIVATIONS[kind.activation], "cross_entropy"
    ):
        raise ValueError(
            "The cross-entropy is for visible units between 0 and 1, but these are "
            f'{type(kind).__name__} units: set loss="squared".'
        )


def unrolled_network(stack, loss, tied):
    """The network that a stack becomes."""
    machines = (*stack.recognition, stack.top)
    kinds = [machines[0].units[0], *(machine.units[1] for machine in machines)]
    for kind in kinds:
        require(kind, "activation", "An autoencoder")
    output, *hidden = (ACTIVATIONS[kind.activation] for kind in kinds)
    return Network(output, loss, (*hidden, *hidden[-2::-1]), tied)


def unrolled_params(stack, tied):
    """The params that it starts with: of all layers, or tied weights once."""
    up, down = (*stack.recognition, stack.top), (*stack.generative, stack.top)
    weights = [machine.params.weights[0] for machine in up]
    if not tied:
        weights += [machine.params.weights[0].T for machine in reversed(down)]
    biases = [machine.params.biases[1] for machine in up]
    biases += [machine.params.biases[0] for machine in reversed(down)]
    return Params(tuple(weights), tuple(biases))


def spared_code(visible, hidden, n_hidden):
    """Dropout of so many hidden layers but the one in the middle, the code.

    To leave numbers out of a code is no noise that the others could make up for.
    """
    middle = n_hidden // 2
    shares = (0.0 if layer == middle else hidden for layer in range(n_hidden))
    return Dropout(visible, tuple(shares))


def encoder(network, params):
    """The lower half of a network, whose outputs are the code, and its params."""
    half = len(params.biases) // 2
    lower, code = network.hidden[: half - 1], network.hidden[half - 1]
    weights, biases = (group[:half] for group in params)
    return Network(code, network.loss, lower), Params(weights, biases)


def decoder(network, params):
    """The upper half, whose input is the code, and its params."""
    half = len(params.biases) // 2
    params = mirrored(params) if network.tied else params
    weights, biases = (group[half:] for group in params)
    return network._replace(hidden=network.hidden[half:], tied=False), Params(
        weights, biases
    )


def encoded(network, params, rows):
    """The code of rows, (n_rows, n_code)."""
    return outputs(*encoder(network, params), rows)


def decoded(network, params, code):
    """Means of the visible units, (n_rows, n_units), given their code."""
    return outputs(*decoder(network, params), code)


def reconstructed(network, params, rows):
    """Means of the visible units, (n_rows, n_units), given the code of the rows."""
    return decoded(network, params, encoded(network, params, rows))


def losses(network, params, rows):
    """The loss of each row as its own target, (n_rows,)."""
    upper, above = decoder(network, params)
    code = encoded(network, params, rows)
    a = output_field(above, top_layer(above, code, upper.hidden))
    return network.loss(network.output, a, rows)[0]
