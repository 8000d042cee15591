"""RBMClassifier, and classes beside the features, against sums over all states."""

import copy
import itertools
import math
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import logsumexp
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skebm import RBMClassifier
from skebm.core import algorithms, classes
from skebm.core.algorithms import Phases
from skebm.core.machine import Machine, Params, gradient
from skebm.core.rows import take_rows
from skebm.core.sampling import USUAL
from skebm.core.streams import Purpose, stream
from skebm.rbm_classifier import NO_CLASS

from .enumeration import energy
from .machines import NAMESPACES, asarray_of, standard_errors

N_FEATURES, N_CLASSES, N_HIDDEN = 4, 3, 3


class Oracle:
    """All states (x, k, h) of a small machine, by its energies."""

    def __init__(self, W, visible, hidden):
        self.n_classes = N_CLASSES
        n, n_hidden = len(visible) - N_CLASSES, len(hidden)
        self.x = np.array(list(itertools.product((0.0, 1.0), repeat=n)))
        self.h = np.array(list(itertools.product((0.0, 1.0), repeat=n_hidden)))
        self.y = np.eye(N_CLASSES)
        shape = len(self.x), N_CLASSES, len(self.h)
        self.log_p = np.empty(shape)
        for i, k, j in np.ndindex(shape):
            v = np.concatenate([self.x[i], self.y[k]])
            self.log_p[i, k, j] = -energy([W], [visible, hidden], [v, self.h[j]])
        self.log_z = logsumexp(self.log_p)
        self.log_p -= self.log_z

    def number(self, row):
        """The number of the state of the features."""
        return int(np.flatnonzero((self.x == row).all(axis=1))[0])

    def joint(self, rows):
        """log p(x, k), (n_rows, n_classes)."""
        numbers = [self.number(row) for row in rows]
        return logsumexp(self.log_p, axis=2)[numbers]

    def conditional(self, rows):
        """log p(k | x), (n_rows, n_classes)."""
        joint = self.joint(rows)
        return joint - logsumexp(joint, axis=1, keepdims=True)

    def hidden(self, rows):
        """E[h | x], (n_rows, n_hidden)."""
        p = np.exp(logsumexp(self.log_p, axis=1))[[self.number(r) for r in rows]]
        return p @ self.h / p.sum(axis=1, keepdims=True)


def arrays(seed=0, scale=1.5):
    rng = np.random.default_rng(seed)
    n_visible = N_FEATURES + N_CLASSES
    W = scale * rng.normal(size=(n_visible, N_HIDDEN))
    return W, rng.normal(size=n_visible), rng.normal(size=N_HIDDEN)


def machine_of(W, visible, hidden, asarray=np.asarray):
    params = Params((asarray(W),), (asarray(visible), asarray(hidden)))
    return Machine(classes.class_units(N_FEATURES, N_CLASSES), params)


def batch():
    """Features, one-hot classes or zeros where there is none, and weights."""
    x = np.array(list(itertools.product((0.0, 1.0), repeat=N_FEATURES)))[[1, 6, 7, 13]]
    y = np.eye(N_CLASSES)[[0, 2, 1, 1]]
    y[2] = 0.0
    return x, y, np.array([0.5, 1.0, 2.0, 0.7])


class Exact:
    """An algorithm whose model rows are all states, by their probabilities."""

    starts_at_rows = False

    def __init__(self, oracle):
        self.oracle = oracle

    def phases(self, machine, rows, weights, chains, stream, inference):
        o = self.oracle
        states = [
            np.concatenate([o.x[i], o.y[k], o.h[j]])
            for i, k, j in np.ndindex(o.log_p.shape)
        ]
        states = np.array(states)
        layers = [states[:, :-N_HIDDEN], states[:, -N_HIDDEN:]]
        against = -weights.sum() * np.exp(o.log_p.ravel())
        return Phases(layers, layers, np.concatenate([weights, against]), chains)


