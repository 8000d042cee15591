"""Callbacks: what they see, and that they stop a fit."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.callback import ProgressBar
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skebm import (
    DBM,
    DBN,
    BernoulliRBM,
    DBMClassifier,
    DBNClassifier,
    HistoryMonitor,
)


def digits():
    X, y = load_digits(return_X_y=True)
    return (X[:300] > 7).astype(np.float32), y[:300]


def rbm_of(**params):
    return BernoulliRBM(**{"n_components": 8, "n_iter": 6, "random_state": 0, **params})


def layers_of(**params):
    return BernoulliRBM(**{"n_iter": 2, **params})


def dbm_of(**params):
    params = {"n_gibbs_steps": 1, "rbm": layers_of(), **params}
    return DBM((8, 6), **{"n_iter": 6, "random_state": 0, **params})


class Watch:
    """A callback that keeps what it is shown, and stops after some epochs."""

    def __init__(self, stop_after=100):
        self.stop_after, self.tasks, self.fitted = stop_after, [], []
        self.announced = {}

    def setup(self, estimator, context):
        self.tasks.append("setup")

    def teardown(self, estimator, context):
        self.tasks.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None):
        self.tasks.append(("begin", context.task_name))
        self.announced[context.task_name] = context.max_subtasks

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.tasks.append(("end", context.task_name))
        self.fitted.append(fitted_estimator)
        return len(self.fitted) >= self.stop_after


def test_tasks_and_models_that_a_callback_sees():
    X, _ = digits()
    watch = Watch()
    rbm = rbm_of(n_iter=2).set_callbacks(watch).fit(X)
    epoch = [("begin", "epoch"), ("end", "epoch")]
    whole = ["setup", ("begin", "fit"), *epoch, *epoch, ("end", "fit"), "teardown"]
    assert watch.tasks == whole
    first, second, last = watch.fitted
    expected = rbm_of(n_iter=2).fit(X)
    assert_array_equal(second.transform(X), expected.transform(X))
    assert_array_equal(last.transform(X), expected.transform(X))
    assert not np.array_equal(first.components_, second.components_)
    assert first.n_iter_ == 1
    assert first.n_features_in_ == 64
    assert first.score(X) < expected.score(X)
    assert_array_equal(rbm.components_, expected.components_)


def test_a_callback_stops_the_fit():
    rbm = rbm_of().set_callbacks(Watch(stop_after=3)).fit(digits()[0])
    assert rbm.n_iter_ == 3
    assert len(rbm.history_["reconstruction_error"]) == 3


def test_history_monitor_in_a_parallel_search():
    X, y = digits()
    monitor = HistoryMonitor()
    pipe = make_pipeline(
        rbm_of(n_iter=3).set_callbacks(monitor), LogisticRegression(max_iter=500)
    )
    GridSearchCV(
        pipe, {"bernoullirbm__n_components": [4, 8]}, cv=2, n_jobs=2, refit=False
    ).fit(X, y)
    logs = monitor.get_logs(select="all")
    rows = [row for log in logs for row in log.data]
    assert len(rows) == 2 * 2 * 3
    assert all(row["pseudo_log_likelihood"] < 0 for row in rows)


def test_history_monitor_with_a_score_of_ones_own():
    X, _ = digits()
    monitor = HistoryMonitor(scoring=lambda rbm, X, y: {"held out": rbm.score(X[:9])})
    rbm = rbm_of(n_iter=2).set_callbacks(monitor).fit(X)
    scores = [row["held out"] for row in monitor.get_logs().data]
    assert len(scores) == 2
    assert scores[-1] == rbm.score(X[:9])


def test_progress_bar(capsys):
    pytest.importorskip("rich")
    rbm_of(n_iter=2).set_callbacks(ProgressBar()).fit(digits()[0])
    assert "BernoulliRBM" in capsys.readouterr().out


def test_tasks_of_a_stack_and_of_what_is_fine_tuned():
    """A task per layer, with that machine's epochs in it where callbacks go down."""
    X, y = digits()
    inner, outer = HistoryMonitor(), Watch()
    dbn = DBN((6, 4), rbm=layers_of().set_callbacks(inner), up_down_iter=2)
    dbn.set_callbacks(outer).fit(X)
    names = [name for kind, name in outer.tasks[1:-1] if kind == "end"]
    assert names == ["layer", "layer", "epoch", "epoch", "wake-sleep", "fit"]
    assert outer.fitted[2].n_up_down_iter_ == 1
    rows = [row for log in inner.get_logs(select="all") for row in log.data]
    assert len(rows) == 4
    monitor, outer = HistoryMonitor(), Watch()
    net = DBNClassifier(6, max_iter=3, rbm=layers_of(), random_state=0, tol=0.0)
    with pytest.warns(ConvergenceWarning):
        net.set_callbacks(outer, monitor).fit(X, y)
    names = [name for kind, name in outer.tasks[1:-1] if kind == "end"]
    assert names == ["pretraining", *["epoch"] * 3, "fine-tuning", "fit"]
    assert_array_equal(outer.fitted[3].predict(X), net.predict(X))
    losses = [row["loss"] for row in monitor.get_logs().data]
    assert losses == net.loss_curve_


