"""Pictures of fits, of log Z, of likelihoods and of hidden units."""

import inspect
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV

import skebm
from skebm import (
    DBM,
    DBN,
    VAE,
    BernoulliRBM,
    BoltzmannImputer,
    DBMClassifier,
    DBNClassifier,
    DeepAutoencoder,
    GaussianRBM,
    HiddenActivationDisplay,
    HistoryDisplay,
    HistoryMonitor,
    LogLikelihoodDisplay,
    LogPartitionDisplay,
    MultinomialRBM,
    RatingRBM,
    RBMClassifier,
)
from skebm import display as display_package
from skebm.core.partition import LogPartition, Path

from .test_display_components import _closed, digits, rbm

__all__ = ["_closed"]

# Of early stopping: the quantity it goes by, and which epoch is the best one.
STOPPING = {
    "validation_log_likelihood": np.nanargmax,
    "validation_bound": np.nanargmax,
    "validation_accuracy": np.nanargmax,
    "validation_score": np.nanargmax,
    "validation_rmse": np.nanargmin,
}


def panel(display, name):
    """The panel of a quantity."""
    return display.axes_[list(display.lines_).index(name)]


def test_lines_are_the_history():
    model = rbm(4, n_iter=5)
    display = HistoryDisplay.from_estimator(model)
    assert list(display.lines_) == list(model.history_)
    for name, values in model.history_.items():
        (line,) = display.lines_[name][""]
        assert line in panel(display, name).get_lines()
        assert_allclose(line.get_ydata(), values)
        assert_array_equal(line.get_xdata(), [1, 2, 3, 4, 5])
    assert display.kept_ == []
    assert panel(display, "dead_units").get_title() == "dead units"
    assert panel(display, "dead_units").get_xlabel() == "epoch"