def found_gradient(objective, machine, algorithm, offsets=None):
    """The gradient of the batch, as training computes it."""
    x, y, weights = batch()
    rows, sizes = np.concatenate([x, y], axis=1), [len(b) for b in machine.params[1]]
    phases = objective.phases(algorithm, machine, rows, weights, None, None, USUAL)
    offsets = [np.zeros(n) for n in sizes] if offsets is None else offsets
    return phases.gradient(phases.up, offsets)


def value(objective, W, visible, hidden):
    """What the objective is for the batch, by summing over all states."""
    (x, y, weights), oracle, total = batch(), Oracle(W, visible, hidden), 0.0
    joint, conditional = oracle.joint(x), oracle.conditional(x)
    for i, w in enumerate(weights):
        if y[i].any():
            total += w * objective.discriminative * (conditional[i] @ y[i])
            total += w * objective.generative * (joint[i] @ y[i])
        else:
            total += w * objective.generative * logsumexp(joint[i])
    return total


OBJECTIVES = [(1.0, 0.0), (0.0, 1.0), (0.3, 1.0)]


# The mathematics


def test_scores_are_sums_over_all_states():
    machine, oracle = machine_of(*arrays()), Oracle(*arrays())
    fields = classes.class_fields(machine, oracle.x, N_CLASSES)
    assert_allclose(classes.log_softmax(fields), oracle.conditional(oracle.x))
    joint = classes.log_joint(machine, oracle.x, N_CLASSES) - oracle.log_z
    assert_allclose(joint, oracle.joint(oracle.x))
    hidden = classes.expected_hidden(machine, oracle.x, N_CLASSES)
    assert_allclose(hidden, oracle.hidden(oracle.x))


@pytest.mark.parametrize("parts", OBJECTIVES)
def test_gradient_is_that_of_the_objective(parts):
    """Rows of unequal weights, one of them without a class."""
    objective, where = classes.ClassObjective(N_CLASSES, *parts), arrays()
    found = found_gradient(objective, machine_of(*where), Exact(Oracle(*where)))
    step = 1e-5
    for x, g in zip(where, (found.weights[0], *found.biases), strict=True):
        for index in np.ndindex(x.shape):
            ends = []
            for sign in (1, -1):
                x[index] += sign * step
                ends.append(value(objective, *where))
                x[index] -= sign * step
            assert_allclose((ends[0] - ends[1]) / (2 * step), g[index], atol=1e-7)


@pytest.mark.parametrize("parts", OBJECTIVES)
def test_centred_gradient_is_that_of_all_pairs_stacked(parts):
    objective, machine = (
        classes.ClassObjective(N_CLASSES, *parts),
        machine_of(*arrays()),
    )
    oracle, (x, y, weights) = Oracle(*arrays()), batch()
    rng = np.random.default_rng(1)
    offsets = [rng.random(N_FEATURES + N_CLASSES), rng.random(N_HIDDEN)]
    found = found_gradient(objective, machine, Exact(oracle), offsets)
    p = np.exp(oracle.conditional(x))
    q = np.where(y.any(axis=1)[:, None], y, p)
    shares = weights[:, None] * ((parts[0] + parts[1]) * q - parts[1] * p)
    pairs = [np.concatenate([row, k]) for row in x for k in np.eye(N_CLASSES)]
    rows = np.array(pairs)
    hidden = machine.units[1].mean(rows @ arrays()[0] + arrays()[2])
    model = Exact(oracle).phases(machine, rows[:0], weights, None, None, None)
    layers = [np.concatenate(z) for z in zip((rows, hidden), model.up, strict=True)]
    against = parts[0] * model.weights[len(weights) :]
    weights = np.concatenate([shares.ravel(), against])
    expected = gradient(layers, weights, offsets)
    for some, others in zip(found, expected, strict=True):
        for a, b in zip(some, others, strict=True):
            assert_allclose(a, b, atol=1e-12)