def test_tasks_of_a_deep_machine():
    """A task per layer that is pretrained, and then one per epoch."""
    X, _ = digits()
    inner, monitor, outer = HistoryMonitor(), HistoryMonitor(), Watch()
    dbm = dbm_of(n_iter=2)
    dbm.rbm.set_callbacks(inner)
    dbm.set_callbacks(outer, monitor).fit(X)
    tasks = ["layer", "layer", "epoch", "epoch"]
    pairs = [(kind, name) for name in tasks for kind in ("begin", "end")]
    whole = ["setup", ("begin", "fit"), *pairs, ("end", "fit"), "teardown"]
    assert outer.tasks == whole
    assert outer.fitted[2].n_iter_ == 1
    assert_array_equal(outer.fitted[3].transform(X), dbm.transform(X))
    errors = [row["reconstruction_error"] for row in monitor.get_logs().data]
    assert errors == dbm.history_["reconstruction_error"]
    assert len([row for log in inner.get_logs(select="all") for row in log.data]) == 4
    assert dbm_of().set_callbacks(Watch(stop_after=3)).fit(X).n_iter_ == 1


@pytest.mark.parametrize(("pretrain", "n"), [(True, 2), (False, 0)])
def test_as_many_layers_are_announced_as_are_pretrained(pretrain, n):
    watch = Watch()
    dbm_of(n_iter=2, pretrain=pretrain).set_callbacks(watch).fit(digits()[0])
    assert watch.tasks.count(("begin", "layer")) == n
    assert watch.announced["fit"] == n + 2


def test_a_callback_stops_wake_sleep_and_fine_tuning():
    X, y = digits()
    dbn = DBN(6, rbm=layers_of(n_iter=1), up_down_iter=9).set_callbacks(
        Watch(stop_after=3)
    )
    assert dbn.fit(X).n_up_down_iter_ == 2  # after the layer
    net = DBNClassifier(6, dbn=dbn, max_iter=9).set_callbacks(Watch(stop_after=2))
    assert net.fit(X, y).n_iter_ == 2


def test_fine_tuning_of_a_deep_machine_is_followed():
    X, y = digits()
    outer, inner = Watch(), Watch()
    dbm = DBM(rbm=layers_of(n_iter=1), n_iter=2).set_callbacks(inner)
    net = DBMClassifier((6, 4), dbm=dbm, max_iter=2, learning_rate_schedule="linear")
    net.set_callbacks(outer).fit(X, y)
    names = [name for kind, name in outer.tasks[1:-1] if kind == "end"]
    assert names == ["pretraining", *["epoch"] * 2, "fine-tuning", "fit"]
    assert inner.tasks.count(("end", "epoch")) == 2
    assert_array_equal(outer.fitted[2].predict(X), net.predict(X))


def test_bars_of_a_stack(capsys):
    pytest.importorskip("rich")
    DBN((6, 4), rbm=layers_of()).set_callbacks(ProgressBar()).fit(digits()[0])
    printed = capsys.readouterr().out
    assert "DBN" in printed
    assert "BernoulliRBM" in printed