def stopped():
    """Fits that keep an epoch before their last, by what they go by."""
    X, y = digits(150)
    options = {"early_stopping": True, "random_state": 0}
    yield (
        "validation_log_likelihood",
        BernoulliRBM(
            40,
            n_iter=60,
            learning_rate=0.3,
            learning_rate_schedule="constant",
            n_iter_no_change=3,
            **options,
        ).fit(X),
    )
    yield (
        "validation_accuracy",
        RBMClassifier(20, n_iter=8, n_iter_no_change=3, **options).fit(X, y),
    )
    yield (
        "validation_bound",
        VAE(3, hidden_layer_sizes=(30,), n_iter=40, n_iter_no_change=3, **options).fit(
            X
        ),
    )
    network = DBNClassifier(
        20, rbm=BernoulliRBM(n_iter=1), max_iter=30, n_iter_no_change=3, **options
    )
    yield "validation_score", network.fit(X, y)
    ratings = np.random.default_rng(0).integers(1, 4, (60, 8)).astype(float)
    yield (
        "validation_rmse",
        RatingRBM(3, n_iter=20, n_iter_no_change=3, **options).fit(ratings),
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_epoch_that_was_kept_is_marked():
    """It is the best one of those held out, and not the last."""
    before_the_last = 0
    for name, model in stopped():
        display = HistoryDisplay.from_estimator(model, quantities=[name])
        (line,) = display.lines_[name][""]
        values = np.full(int(line.get_xdata().max()), np.nan)
        values[line.get_xdata().astype(int) - 1] = line.get_ydata()
        (mark,) = display.kept_
        assert mark in display.axes_[0].get_lines()
        assert_array_equal(mark.get_xdata(), [1 + STOPPING[name](values)] * 2)
        before_the_last += mark.get_xdata()[0] < len(values)
    assert before_the_last >= 4


def test_what_an_earlier_fit_made_may_be_kept():
    """Where no epoch of a fit that goes on is better. The history cannot tell."""
    X, _ = digits(150)
    model = BernoulliRBM(10, n_iter=5, early_stopping=True, random_state=0).fit(X)
    assert model._kept_epoch == 5
    model.set_params(warm_start=True, learning_rate=10.0, n_iter=2).fit(X)
    assert model.n_iter_ == 7
    display = HistoryDisplay.from_estimator(model)
    assert_array_equal(display.kept_[0].get_xdata(), [5, 5])
    model.set_params(warm_start=False, early_stopping=False, learning_rate=0.1)
    model.fit(X)
    assert HistoryDisplay.from_estimator(model).kept_ == []
    by_hand = HistoryDisplay({"score": [1.0, 2.0]}, kept=2).plot()
    assert_array_equal(by_hand.kept_[0].get_xdata(), [2, 2])


def test_epochs_that_were_not_looked_at_leave_no_gap():
    history = {"score": [1.0, np.nan, 3.0, np.nan]}
    (line,) = HistoryDisplay(history).plot().lines_["score"][""]
    assert_array_equal(line.get_xdata(), [1, 3])
    assert_array_equal(line.get_ydata(), [1.0, 3.0])


def test_layers_of_a_stack_have_lines_of_their_own():
    X, _ = digits(150)
    machine = BernoulliRBM(
        n_iter=12,
        learning_rate=0.5,
        learning_rate_schedule="constant",
        early_stopping=True,
        n_iter_no_change=2,
    )
    dbn = DBN((20, 10), rbm=machine, random_state=0).fit(X)
    display = HistoryDisplay.from_estimator(dbn)
    first, second = display.lines_["reconstruction_error"][""]
    n = dbn.rbms_[0].n_iter_
    assert_array_equal(first.get_xdata(), np.arange(1, n + 1))
    assert_array_equal(second.get_xdata(), n + np.arange(1, 1 + dbn.rbms_[1].n_iter_))
    values = dbn.rbms_[1].history_["reconstruction_error"]
    assert_allclose(second.get_ydata(), values)
    assert first.get_color() != second.get_color()
    scores = [rbm.history_["validation_log_likelihood"] for rbm in dbn.rbms_]
    kept = [1 + np.nanargmax(scores[0]), n + 1 + np.nanargmax(scores[1])]
    marks = [line.get_xdata()[0] for line in display.kept_[:2]]
    assert_array_equal(marks, kept)
    words = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert words == ["layer 1", "layer 2", "kept"]


def test_networks_have_a_loss():
    X, y = digits()
    model = DBNClassifier(
        5, rbm=BernoulliRBM(n_iter=0), max_iter=3, learning_rate_schedule="linear"
    ).fit(X, y)
    display = HistoryDisplay.from_estimator(model)
    assert list(display.lines_) == ["loss"]
    assert_allclose(display.lines_["loss"][""][0].get_ydata(), model.loss_curve_)


def test_a_monitor_has_a_line_for_each_fit():
    X, _ = digits()
    monitor = HistoryMonitor()
    model = BernoulliRBM(4, n_iter=3, random_state=0).set_callbacks(monitor)
    grid = {"learning_rate": [0.01, 0.1]}
    search = GridSearchCV(model, grid, cv=2).fit(X)
    display = HistoryDisplay.from_monitor(monitor, quantities="reconstruction_error")
    lines = display.lines_["reconstruction_error"]
    assert list(lines) == [f"fit {n}" for n in range(1, 6)]
    final = search.best_estimator_.history_["reconstruction_error"]
    assert_allclose(lines["fit 5"][0].get_ydata(), final)
    words = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert words == list(lines)
    with pytest.raises(ValueError, match="No logs to retrieve"):
        HistoryDisplay.from_monitor(HistoryMonitor())


def test_a_monitor_of_stacks_has_a_line_for_each_layer_of_each():
    X, _ = digits()
    monitor = HistoryMonitor()
    model = DBN((8, 6), rbm=BernoulliRBM(n_iter=2), up_down_iter=3, random_state=0)
    grid = {"up_down_iter": [0, 3]}
    search = GridSearchCV(model.set_callbacks(monitor), grid, cv=2).fit(X)
    display = HistoryDisplay.from_monitor(monitor, quantities="reconstruction_error")
    lines = display.lines_["reconstruction_error"]
    assert sorted(map(len, lines.values()))[:2] == [2, 2]
    assert list(lines) == [f"fit {n}" for n in range(1, 6)]
    found = np.concatenate([line.get_ydata() for line in lines["fit 5"]])
    best = search.best_estimator_.history_["reconstruction_error"]
    assert_allclose(np.sort(found), np.sort(best))


@pytest.mark.parametrize("name", display_package.__all__)
def test_without_matplotlib_nothing_is_computed(name, monkeypatch):
    """The error says who needs it, and comes first."""
    kind = getattr(skebm, name)
    assert kind is getattr(display_package, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    options = inspect.signature(kind.from_estimator).parameters
    rows = {"X": None} if "X" in options else {}
    with pytest.raises(ImportError, match=f"{name}.from_estimator requires matplotlib"):
        kind.from_estimator(None, **rows)
    made = kind.__new__(kind)
    with pytest.raises(ImportError, match=f"{name}.plot requires matplotlib"):
        made.plot()


def test_histories_that_are_not_there():
    with pytest.raises(NotFittedError):
        HistoryDisplay.from_estimator(BernoulliRBM())
    X, _ = digits()
    imputer = BoltzmannImputer(GaussianRBM(2, n_iter=0, random_state=0)).fit(X)
    with pytest.raises(ValueError, match="keeps no history"):
        HistoryDisplay.from_estimator(imputer)
    with pytest.raises(ValueError, match="There is no 'loss' in the history"):
        HistoryDisplay.from_estimator(rbm(), quantities="loss")


def test_directions_along_the_temperatures():
    model = rbm(30, n_iter=10)
    display = LogPartitionDisplay.from_estimator(model, n_betas=20)
    found = model.log_partition("ais", n_betas=20)
    assert display.log_partitions is found
    path = found.path
    middle = (np.array(path.forward) + path.reverse) / 2
    for line, values in (
        (display.forward_, path.forward),
        (display.reverse_, path.reverse),
    ):
        assert_allclose(line.get_xdata(), path.betas)
        assert_allclose(line.get_ydata(), values - middle, atol=1e-12)
    (ends,) = display.bracket_
    assert_allclose(ends, np.array([found.lower, found.upper]) - middle[-1])
    assert f"{found.value:.2f}" in display.ax_.get_title()


def test_directions_by_the_number_of_temperatures():
    model = rbm(30, n_iter=10)
    display = LogPartitionDisplay.from_estimator(model, n_betas=[40, 10])
    found = [model.log_partition("ais", n_betas=n) for n in (10, 40)]
    assert_allclose(display.forward_.get_ydata(), [x.forward for x in found])
    assert_allclose(display.reverse_.get_ydata(), [x.reverse for x in found])
    assert_allclose(display.bracket_, [(x.lower, x.upper) for x in found])
    drawn = display.forward_.get_xdata() * display.reverse_.get_xdata()
    assert_allclose(np.sqrt(drawn), [10, 40])
    ticks = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert ticks == ["10", "40"]


def test_exact_values_are_lines():
    model = rbm(4)
    display = LogPartitionDisplay.from_estimator(model)
    found = model.log_partition("exact")
    assert display.trusted_
    assert display.forward_ is None
    assert_allclose(display.ax_.get_lines()[0].get_ydata(), found.value)
    annealed = model.log_partition("ais", n_betas=10)
    both = LogPartitionDisplay([annealed, found]).plot(against="n_betas")
    assert_allclose(both.ax_.get_lines()[0].get_ydata(), found.value)
    assert_allclose(both.forward_.get_ydata(), [annealed.forward])
    with pytest.raises(ValueError, match="needs an estimate by annealing"):
        display.plot(against="beta")


def estimate(forward, reverse, error, width):
    """An estimate whose directions have ended there."""
    path = Path((0.0, 1.0), (0.0, forward), (0.0, error), (0.0, reverse), (0.0, error))
    value = (forward + reverse) / 2
    ends = value - width / 2, value + width / 2
    return LogPartition(
        value, *ends, error, "ais", 9.0, forward, reverse, error, error, path
    )


@pytest.mark.parametrize(
    ("found", "trusted", "words"),
    [
        (estimate(5.0, 5.2, 0.1, 0.8), True, "is narrow, 0.8 nats"),
        (estimate(5.0, 7.0, 0.1, 2.4), False, "is wide, 2.4 nats"),
        (estimate(5.4, 5.0, 0.05, 0.6), False, "chains miss modes"),
        (estimate(5.4, 5.0, 0.15, 0.9), True, "is narrow"),
        (estimate(5.0, 7.0, 0.1, np.inf), False, "is wide, inf nats"),
        (estimate(5.0, 7.0, 0.1, np.nan), False, "is wide, nan nats"),
    ],
)
def test_whether_log_z_may_be_trusted(found, trusted, words):
    display = LogPartitionDisplay(found).plot()
    assert display.trusted_ is trusted
    assert words in display.ax_.get_title()
    assert_allclose(
        display.forward_.get_ydata()[-1], (found.forward - found.reverse) / 2
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_log_z_of_word_counts_goes_by_the_length():
    counts = np.random.default_rng(0).poisson(1.0, (60, 30))
    model = MultinomialRBM(30, n_iter=3, random_state=0).fit(counts)
    display = LogPartitionDisplay.from_estimator(model, n_betas=30)
    n_words = np.linspace(1.0, model.n_words_, 25)
    assert_allclose(display.forward_.get_xdata(), n_words)
    found = [model.log_partition("ais", n_words=n, n_betas=30) for n in n_words]
    gaps = [(x.forward - x.reverse) / 2 for x in found]
    assert_allclose(display.forward_.get_ydata(), gaps, atol=1e-12)
    assert display.ax_.get_xlabel() == "words of a document"
    with pytest.raises(ValueError, match="give one n_betas"):
        LogPartitionDisplay.from_estimator(model, n_betas=[10, 20])
    small = MultinomialRBM(3, n_iter=1, random_state=0).fit(counts)
    exact = LogPartitionDisplay.from_estimator(small)
    assert "exact" in exact.ax_.get_title()
    assert exact.trusted_


def test_log_z_of_a_stack_is_that_of_its_top_machine():
    X, _ = digits()
    dbn = DBN((8, 5), rbm=BernoulliRBM(n_iter=1), random_state=0).fit(X)
    display = LogPartitionDisplay.from_estimator(dbn, n_betas=10)
    assert display.log_partitions is dbn.rbms_[1].log_partition("ais", n_betas=10)


def test_a_wide_bracket_warns_as_ever():
    model = rbm(40, n_iter=60, learning_rate=0.5)
    with pytest.warns(ConvergenceWarning, match="log Z is uncertain"):
        display = LogPartitionDisplay.from_estimator(model, n_betas=2)
    assert not display.trusted_


def test_bad_input_of_log_z_is_refused():
    model = rbm()
    display = LogPartitionDisplay.from_estimator(model, n_betas=5)
    for against, words in (
        ("time", "against must be"),
        ("n_words", "is for word counts"),
    ):
        with pytest.raises(ValueError, match=words):
            display.plot(against=against)
    with pytest.raises(NotFittedError):
        LogPartitionDisplay.from_estimator(BernoulliRBM())
    vae = VAE(2, hidden_layer_sizes=(4,), n_iter=1, random_state=0).fit(digits()[0])
    with pytest.raises(ValueError, match="VAE has no log_partition"):
        LogPartitionDisplay.from_estimator(vae)


def test_histograms_of_log_likelihoods():
    model, (X, _) = rbm(), digits()
    sets = {"train": X[:150], "test": X[150:], "inverted": 1 - X}
    display = LogLikelihoodDisplay.from_estimator(model, sets, density=False, bins=12)
    scores = {name: model.score_samples(rows) for name, rows in sets.items()}
    together = np.concatenate(list(scores.values()))
    edges = np.linspace(together.min(), together.max(), 13)
    assert_allclose(display.edges_, edges)
    drawn = [p.get_xy() for p in display.ax_.patches]
    for index, (name, values) in enumerate(scores.items()):
        heights, _ = np.histogram(values, display.edges_)
        assert_array_equal(display.heights_[name], heights)
        assert drawn[2 * index][:, 1].max() == heights.max()
        assert_allclose(display.means_[name].get_xdata(), [values.mean()] * 2)
    words = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert words[2] == f"inverted: mean {scores['inverted'].mean():.1f}"


def test_ways_to_give_rows_and_limits():
    model, (X, _) = rbm(), digits()
    draw = LogLikelihoodDisplay.from_estimator
    assert list(draw(model, [X, X, 1 - X]).log_likelihoods) == [
        "train",
        "test",
        "outliers",
    ]
    assert list(draw(model, (X, X)).log_likelihoods) == ["train", "test"]
    assert list(draw(model, [X] * 4).log_likelihoods) == [
        f"set {n}" for n in range(1, 5)
    ]
    assert list(draw(model, X).log_likelihoods) == ["rows"]
    assert list(draw(model, X[:3].tolist()).log_likelihoods) == ["rows"]
    with pytest.raises(ValueError, match="at least one set"):
        draw(model, {})
    display = LogLikelihoodDisplay({"a": [-100.0, -3.0, -2.0, -1.0]})
    display.plot(bins=2, limits=(-4.0, 0.0), density=False)
    assert_array_equal(display.edges_, [-4.0, -2.0, 0.0])
    assert_array_equal(display.heights_["a"], [2, 2])
    assert_allclose(display.means_["a"].get_xdata(), -26.5)


def test_dead_and_saturated_units():
    """Of a machine whose units are off, on, or as they should be."""
    model, (X, _) = rbm(6), digits()
    model.components_[:4] = 0.0
    model.intercept_hidden_[:4] = [-20.0, 20.0, 20.0, 0.0]
    display = HiddenActivationDisplay.from_estimator(model, X)
    assert_array_equal(display.dead_[0], [0, 3])
    assert_array_equal(display.saturated_[0], [1, 2])
    H = model.transform(X)
    points = display.points_[0].get_offsets()
    assert_allclose(points, np.column_stack([H.mean(axis=0), H.std(axis=0)])[4:])
    title = display.axes_[0].get_title()
    assert title == "layer 1: 6 units,\n2 dead, 2 saturated"
    marked = {x.get_label(): x.get_offsets() for x in display.axes_[0].collections}
    assert_allclose(marked["saturated"], [[1.0, 0.0], [1.0, 0.0]], atol=1e-6)
    assert_allclose(marked["dead"], [[0.0, 0.0], [0.5, 0.0]], atol=1e-6)


def test_they_are_those_of_the_history():
    X = np.random.default_rng(0).random((100, 6)) < 0.5
    model = BernoulliRBM(300, n_iter=3, learning_rate=1.0, random_state=0).fit(X)
    display = HiddenActivationDisplay.from_estimator(model, X)
    assert (
        len(display.dead_[0]) + len(display.saturated_[0])
        == (model.history_["dead_units"][-1])
    )


def test_idle_units_of_a_code():
    rng = np.random.default_rng(0)
    means, stds = rng.normal(size=5), [0.05, 0.5, 1.0, 0.11, 0.0]
    display = HiddenActivationDisplay([means], [stds], layer_names=["code"]).plot()
    assert_array_equal(display.dead_[0], [0, 4])
    assert display.axes_[0].get_title() == "code: 5 units,\n2 dead"


def logistic(a):
    return 1.0 / (1.0 + np.exp(-a))


def test_layers_of_a_network_that_gets_more_beside_them():
    """The posterior of the layer above is beside each layer, and is left out."""
    X, y = digits()
    dbm = DBM((6, 4, 3), n_iter=2, random_state=0).fit(X)
    options = {"max_iter": 1, "learning_rate_schedule": "linear", "random_state": 0}
    model = DBMClassifier((6, 4, 3), dbm=dbm, **options).fit(X, y)
    first, second, third = model._all_layers(X)
    below = X
    for index, found in enumerate((first, second)):
        seen = np.hstack([below, dbm.transform(X, layer=index + 2)])
        a = seen @ model.coefs_[index] + model.intercepts_[index]
        assert_allclose(found, logistic(a), rtol=1e-4, atol=1e-5)
        below = found
    assert_allclose(third, model.transform(X), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_layers_are_what_each_estimator_computes():
    X, y = digits()
    layers, small = BernoulliRBM(n_iter=1), {"random_state": 0}
    dbn = DBN((6, 4), rbm=layers, **small).fit(X)
    dbm = DBM((6, 4), n_iter=1, **small).fit(X)
    for model in (dbn, dbm):
        found = model._all_layers(X)
        assert_allclose(np.hstack(found), model.transform(X, layer="all"))
        assert [H.shape[1] for H in found] == [6, 4]
    vae = VAE(2, hidden_layer_sizes=(4,), n_iter=1, **small).fit(X)
    assert_allclose(vae._all_layers(X)[0], vae.transform(X))
    for model in (
        DBNClassifier((6, 4), dbn=dbn, max_iter=1, **small).fit(X, y),
        DBMClassifier((6, 4), dbm=dbm, max_iter=1, **small).fit(X, y),
        DeepAutoencoder((6, 4), rbm=layers, max_iter=1, **small).fit(X),
        DeepAutoencoder((6, 4), rbm=layers, max_iter=1, tied_weights=True, **small).fit(
            X
        ),
    ):
        first, second = model._all_layers(X)
        assert_allclose(second, model.transform(X), rtol=1e-5, atol=1e-6)
        if not isinstance(model, DBMClassifier):  # which sees further units
            a = X @ model.coefs_[0] + model.intercepts_[0]
            assert_allclose(first, logistic(a), rtol=1e-5, atol=1e-6)
        display = HiddenActivationDisplay.from_estimator(model, X, layers=2)
        assert_allclose(display.stds, [second.std(axis=0)], rtol=1e-4, atol=1e-6)
        assert display.axes_[0].get_title().startswith("layer 2")
    with pytest.raises(ValueError, match="layers must be numbers from 1 to 2"):
        HiddenActivationDisplay.from_estimator(dbn, X, layers=[0, 1])
    with pytest.raises(NotFittedError):
        HiddenActivationDisplay.from_estimator(BernoulliRBM(), X)


@pytest.mark.parametrize(
    ("model", "label"),
    [
        (BernoulliRBM(4, n_iter=1), "log-likelihood (nats)"),
        (DBN((4, 3), rbm=BernoulliRBM(n_iter=1)), "lower bound of the log"),
        (DBM((4, 3), n_iter=1), "lower bound of the log"),
        (VAE(2, hidden_layer_sizes=(4,), n_iter=1), "lower bound of the log"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_the_axis_says_what_scores_are(model, label):
    X, _ = digits(60)
    display = LogLikelihoodDisplay.from_estimator(model.fit(X), X)
    assert display.ax_.get_xlabel().startswith(label)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_has_no_log_likelihoods_is_refused():
    X, y = digits(60)
    model = DBNClassifier((4, 3), rbm=BernoulliRBM(n_iter=1), max_iter=1).fit(X, y)
    with pytest.raises(ValueError, match="no score_samples"):
        LogLikelihoodDisplay.from_estimator(model, X)


def test_no_quantities_are_an_error():
    rbm = BernoulliRBM(4, n_iter=2).fit(digits(60)[0])
    with pytest.raises(ValueError, match="quantities is empty"):
        HistoryDisplay.from_estimator(rbm, quantities=[])