class Drawn:
    """A stream of numbers that are known."""

    def __init__(self, values):
        self.values = values

    def uniform(self, shape):
        return self.values


def test_gradient_without_some_hidden_units():
    """Of log p(k | x) where what is left counts for all, row by row."""
    objective = classes.ClassObjective(N_CLASSES, 0.0, 1.0, dropout=0.25)
    (x, y, weights), where = batch(), arrays()
    uniform = np.random.default_rng(0).random((len(x), N_HIDDEN))
    kept = (uniform >= 0.25) / 0.75
    assert 0 < (kept == 0).sum() < kept.size

    def log_p(W, visible, hidden):
        a = x @ W[:N_FEATURES] + hidden
        change = (
            np.logaddexp(0, a[:, None] + W[N_FEATURES:]) - np.logaddexp(0, a)[:, None]
        )
        fields = visible[N_FEATURES:] + (kept[:, None] * change).sum(axis=2)
        fields -= logsumexp(fields, axis=1, keepdims=True)
        return weights @ (y * fields).sum(axis=1)

    rows, machine = np.concatenate([x, y], axis=1), machine_of(*where)
    found = objective.phases(None, machine, rows, weights, None, Drawn(uniform), USUAL)
    step = found.gradient(found.up, [np.zeros(len(b)) for b in where[1:]])
    for z, g in zip(where, (step.weights[0], *step.biases), strict=True):
        for index in np.ndindex(z.shape):
            ends = []
            for sign in (1, -1):
                z[index] += sign * 1e-5
                ends.append(log_p(*where))
                z[index] -= sign * 1e-5
            assert_allclose((ends[0] - ends[1]) / 2e-5, g[index], atol=1e-7)
    whole = classes.ClassObjective(N_CLASSES, 0.0, 1.0)
    other = whole.phases(None, machine, rows, weights, None, None, USUAL)
    assert_allclose(found.up[1], other.up[1])
    assert not np.allclose(found.pulls, other.pulls)


