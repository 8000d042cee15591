"""Callbacks: what they see, that they stop a fit, and that none is lost when killed."""

import copy
import multiprocessing
import pickle
import signal
import time

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
    Checkpoint,
    DBMClassifier,
    DBNClassifier,
    HistoryMonitor,
)


def digits():
    X, y = load_digits(return_X_y=True)
    return (X[:300] > 7).astype(np.float32), y[:300]


def rbm_of(**params):
    return BernoulliRBM(**{"n_components": 8, "n_iter": 6, "random_state": 0, **params})


def dbm_of(**params):
    params = {"n_gibbs_steps": 1, **params}
    return DBM(
        (8, 6), rbm=rbm_of(n_iter=2), **{"n_iter": 6, "random_state": 0, **params}
    )


def arrays(machine):
    """Parameters and chains."""
    params, chains = machine._read_params(), machine._read_chains()
    return [x for group in (*params, chains) for x in group if x is not None]


def assert_same_fit(one, other):
    """All that a fit leaves, bit for bit, also what further training starts from."""
    assert one.history_ == other.history_
    names = set(vars(one)) - {"_skl_callbacks"}
    assert names == set(vars(other)) - {"_skl_callbacks"}
    for further in (False, True):
        if further:
            for machine in (one, other):
                machine.set_params(early_stopping=False).partial_fit(digits()[0][:50])
        for x, y in zip(arrays(one), arrays(other), strict=True):
            assert_array_equal(x, y)


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


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"momentum": 0.5, "algorithm": "cd", "shuffle": False},
        {"early_stopping": True, "n_iter_no_change": 2, "learning_rate": 1.0},
        {"warm_start": True},
        {"algorithm": "pt"},
    ],
)
@pytest.mark.parametrize("kind", ["rbm", "rbm with gaps", "dbm"])
def test_resumed_fit_is_the_same_bit_for_bit(params, kind, tmp_path):
    X, _ = digits()
    if kind == "rbm with gaps":
        X[::2, 10:30] = np.nan
    checkpoint = Checkpoint(tmp_path / "rbm", every=4)
    if kind == "dbm":
        # Contrastive divergence is for one hidden layer.
        rbm = dbm_of(**{k: v for k, v in params.items() if v != "cd"})
    else:
        rbm = rbm_of(**params)
    if "warm_start" in params:
        rbm.fit(X)
    whole = pickle.loads(pickle.dumps(rbm)).fit(X)
    rbm.set_callbacks(checkpoint).fit(X)
    saved = checkpoint.load()
    begun = 6 if "warm_start" in params else 0
    assert saved.n_iter_ == begun + 4 * ((whole.n_iter_ - begun) // 4)
    assert saved.transform(X).shape == (300, 6 if kind == "dbm" else 8)
    assert_same_fit(checkpoint.resume(X), whole)


def test_a_loaded_model_may_learn_from_other_rows(tmp_path):
    X, _ = digits()
    checkpoint = Checkpoint(tmp_path / "rbm")
    rbm_of().set_callbacks(checkpoint).fit(X)
    with pytest.raises(ValueError, match=r"same rows.*partial_fit"):
        checkpoint.resume(X[::-1])
    with pytest.raises(ValueError, match="same rows"):
        checkpoint.resume(X, sample_weight=np.arange(300.0))
    loaded = checkpoint.load().partial_fit(X[:100])
    assert loaded.n_iter_ == 7
    assert not hasattr(loaded, "_unfinished")


def test_files_that_are_no_checkpoints(tmp_path):
    X, _ = digits()
    checkpoint = Checkpoint(tmp_path / "rbm")
    with pytest.raises(FileNotFoundError):
        checkpoint.load()
    checkpoint.path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ValueError, match="not a checkpoint"):
        checkpoint.load()
    rbm_of().set_callbacks(checkpoint).fit(X)
    whole = checkpoint.path.read_bytes()
    for damaged in (whole[:-1], whole[:40], whole[:-1] + b"x"):
        checkpoint.path.write_bytes(damaged)
        with pytest.raises(ValueError, match="damaged"):
            checkpoint.resume(X)
    checkpoint.path.write_bytes(b"")
    with pytest.raises(ValueError, match="not a checkpoint"):
        checkpoint.load()


