"""The network against finite differences, and against scikit-learn's networks."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit, logsumexp
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skebm.core import network as net
from skebm.core.machine import Params
from skebm.core.sampling import Inference, mean_field
from skebm.core.streams import Purpose, stream

from .machines import NAMESPACES, asarray_of, random_machine

COMBINATIONS = [
    net.Network(net.Softmax(), net.cross_entropy),
    net.Network(net.Sigmoid(), net.cross_entropy),
    net.Network(net.Softmax(), net.squared_error),
    net.Network(net.Sigmoid(), net.squared_error),
    net.Network(net.Identity(), net.squared_error),
]


def name_of(network):
    tied = f"-{type(network.hidden).__name__}-tied" if network.tied else ""
    return f"{type(network.output).__name__}-{network.loss.__name__}{tied}"


def random_params(sizes, rng, asarray=np.asarray):
    weights = tuple(asarray(rng.normal(size=s)) for s in pairwise(sizes))
    return Params(weights, tuple(asarray(0.5 * rng.normal(size=n)) for n in sizes[1:]))


def targets_for(output, n_rows, n_outputs, rng):
    if isinstance(output, net.Softmax):
        return np.eye(n_outputs)[rng.integers(0, n_outputs, n_rows)]
    if isinstance(output, net.Sigmoid):
        return rng.integers(0, 2, (n_rows, n_outputs)).astype(float)
    return rng.normal(size=(n_rows, n_outputs))


def numerical(loss_of, params, step=1e-5):
    """Central differences of a loss by every element of the params."""
    slopes = []
    for group in params:
        for x in group:
            slope = np.zeros_like(x)
            for place in np.ndindex(x.shape):
                kept = x[place]
                x[place] = kept + step
                above = loss_of()
                x[place] = kept - step
                below = loss_of()
                x[place] = kept
                slope[place] = (above - below) / (2 * step)
            slopes.append(slope)
    return slopes


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2), (4, 5, 3, 3)])
@pytest.mark.parametrize("dropout", [(0.0, 0.0), (0.2, 0.0), (0.3, 0.5)])
@pytest.mark.parametrize("network", COMBINATIONS, ids=name_of)
def test_descent_is_minus_the_numerical_gradient(network, dropout, sizes, rng):
    params = random_params(sizes, rng)
    rows, weights = rng.uniform(size=(6, 4)), rng.uniform(size=6)
    y = targets_for(network.output, 6, sizes[-1], rng)

    def computed():
        draws = stream(3, Purpose.NOISE, rows)  # the same masks on every call
        rates = net.Dropout(*dropout)
        return net.descent(network, params, rows, y, weights, rates, draws)

    _, step = computed()
    expected = numerical(lambda: computed()[0], params)
    found = [x for group in step for x in group]
    for x, slope in zip(found, expected, strict=True):
        assert_allclose(-x, slope, atol=1e-6 * max(1.0, np.abs(slope).max()))
    assert max(np.abs(x).max() for x in found) > 1e-3


HIDDEN = list(net.ACTIVATIONS.values())


def kind_name(hidden):
    return "all" if isinstance(hidden, tuple) else type(hidden).__name__


@pytest.mark.parametrize("hidden", [*HIDDEN, tuple(HIDDEN)], ids=kind_name)
@pytest.mark.parametrize("dropout", [(0.0, 0.0), (0.3, 0.5)])
@pytest.mark.parametrize("tied", [False, True])
def test_descent_for_every_kind_of_hidden_layer(hidden, dropout, tied, rng):
    network = net.Network(net.Identity(), net.squared_error, hidden, tied)
    sizes = (4, 5, 3, 4, 5, 6)
    if tied:
        sizes = (4, 5, 3, 5, 4)
        hidden = hidden[:3] if isinstance(hidden, tuple) else hidden
        network = network._replace(hidden=hidden)
    params = random_params(sizes, rng)
    if tied:
        params = Params(params.weights[:2], params.biases)
    rows, weights = rng.normal(size=(6, 4)), rng.uniform(size=6)
    y = rng.normal(size=(6, sizes[-1]))

    def computed():
        draws = stream(3, Purpose.NOISE, rows)
        rates = net.Dropout(*dropout)
        return net.descent(network, params, rows, y, weights, rates, draws)

    _, step = computed()
    expected = numerical(lambda: computed()[0], params, 1e-6)
    found = [x for group in step for x in group]
    for x, slope in zip(found, expected, strict=True):
        assert_allclose(-x, slope, atol=1e-6 * max(1.0, np.abs(slope).max()))
    assert max(np.abs(x).max() for x in found) > 1e-3


@pytest.mark.parametrize("n_rows", [6, 100])
@pytest.mark.parametrize("hidden", HIDDEN, ids=kind_name)
def test_the_gradient_by_the_input_is_the_numerical_one(hidden, n_rows, rng):
    params = random_params((4, 5, 3, 2), rng)
    rows, g = rng.normal(size=(n_rows, 4)), rng.normal(size=(n_rows, 2))

    def value():
        return (net.output_field(params, net.top_layer(params, rows, hidden)) * g).sum()

    layers = net.layers_below(params, rows, hidden)
    _, slope = net.backward(params, layers, g.copy(), hidden)
    expected = np.zeros_like(rows)
    for place in np.ndindex(6, 4):
        kept = rows[place]
        rows[place] = kept + 1e-6
        above = value()
        rows[place] = kept - 1e-6
        expected[place] = (above - value()) / 2e-6
        rows[place] = kept
    found = net.by_input(params, slope)
    assert_allclose(found[:6], expected[:6], atol=1e-6 * np.abs(expected).max())


def with_inputs_beside(sizes, beside, rng):
    """Params where some layers also get values from further columns of the input."""
    W, b = random_params(sizes, rng)
    weights = tuple(
        np.concatenate([x, rng.normal(size=(n, x.shape[1]))])
        for x, n in zip(W, beside, strict=True)
    )
    return Params(weights, b)


BESIDE = [(5, 0, 0), (0, 2, 0), (5, 2, 0), (3, 2, 4)]


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("dropout", [(0.0, 0.0), (0.3, 0.5)])
def test_descent_where_layers_have_inputs_beside(dropout, beside, rng):
    params, network = with_inputs_beside((4, 5, 3, 3), beside, rng), COMBINATIONS[0]
    rows, weights = rng.uniform(size=(6, 4 + sum(beside))), rng.uniform(size=6)
    y = targets_for(network.output, 6, 3, rng)

    def computed():
        draws = stream(3, Purpose.NOISE, rows)
        rates = net.Dropout(*dropout)
        return net.descent(network, params, rows, y, weights, rates, draws)

    _, step = computed()
    expected = numerical(lambda: computed()[0], params)
    for x, slope in zip([x for g in step for x in g], expected, strict=True):
        assert_allclose(-x, slope, atol=1e-6 * max(1.0, np.abs(slope).max()))
        assert np.abs(x).max() > 1e-4


def test_layers_share_out_the_further_columns_from_below(rng):
    params = with_inputs_beside((4, 5, 3, 2, 3), (3, 0, 2, 0), rng)
    rows = rng.uniform(size=(6, 9))
    v, q1, q3 = rows[:, :4], rows[:, 4:7], rows[:, 7:]
    (W1, W2, W3, _), (b1, b2, b3, _) = params
    h = expit(v @ W1[:4] + q1 @ W1[4:] + b1)
    h = expit(h @ W2 + b2)
    top = expit(h @ W3[:3] + q3 @ W3[3:] + b3)
    assert_allclose(net.top_layer(params, rows), top)


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2), (4, 5, 3, 2, 2)])
def test_the_network_of_a_machine_starts_where_mean_field_stands(sizes, rng):
    machine, _ = random_machine(sizes)
    v = rng.uniform(size=(7, 4))
    layers = mean_field(machine, v, Inference(1000, 1e-14)).layers
    hidden = net.unrolled(machine.params)
    sized = Params((*hidden.weights, np.zeros((sizes[-1], 1))), (*hidden.biases, 0.0))
    rows = np.concatenate([v, *layers[2:]], axis=1)
    found = net.layers_below(sized, rows)
    for x, mean in zip(found[1:], layers[1:], strict=True):
        assert_allclose(x[:, : mean.shape[1]], mean, atol=1e-12)
    above = [*layers[2:], np.zeros((7, 0))]
    assert_allclose(found[0], np.concatenate([v, above[0]], axis=1))


@pytest.mark.parametrize("rows", [5, 200])
def test_outputs_are_those_of_scikit_learn(rows, rng):
    X = rng.uniform(size=(200, 4))
    y = rng.integers(0, 3, 200)
    mlp = MLPClassifier((5, 3), activation="logistic", tol=1e9)
    mlp.fit(X, y)
    params = Params(tuple(mlp.coefs_), tuple(mlp.intercepts_))
    top = net.top_layer(params, X[:rows])
    a = net.output_field(params, top)
    assert_allclose(net.Softmax().mean(a), mlp.predict_proba(X[:rows]))
    losses, _ = net.cross_entropy(net.Softmax(), a, np.eye(3)[y[:rows]])
    expected = -mlp.predict_log_proba(X[:rows])[np.arange(rows), y[:rows]]
    assert_allclose(losses, expected)
    other = MLPRegressor(hidden_layer_sizes=(5,), activation="logistic", tol=1e9)
    other.fit(X, y)
    params = Params(tuple(other.coefs_), tuple(other.intercepts_))
    top = net.top_layer(params, X[:rows])
    assert_allclose(net.output_field(params, top)[:, 0], other.predict(X[:rows]))


def test_large_inputs_do_not_overflow():
    a = np.array([[1e4, -1e4, 0.0]])
    one = np.array([[0.0, 1.0, 0.0]])
    with np.errstate(all="raise", under="ignore"):
        assert_allclose(net.Softmax().cross_entropy(a, one), [2e4])
        assert_allclose(net.Softmax().mean(a), [[1.0, 0.0, 0.0]])
        assert_allclose(net.Sigmoid().cross_entropy(a, one), [2e4 + np.log(2)])
    assert_allclose(logsumexp(a) - a @ one.T, [[2e4]])


@pytest.mark.parametrize("output", [net.Softmax(), net.Sigmoid()])
def test_log_mean_is_the_logarithm_of_the_mean(output, rng):
    a = rng.normal(size=(5, 3))
    assert_allclose(output.log_mean(a), np.log(output.mean(a)))
    assert np.isfinite(output.log_mean(np.array([[-1e4, 1e4]]))).all()


def test_dropout_leaves_out_a_share_and_keeps_the_mean(rng):
    x = rng.uniform(size=(400, 500))
    dropped = net.drop(x, 0.3, stream(0, Purpose.NOISE, x))
    share = (dropped == 0.0).mean()
    assert abs(share - 0.3) < 5 * np.sqrt(0.21 / x.size)
    kept = dropped != 0.0
    assert_allclose(dropped[kept], x[kept] / 0.7, rtol=1e-6)
    assert net.drop(x, 0.0, None) is x


TIED = [
    net.Network(net.Sigmoid(), net.cross_entropy, hidden, tied=True)
    for hidden in HIDDEN[:3]
]


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("network", [*COMBINATIONS, *TIED], ids=name_of)
def test_other_namespaces_agree(network, namespace, rng):
    asarray = asarray_of(namespace)
    params = random_params((4, 5, 3), rng)
    if network.tied:
        params = Params(params.weights[:1], (*params.biases[:1], np.zeros(4)))
    rows, weights = rng.uniform(size=(6, 4)), rng.uniform(size=6)
    y = targets_for(network.output, 6, params.biases[-1].shape[0], rng)

    def computed(asarray):
        there = Params(*(tuple(asarray(x) for x in group) for group in params))
        values = [asarray(x) for x in (rows, y, weights)]
        draws = stream(3, Purpose.NOISE, values[0])
        return net.descent(network, there, *values, net.Dropout(0.2, 0.5), draws)

    loss, step = computed(np.asarray)
    other_loss, other_step = computed(asarray)
    assert_allclose(float(other_loss), loss)
    for group, other in zip(step, other_step, strict=True):
        for x, z in zip(group, other, strict=True):
            assert_allclose(np.asarray(z), x, atol=1e-12)