@pytest.mark.parametrize("stop_after", [1, 2])
def test_a_callback_stops_the_layers_of_a_stack(stop_after):
    """What is stopped after a layer has those up to it, and no epochs of its own."""
    X, y = digits()
    sizes, rbm = (8, 6, 4), layers_of(n_iter=1)
    kept = sizes[:stop_after]
    watch = Watch(stop_after)
    dbn = DBN(sizes, rbm=rbm, up_down_iter=2, random_state=0).set_callbacks(watch)
    assert [m.n_components for m in dbn.fit(X).rbms_] == list(kept)
    assert dbn.n_up_down_iter_ == 0
    dbm = DBM(sizes, rbm=rbm, n_iter=2).set_callbacks(Watch(stop_after))
    with pytest.raises(RuntimeError, match=f"after {stop_after} of 3 layers") as error:
        dbm.fit(X)
    assert [m.n_components for m in error.value.parts] == list(kept)
    assert "tied copies" in error.value.__notes__[0]
    assert DBM(8, rbm=rbm, n_iter=2).set_callbacks(Watch(1)).fit(X).n_iter_ == 0
    net = DBNClassifier(sizes, rbm=rbm, max_iter=2).set_callbacks(Watch(1)).fit(X, y)
    assert net.n_iter_ == 0
    assert_array_equal(net.coefs_[0], net.dbn_.rbms_[0].components_.T)


def test_history_of_a_stack_and_of_its_monitor():
    """A row for each epoch, of all layers; wake-sleep has an error of its own."""
    X, _ = digits()
    monitor = HistoryMonitor()
    dbn = DBN((8, 6), rbm=layers_of(n_iter=3), up_down_iter=2, random_state=0)
    history = dbn.set_callbacks(monitor).fit(X).history_
    assert dbn.n_iter_ == 8
    assert {len(values) for values in history.values()} == {8}
    assert history["layer"] == [1, 1, 1, 2, 2, 2, 0, 0]
    second = dbn.rbms_[1].history_["pseudo_log_likelihood"]
    assert history["pseudo_log_likelihood"][3:6] == second
    assert np.isnan(history["pseudo_log_likelihood"][6:]).all()
    rows = monitor.get_logs().data
    seen = [row["reconstruction_error"] for row in rows]
    assert seen == history["reconstruction_error"]
    assert [row["layer"] for row in rows] == history["layer"]
    error = np.mean((dbn.inverse_transform(dbn.transform(X)) - X) ** 2)
    assert 0.5 * error < seen[-1] < 2.0 * error


@pytest.mark.parametrize("n_iter", [0, 2])
def test_a_monitor_of_a_stack_without_wake_sleep(n_iter):
    """Layers that are not trained have no row; a score of one's own is of the stack."""
    X, _ = digits()
    monitor = HistoryMonitor()
    shapes = HistoryMonitor(scoring=lambda dbn, X, y: {"n": dbn.transform(X).shape[1]})
    rbm = [layers_of(n_iter=n) for n in (2, 0, n_iter)]
    dbn = DBN((8, 6, 4), rbm=rbm, random_state=0).set_callbacks(monitor, shapes).fit(X)
    found = [row["reconstruction_error"] for row in monitor.get_logs().data]
    assert found == dbn.history_["reconstruction_error"]
    assert len(found) == 2 + n_iter
    assert [row["n"] for row in shapes.get_logs().data] == [8, 6, 4]


def test_callbacks_see_a_stack_after_each_layer_and_no_deep_machine():
    X, y = digits()
    watch, of_machine, of_network = Watch(), Watch(), Watch()
    dbn = DBN((6, 4), rbm=layers_of(), random_state=0).set_callbacks(watch).fit(X)
    first, second, *_, last = watch.fitted  # wake-sleep has no epochs
    assert_array_equal(first.transform(X), dbn.rbms_[0].transform(X))
    assert_array_equal(second.transform(X), last.transform(X))
    assert second.score(X) == dbn.score(X)
    dbm_of().set_callbacks(of_machine).fit(X)
    assert of_machine.fitted[:2] == [None, None]
    net = DBNClassifier(6, rbm=layers_of(), max_iter=1, learning_rate_schedule="linear")
    net.set_callbacks(of_network).fit(X, y)
    assert of_network.fitted[0] is None  # the pretraining
