"""Training on a device that is far away: no batch waits for a value to be read."""

from contextlib import contextmanager

import numpy as np
import pytest
from sklearn import clone, config_context

from skebm import (
    DBM,
    VAE,
    BernoulliRBM,
    ConditionalVAE,
    DBMClassifier,
    DBNClassifier,
    DBNRegressor,
    DeepAutoencoder,
    GaussianRBM,
    RBMClassifier,
)
from skebm.core import training

xp = pytest.importorskip("array_api_strict")
pytest.importorskip("scipy", "1.14")

# What makes a value of an array known to Python: its own methods, and functions whose
# result has a shape that depends on values.
READS = ("__bool__", "__float__", "__int__", "__index__", "__complex__", "__array__")


@contextmanager
def counted_reads(monkeypatch):
    """A list that gets an entry for each time that a value is read."""
    reads, kind = [], type(xp.zeros(1))

    def counted(name, method):
        def call(self, *args, **kwargs):
            reads.append(name)
            return method(self, *args, **kwargs)

        return call

    def indexed(self, key, get=kind.__getitem__):
        keys = key if isinstance(key, tuple) else (key,)
        if any(isinstance(k, kind) and k.dtype == xp.bool for k in keys):
            reads.append("mask")
        return get(self, key)

    with monkeypatch.context() as patch:
        for name in READS:
            patch.setattr(kind, name, counted(name, getattr(kind, name)))
        patch.setattr(kind, "to_device", counted("to_device", kind.to_device))
        patch.setattr(kind, "__getitem__", indexed)
        patch.setattr(xp, "nonzero", counted("nonzero", xp.nonzero))
        asarray = xp.asarray

        def converted(x, *args, device=None, **kwargs):
            if isinstance(x, kind) and device is not None and device != x.device:
                reads.append("asarray")
            return asarray(x, *args, device=device, **kwargs)

        patch.setattr(xp, "asarray", converted)
        yield reads


def n_reads(estimator, batch_size, monkeypatch, n_labelled=80):
    """How often a fit of one epoch, in batches of so many of 80 rows, reads a value.

    The label of the others is -1.
    """
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (80, 6)).astype("float32")
    device = xp.Device("device1")
    y = X.sum(axis=1).astype(int) % 3
    y[n_labelled:] = -1
    y = xp.asarray(y, device=device)
    X = xp.asarray(X, device=device)
    model = clone(estimator).set_params(batch_size=batch_size, random_state=0)
    with config_context(array_api_dispatch=True), counted_reads(monkeypatch) as reads:
        model.fit(X, y)
    return len(reads)


ONE = {"n_chains": 10, "n_iter": 1}
VARIATIONAL = {"hidden_layer_sizes": (4,), "n_iter": 1}
TUNED = {"max_iter": 1}
DEEP = DBM((4, 3), rbm=BernoulliRBM(batch_size=10, n_iter=1), batch_size=10, n_iter=1)
STACK = {"hidden_layer_sizes": (4, 3), "rbm": DEEP.rbm}


@pytest.mark.filterwarnings("ignore:Fine-tuning did not converge")
@pytest.mark.parametrize(
    "estimator",
    [
        BernoulliRBM(4, **ONE),
        BernoulliRBM(4, algorithm="cd", **ONE),
        BernoulliRBM(4, algorithm="pt", **ONE),
        BernoulliRBM(4, sparsity_target=0.1, sparsity_cost=0.1, max_norm=1.0, **ONE),
        BernoulliRBM(4, sample_inputs=True, momentum=0.5, l1_decay=0.01, **ONE),
        GaussianRBM(4, **ONE),
        DBM((4, 3), rbm=DEEP.rbm, **ONE),
        DBM((4, 3), rbm=DEEP.rbm, algorithm="pt", **ONE),
        RBMClassifier(4, **ONE),
        RBMClassifier(4, algorithm="cd", unlabeled=2, dropout=0.2, **ONE),
        VAE(2, **VARIATIONAL),
        VAE(2, decoder="gaussian", n_importance_samples=2, **VARIATIONAL),
        ConditionalVAE(2, label_inputs=True, **VARIATIONAL),
        DBNClassifier(**STACK, **TUNED),
        DBNClassifier(dropout=0.2, **STACK, **TUNED),
        DBNRegressor(solver="sgd", **STACK, **TUNED),
        DBMClassifier((4, 3), dbm=DBM(rbm=DEEP.rbm, batch_size=10, n_iter=1), **TUNED),
        DeepAutoencoder(**STACK, **TUNED),
    ],
    ids=str,
)
def test_reads_do_not_grow_with_the_number_of_batches(estimator, monkeypatch):
    few, many = (n_reads(estimator, size, monkeypatch) for size in (20, 10))
    assert many == few > 0


@pytest.mark.filterwarnings("ignore:Fine-tuning did not converge")
@pytest.mark.parametrize("n_labelled", [10, 50])
def test_passes_over_the_labelled_rows_read_nothing(n_labelled, monkeypatch):
    """There are more of them in an epoch where the batches of all rows are more."""
    model = DBNClassifier(adversarial_radius=0.1, unlabeled=-1, **STACK, **TUNED)
    few, many = (n_reads(model, n, monkeypatch, n_labelled) for n in (20, 10))
    assert many == few > 0


def test_a_loop_that_reads_is_found(monkeypatch):
    follow_means = training.follow_means

    def reading(means, layers, weights):
        float(weights[0])
        return follow_means(means, layers, weights)

    monkeypatch.setattr(training, "follow_means", reading)
    few, many = (
        n_reads(BernoulliRBM(4, **ONE), size, monkeypatch) for size in (20, 10)
    )
    assert many == few + 4


@pytest.mark.parametrize("function", ["nonzero", "mask", "asarray", "to_device"])
def test_what_depends_on_values_is_counted(function, monkeypatch):
    x = xp.asarray([0.0, 1.0], device=xp.Device("device1"))
    host = xp.Device("CPU_DEVICE")
    with counted_reads(monkeypatch) as reads:
        if function == "nonzero":
            xp.nonzero(x)
        elif function == "mask":
            x[x > 0.5]
        elif function == "asarray":
            xp.asarray(x, device=host)
        else:
            x.to_device(host)
    assert reads == [function]