@pytest.mark.parametrize("name", NAMESPACES)
def test_all_namespaces_agree(name):
    asarray, machine = asarray_of(name), machine_of(*arrays())
    x, y, weights = batch()
    rows, chains = np.concatenate([x, y], axis=1), np.ones((5, N_HIDDEN))
    objective = classes.ClassObjective(N_CLASSES, 0.3, 1.0, dropout=0.4)
    found = []
    for convert in (np.asarray, asarray):
        where = machine_of(*arrays(), convert)
        parts = [convert(z) for z in (rows, weights, chains)]
        for algorithm in (
            algorithms.PersistentChains(1),
            algorithms.ContrastiveDivergence(1),
        ):
            draws = stream(0, Purpose.CHAINS, parts[0])
            phases = objective.phases(
                algorithm, where, *parts[:2], [None, parts[2]], draws, USUAL
            )
            offsets = [convert(np.full(len(b), 0.3)) for b in machine.params.biases]
            step = phases.gradient(phases.up, offsets)
            scores = classes.class_scores(where, parts[0], N_CLASSES, parts[0].dtype)
            found.append([*step.weights, *step.biases, phases.chains[1], scores])
    half = len(found) // 2
    for ours, theirs in zip(found[:half], found[half:], strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert_allclose(np.asarray(b), a, rtol=1e-10)


@pytest.mark.parametrize(
    "kind",
    list(
        algorithms.__dict__[n]
        for n in ("PersistentChains", "ContrastiveDivergence", "ParallelTempering")
    ),
)
def test_model_rows_weigh_as_much_as_data(kind):
    """And more of them where the rows weigh more."""
    x, y, weights = batch()
    machine, rows = machine_of(*arrays()), np.concatenate([x, y], axis=1)
    draws = stream(0, Purpose.CHAINS, rows)
    algorithm = kind(2).prepared(machine, rows.mean(axis=0))
    chains = algorithm.start(6, lambda n: [None, np.ones((n, N_HIDDEN))])
    objective = classes.ClassObjective(N_CLASSES, 0.25, 1.0)
    found = objective.phases(algorithm, machine, rows, weights, chains, draws, USUAL)
    assert_allclose(found.against.sum(), -0.25 * weights.sum())
    assert_allclose(found.shares.sum(), 0.25 * weights.sum())
    classes_of_model = found.up[0][len(x) :, N_FEATURES:]
    assert_array_equal(classes_of_model.sum(axis=1), 1.0)
    assert_allclose(
        found.up[0][2, N_FEATURES:], np.exp(Oracle(*arrays()).conditional(x)[2])
    )


def test_chains_of_rows_without_a_class_start_at_one_that_is_drawn():
    machine, n = machine_of(*arrays(scale=0.7)), 20_000
    x = np.tile([1.0, 0.0, 0.0, 1.0], (n, 1))
    p = np.exp(Oracle(*arrays(scale=0.7)).conditional(x[:1]))
    rows = np.concatenate([x, np.repeat(p, n, axis=0)], axis=1)
    draws = stream(0, Purpose.CHAINS, rows)
    found = classes.with_classes_drawn(machine, rows, N_CLASSES, draws)
    y = found[:, N_FEATURES:]
    assert_array_equal(y.sum(axis=1), 1.0)
    error = np.sqrt(p[0] * (1 - p[0]) / n)
    assert (np.abs(y.mean(axis=0) - p[0]) < 5 * error).all()
    assert (np.abs(y.mean(axis=0) - 1 / N_CLASSES) > 5 * error).any()


# The estimator


def digits(n=400):
    X, y = load_digits(return_X_y=True)
    return X[:n] / 16, y[:n]


def classifier_of(**params):
    return RBMClassifier(
        **{"n_components": 16, "n_iter": 5, "random_state": 0, **params}
    )


def known_classifier(scale=1.5):
    """A fitted classifier with the parameters of `arrays`, and its oracle."""
    W, visible, hidden = arrays(scale=scale)
    X = (np.random.default_rng(0).random((60, N_FEATURES)) < 0.5).astype(float)
    y = np.array(["a", "b", "c"] * 20)
    model = classifier_of(n_components=N_HIDDEN, n_iter=1).fit(X, y)
    model.components_, model.class_components_ = W[:N_FEATURES].T, W[N_FEATURES:].T
    model.intercept_visible_ = visible[:N_FEATURES]
    model.intercept_class_ = visible[N_FEATURES:]
    model.intercept_hidden_ = hidden
    return model, Oracle(W, visible, hidden)


def test_methods_are_the_sums_over_all_states():
    model, oracle = known_classifier()
    log_p = oracle.conditional(oracle.x)
    assert_allclose(model.predict_log_proba(oracle.x), log_p)
    assert_allclose(model.predict_proba(oracle.x), np.exp(log_p))
    assert_array_equal(
        model.predict(oracle.x), np.array(["a", "b", "c"])[log_p.argmax(1)]
    )
    a = model.decision_function(oracle.x)
    assert_allclose(a - logsumexp(a, axis=1, keepdims=True), log_p)
    assert_allclose(model.transform(oracle.x), oracle.hidden(oracle.x))
    joint = oracle.joint(oracle.x)
    assert_allclose(model.score_samples(oracle.x), logsumexp(joint, axis=1))
    for k, name in enumerate(model.classes_):
        y = np.full(len(oracle.x), name)
        assert_allclose(model.score_samples(oracle.x, y), joint[:, k])
    assert_allclose(model.log_partition("exact").value, oracle.log_z)
    assert_allclose(model.log_partition("ais").value, oracle.log_z, atol=0.1)
    down = model.inverse_transform(oracle.h)
    p = np.exp(oracle.log_p).sum(axis=1)
    assert_allclose(down, (p / p.sum(axis=0)).T @ oracle.x)


def test_samples_of_a_class_are_those_of_the_oracle():
    """And not those of another class, nor of all of them."""
    (model, oracle), n = known_classifier(scale=1.0), 4000
    X, y = model.sample(n, y="b", n_gibbs_steps=60, random_state=0)
    assert (y == "b").all()
    p = np.exp(logsumexp(oracle.log_p, axis=2))
    of_classes = (p / p.sum(axis=0)).T
    moments = [oracle.x.T @ (q[:, None] * oracle.x) for q in of_classes]
    assert standard_errors(X, moments[1]).max() < 5
    assert standard_errors(X, moments[0]).max() > 5
    of_all = oracle.x.T @ (p.sum(axis=1)[:, None] * oracle.x)
    assert standard_errors(X, of_all).max() > 5
    X, y = model.sample(n, n_gibbs_steps=60, random_state=0)
    states = np.column_stack([X, y[:, None] == model.classes_]).astype(float)
    pairs = [np.concatenate([x, k]) for x in oracle.x for k in np.eye(N_CLASSES)]
    expected = np.array(pairs).T @ (p.ravel()[:, None] * np.array(pairs))
    assert standard_errors(states, expected).max() < 5
    classes_given = ["c", "a", "b"]
    assert_array_equal(model.sample(3, y=classes_given)[1], classes_given)


def test_decision_function_of_two_classes_is_the_log_odds():
    X, y = digits()
    model = classifier_of().fit(X[y < 2], y[y < 2])
    log_p = model.predict_log_proba(X)
    assert_allclose(model.decision_function(X), log_p[:, 1] - log_p[:, 0], rtol=1e-5)


def test_digits():
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0)
    params = {"n_components": 12, "n_iter": 10, "batch_size": 40, "random_state": 0}
    found = {
        objective: RBMClassifier(objective=objective, **params).fit(X, y)
        for objective in ("generative", "discriminative", "hybrid")
    }
    scores = {k: model.score(X_test, y_test) for k, model in found.items()}
    assert scores["discriminative"] > 0.9
    assert scores["hybrid"] > 0.9
    assert scores["generative"] > 0.7
    # With few hidden units, so that log Z is exact.
    log_p = {k: model.score_samples(X_test).mean() for k, model in found.items()}
    assert log_p["generative"] > log_p["hybrid"] > log_p["discriminative"]