def test_a_write_that_fails_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    X, _ = digits()
    checkpoint = Checkpoint(tmp_path / "rbm")
    rbm_of(n_iter=2).set_callbacks(checkpoint).fit(X)

    def full(*args):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("skebm._callbacks.os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            rbm_of().set_callbacks(checkpoint).fit(X)
    assert checkpoint.load().n_iter_ == 2


def test_bad_arguments_before_anything_is_done(tmp_path):
    with pytest.raises(ValueError, match="every"):
        Checkpoint(tmp_path / "rbm", every=0)
    rbm = rbm_of().set_callbacks(Checkpoint(tmp_path / "none" / "rbm"))
    with pytest.raises(FileNotFoundError, match="make it first"):
        rbm.fit(digits()[0])
    assert not hasattr(rbm, "n_iter_")


LONG = {"n_iter": 300, "n_gibbs_steps": 2, "momentum": 0.5}


def deep():
    return dbm_of(n_iter=100, momentum=0.5)


def shallow():
    return rbm_of(**LONG)


def fit_or_resume(folder, begun, model):
    """The work of a process that gets killed."""
    X, _ = digits()
    checkpoint = Checkpoint(folder / "rbm", every=2)
    begun.set()
    if checkpoint.path.exists():
        rbm = checkpoint.resume(X)
    else:
        rbm = model().set_callbacks(checkpoint).fit(X)
    (folder / "unseen").write_bytes(pickle.dumps(rbm.set_callbacks()))
    (folder / "unseen").rename(folder / "result")


@pytest.mark.parametrize("model", [shallow, deep])
def test_killed_at_random_moments_and_resumed(tmp_path, model):
    """20 times by SIGKILL, and each fit ends as one in peace. It may take several."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["skebm", __name__])
    rng, n_killed, result = np.random.default_rng(), 0, tmp_path / "result"
    expected = model().fit(digits()[0])
    while n_killed < 20 or (tmp_path / "rbm").exists():
        begun = context.Event()
        process = context.Process(target=fit_or_resume, args=(tmp_path, begun, model))
        process.start()
        assert begun.wait(60)
        if n_killed < 20:
            time.sleep(rng.uniform(0.0, 0.1))
            process.kill()
        process.join()
        n_killed += process.exitcode == -signal.SIGKILL
        if result.exists():
            resumed = pickle.loads(result.read_bytes())
            assert_same_fit(resumed, copy.deepcopy(expected))
            result.unlink()
            (tmp_path / "rbm").unlink()
        else:
            assert process.exitcode == -signal.SIGKILL


def test_tasks_of_a_stack_and_of_what_is_fine_tuned():
    """A task per layer, with that machine's epochs in it where callbacks go down."""
    X, y = digits()
    inner, outer = HistoryMonitor(), Watch()
    dbn = DBN((6, 4), rbm=rbm_of(n_iter=2).set_callbacks(inner), up_down_iter=2)
    dbn.set_callbacks(outer).fit(X)
    names = [name for kind, name in outer.tasks[1:-1] if kind == "end"]
    assert names == ["layer", "layer", "epoch", "epoch", "wake-sleep", "fit"]
    assert outer.fitted[2].n_up_down_iter_ == 1
    rows = [row for log in inner.get_logs(select="all") for row in log.data]
    assert len(rows) == 4
    monitor, outer = HistoryMonitor(), Watch()
    net = DBNClassifier(6, max_iter=3, rbm=rbm_of(n_iter=2), random_state=0, tol=0.0)
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
    dbn = DBN(6, rbm=rbm_of(n_iter=1), up_down_iter=9).set_callbacks(
        Watch(stop_after=3)
    )
    assert dbn.fit(X).n_up_down_iter_ == 2  # after the layer
    net = DBNClassifier(6, dbn=dbn, max_iter=9).set_callbacks(Watch(stop_after=2))
    assert net.fit(X, y).n_iter_ == 2


def test_fine_tuning_of_a_deep_machine_is_followed():
    X, y = digits()
    outer, inner = Watch(), Watch()
    dbm = DBM(rbm=rbm_of(n_iter=1), n_iter=2).set_callbacks(inner)
    net = DBMClassifier((6, 4), dbm=dbm, max_iter=2, learning_rate_schedule="linear")
    net.set_callbacks(outer).fit(X, y)
    names = [name for kind, name in outer.tasks[1:-1] if kind == "end"]
    assert names == ["pretraining", *["epoch"] * 2, "fine-tuning", "fit"]
    assert inner.tasks.count(("end", "epoch")) == 2
    assert_array_equal(outer.fitted[2].predict(X), net.predict(X))


def test_bars_of_a_stack(capsys):
    pytest.importorskip("rich")
    DBN((6, 4), rbm=rbm_of(n_iter=2)).set_callbacks(ProgressBar()).fit(digits()[0])
    printed = capsys.readouterr().out
    assert "DBN" in printed
    assert "BernoulliRBM" in printed


def test_checkpoints_are_of_machines(tmp_path):
    checkpoint = Checkpoint(tmp_path / "rbm")
    for kind in (DBN, DBNClassifier, DBMClassifier):
        with pytest.raises(TypeError, match="set it on the machine"):
            kind(6).set_callbacks(checkpoint).fit(*digits())