def test_rows_without_a_label_mean_nothing_to_the_discriminative_objective():
    X, y = digits()
    some = y.copy()
    some[100:] = -1
    models = [
        classifier_of(objective=objective, unlabeled=-1).fit(*data)
        for objective in ("discriminative", "hybrid")
        for data in ((X, some), (X[:100], some[:100]))
    ]
    coefs = [model.components_ for model in models]
    assert_array_equal(coefs[0], coefs[1])
    assert not np.array_equal(coefs[2], coefs[3])
    assert_array_equal(models[0].classes_, np.arange(10))


def test_rows_without_a_label_help():
    """Three labels of each class and 1,767 rows without: fewer errors on these."""
    X, y = load_digits(return_X_y=True)
    X, some = (X / 16 > 0.5).astype(np.float32), np.full(len(y), -1)
    labelled = np.concatenate([np.flatnonzero(y == k)[:3] for k in range(10)])
    some[labelled] = y[labelled]
    rest = some == -1
    params = {"n_components": 64, "generative_weight": 0.1, "unlabeled": -1}
    params |= {"learning_rate": 0.2, "batch_size": 50, "n_iter": 20}
    both = classifier_of(**params).fit(X, some).score(X[rest], y[rest])
    params["n_iter"] *= len(y) // 50  # as many steps
    alone = classifier_of(**params).fit(X[~rest], y[~rest]).score(X[rest], y[rest])
    assert both > alone + 0.03


def test_weights_and_classes_weights():
    X, y = digits(40)  # one batch
    weights = np.where(y == 3, 2.0, 1.0)
    model = classifier_of()
    coefs = copy.deepcopy(model).fit(X, y, weights).components_
    twice = np.repeat(np.arange(40), weights.astype(int))
    repeated = copy.deepcopy(model).set_params(batch_size=100, n_chains=50)
    weighted = copy.deepcopy(repeated).fit(X, y, weights)
    repeated.fit(X[twice], y[twice])
    assert_allclose(repeated.components_, weighted.components_, rtol=1e-5, atol=1e-7)
    by_class = copy.deepcopy(model).set_params(class_weight={3: 2.0}).fit(X, y)
    assert_allclose(by_class.components_, coefs, rtol=1e-6, atol=1e-8)
    balanced = copy.deepcopy(model).set_params(class_weight="balanced").fit(X, y)
    assert not np.allclose(balanced.components_, coefs)


def test_weights_of_zero_leave_the_gradient():
    X, y = digits(40)
    weights = np.where(y == 3, 0.0, 1.0)
    model = classifier_of(shuffle=False).fit(X, y, weights)
    assert model.predict_proba(X)[y == 3, 3].max() < 0.2


def test_scores_do_not_depend_on_order_or_number_of_rows():
    X, y = digits()
    model = classifier_of().fit(X, y)
    order = np.random.default_rng(0).permutation(len(X))
    for method in (model.predict_proba, model.score_samples, model.transform):
        assert_allclose(method(X[order]), method(X)[order], rtol=1e-10)
        assert_allclose(method(X[:7]), method(X)[:7], rtol=1e-10)


def test_sparse_rows_and_text_labels():
    X, y = digits()
    names = np.array([f"digit {k}" for k in y], dtype=object)
    dense = classifier_of().fit(X, names)
    thin = classifier_of().fit(sparse.csr_array(X), names)
    assert_allclose(thin.components_, dense.components_)
    assert set(thin.predict(sparse.csr_array(X))) <= set(names)
    assert dense.sample(2, y="digit 3")[1].tolist() == ["digit 3"] * 2


def test_partial_fit_goes_on():
    X, y = digits()
    model = classifier_of()
    for rows in (slice(200), slice(200, 400)):
        some = X[rows], np.minimum(y[rows], 8)
        model.partial_fit(*some, classes=np.arange(10))
    assert model.n_iter_ == 2
    assert len(model.history_["accuracy"]) == 2
    assert_array_equal(model.classes_, np.arange(10))
    before = model.components_.copy()
    model.partial_fit(X, y)
    assert model.n_iter_ == 3
    assert not np.array_equal(before, model.components_)


def test_warm_start_goes_on_as_one_fit():
    X, y = digits()
    params = {"learning_rate_schedule": "constant", "warm_start": True}
    whole = classifier_of(**params, n_iter=4).fit(X, y)
    half = classifier_of(**params, n_iter=2).fit(X, y).fit(X, y)
    assert_array_equal(half.components_, whole.components_)
    assert_array_equal(half.h_samples_, whole.h_samples_)


def test_early_stopping_keeps_the_best_epoch():
    X, y = digits(200)
    params = {"early_stopping": True, "n_iter_no_change": 2, "n_iter": 40}
    model = classifier_of(**params).fit(X, y)
    scores = model.history_["validation_accuracy"]
    assert model.n_iter_ == len(scores) < 40
    assert max(scores[-2:]) <= max(scores[:-2])
    best = 1 + int(np.argmax(scores))
    again = classifier_of(**{**params, "n_iter_no_change": 40})
    again.set_params(learning_rate_schedule="constant").fit(X, y)
    scores = again.history_["validation_accuracy"]
    best = 1 + int(np.argmax(scores))
    shorter = classifier_of(**params).set_params(
        learning_rate_schedule="constant", n_iter=best, n_iter_no_change=40
    )
    assert_array_equal(shorter.fit(X, y).components_, again.components_)


def test_rows_held_out_have_labels():
    X, y = digits()
    some = y.copy()
    some[20:] = -1
    params = {"early_stopping": True, "unlabeled": -1, "validation_fraction": 0.5}
    model = classifier_of(**params).fit(X, some)
    held_out = np.array(model.history_["validation_accuracy"]) * 10
    assert_allclose(held_out, np.round(held_out), atol=1e-5)


def test_history_and_lines(capsys):
    X, y = digits()
    model = classifier_of(verbose=1, n_iter=2).fit(X, y)
    assert "[RBMClassifier] Iteration 2, log p(y|x) = -" in capsys.readouterr().out
    assert model.history_["accuracy"][-1] > 0.2
    assert "chain_error" in model.history_
    model = classifier_of(objective="discriminative").fit(X, y)
    assert "chain_error" not in model.history_
    log_p = model.predict_log_proba(X)[np.arange(len(y)), y]
    assert model.history_["log_proba"][-1] == pytest.approx(log_p.mean(), abs=0.1)


def test_pickle_pipeline_and_grid_search():
    X, y = digits()
    model = classifier_of().fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    pipeline = make_pipeline(MinMaxScaler(clip=True), classifier_of())
    search = GridSearchCV(
        pipeline, {"rbmclassifier__learning_rate": [1e-6, 0.2]}, cv=2
    ).fit(X, y)
    assert search.best_params_ == {"rbmclassifier__learning_rate": 0.2}


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    X, y = digits()
    frame = pandas.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    model = classifier_of().fit(frame, pandas.Series(y))
    assert_array_equal(model.predict(frame), classifier_of().fit(X, y).predict(X))
    assert list(model.feature_names_in_) == list(frame.columns)


def test_single_precision():
    X, y = digits()
    model = classifier_of().fit(X.astype(np.float32), y)
    assert model.components_.dtype == model.predict_proba(X.astype("f4")).dtype == "f4"
    double = classifier_of(n_iter=1).fit(X, y)
    single = classifier_of(n_iter=1).fit(X.astype(np.float32), y)
    assert_allclose(double.predict_proba(X), single.predict_proba(X), atol=1e-3)


def test_bad_input():
    X, y = digits()
    with pytest.raises(ValueError, match="one class for each row: take a DBNClass"):
        classifier_of().fit(X, np.eye(10, dtype=int)[y])
    with pytest.raises(ValueError, match="requires y to be passed"):
        classifier_of().fit(X, None)
    with pytest.raises(ValueError, match="For rows alone, take a Bernoulli"):
        classifier_of(unlabeled=-1).fit(X, np.full(len(y), -1))
    with pytest.raises(ValueError, match="have a label have the weight zero"):
        classifier_of(unlabeled=9).fit(X, y, (y == 9).astype(float))
    with pytest.raises(ValueError, match="classes must be passed"):
        classifier_of().partial_fit(X, y)
    with pytest.raises(ValueError, match="'balanced' needs all rows"):
        classifier_of(class_weight="balanced").partial_fit(X, y, classes=range(10))
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping"):
        classifier_of(early_stopping=True).partial_fit(X, y, classes=range(10))
    with pytest.raises(ValueError, match="holds out 1 of the 1 rows that have a label"):
        classifier_of(early_stopping=True, unlabeled=-1).fit(
            X, np.where(y == y, -1, y) + (np.arange(len(y)) == 0)
        )
    with pytest.raises(ValueError, match="Input X contains NaN"):
        classifier_of().fit(np.where(X == 0, np.nan, X), y)
    with pytest.raises(FloatingPointError, match="RBMClassifier diverged in epoch 1"):
        classifier_of(learning_rate=1e308).fit(X, y)
    model = classifier_of().fit(X, y)
    for call in (
        lambda: model.sample(2, y=11),
        lambda: model.score_samples(X[:2], [1, 11]),
        lambda: model.partial_fit(X[:2], [1, 11]),
    ):
        with pytest.raises(ValueError, match=r"labels \[11\] that are not among"):
            call()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.sample(3, y=[1, 2])
    with pytest.raises(ValueError, match="is not what it was on the first call"):
        model.partial_fit(X, y, classes=range(9))
    model.n_components = 8
    with pytest.raises(ValueError, match="hidden layers of sizes"):
        model.partial_fit(X, y)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_mean_over_labelled_rows_is_of_those_that_are_left(
    early_stopping, monkeypatch
):
    """So what is held out changes nothing of what the two parts weigh."""
    X = np.random.default_rng(0).integers(0, 2, (60, 5)).astype(float)
    y = np.where(np.arange(60) < 20, np.arange(60) % 2, -1)
    model = RBMClassifier(
        3,
        generative_weight=0.5,
        unlabeled=-1,
        early_stopping=early_stopping,
        validation_fraction=0.5,
        n_iter=1,
        random_state=0,
    )
    seen, objective = [], RBMClassifier._objective

    def spy(self, *args):
        seen.append(objective(self, *args))
        return seen[-1]

    monkeypatch.setattr(RBMClassifier, "_objective", spy)
    model.fit(X, y)
    expected = 5.0 if early_stopping else 3.0  # of 50 rows 10, of 60 rows 20
    assert_allclose([seen[0].generative, seen[0].discriminative], [0.5, expected])


def test_rows_that_are_marked_have_no_score_with_a_class():
    X = np.random.default_rng(0).integers(0, 2, (60, 5)).astype(float)
    y = np.where(np.arange(60) < 20, np.arange(60) % 2, np.nan)
    model = RBMClassifier(3, unlabeled=np.nan, n_iter=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="For the score of a row of any class, leave"):
        model.score_samples(X, y)


@pytest.mark.parametrize("objective", ["hybrid", "discriminative"])
def test_rows_held_out_have_their_share_of_each_class(objective):
    X, y = digits(300)
    y = np.where(y == 3, 3, np.where(y == 4, 4, 0))
    y[::7] = -1
    model = classifier_of(
        early_stopping=True, unlabeled=-1, validation_fraction=0.2, objective=objective
    )
    codes = np.searchsorted([0, 3, 4], y).astype(float)[:, None]
    codes[y == -1] = NO_CLASS
    _, stopping = model._data(X, codes, np.ones(len(y)), 3, 0)
    rows = stopping.held_out[0]
    held_out = take_rows(rows, np.arange(rows.shape[0]), np.float64)[:, -1]
    n_of_each = np.array([(y == k).sum() for k in (0, 3, 4)])
    assert len(held_out) == math.ceil(0.2 * n_of_each.sum())
    n_held_out = np.bincount(held_out.astype(int), minlength=3)
    assert (np.abs(n_held_out - 0.2 * n_of_each) < 1.0).all()


@pytest.mark.parametrize("objective", ["hybrid", "generative"])
def test_a_batch_may_have_no_label(objective):
    """Its features are learnt, as those of rows without a label in any batch are."""
    X, y = digits()
    none = np.full(len(y), -1)
    model = classifier_of(objective=objective, unlabeled=-1)
    model.partial_fit(X, none, classes=range(10))
    before = model.intercept_visible_.copy()
    assert model.partial_fit(X, none).n_iter_ == 2
    assert np.abs(model.intercept_visible_ - before).max() > 1e-4
    assert np.isnan(model.history_["accuracy"]).all()
    assert model.partial_fit(X, y).history_["accuracy"][-1] > 0.0
    with pytest.raises(ValueError, match="No row of y has a label"):
        model.fit(X, none)
    model.set_params(objective="discriminative")
    with pytest.raises(ValueError, match="No row of y has a label"):
        model.partial_fit(X, none)
