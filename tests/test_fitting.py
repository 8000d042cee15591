"""What all fits have in common: their ends by interruption, failure, and full disks."""

import errno
import os
import pickle
import tempfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from skebm import (
    DBM,
    DBN,
    BernoulliRBM,
    DBMClassifier,
    DBNClassifier,
    DBNRegressor,
    _stacking,
)
from tests.test_callbacks import digits, layers_of
from tests.test_checkpoint import everything, network_of, stack_of

# Interruption


class CtrlC:
    """A callback by which the user interrupts a fit, after so many hooks of a task."""

    max_propagation_depth = None

    def __init__(self, after, name="epoch", hook="end"):
        self.after, self.name, self.hook, self.seen = after, name, hook, []

    def setup(self, estimator, context):
        pass

    teardown = setup

    def on_fit_task_begin(self, estimator, context):
        self.seen.append(f"{type(estimator).__name__} {context.task_name}")
        self.count(context, "begin")

    def on_fit_task_end(self, estimator, context):
        self.count(context, "end")

    def count(self, context, hook):
        self.after -= (context.task_name, hook) == (self.name, self.hook)
        if self.after == 0:
            self.after = -1
            raise KeyboardInterrupt


def interrupted(model, after, words):
    """The model and what it began, after an interruption that warns once."""
    X, y = digits()
    ctrl_c = CtrlC(after)
    with pytest.warns(UserWarning, match=f"interrupted by user {words}") as caught:
        model.set_callbacks(ctrl_c).fit(X, y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    return model, ctrl_c.seen


@pytest.mark.parametrize(
    ("after", "words", "n_layers", "n_passes"),
    [
        (1, "in layer 1 of 2, after 1 of 2 epochs: what was learnt", 1, 0),
        (3, "in layer 2 of 2, after 1 of 2 epochs: what", 2, 0),
        (6, "after 2 of 3 epochs", 2, 2),
    ],
)
def test_a_stack_keeps_its_layers(after, words, n_layers, n_passes):
    dbn, seen = interrupted(stack_of(up_down_iter=3), after, words)
    assert len(dbn.rbms_) == n_layers
    assert dbn.n_up_down_iter_ == n_passes
    assert dbn.n_iter_ == after
    assert dbn.transform(digits()[0]).shape == (300, (8, 6)[n_layers - 1])
    assert seen.count("DBN layer") == 0  # it is the task of the machine
    assert sum(task.endswith("epoch") for task in seen) == after


@pytest.mark.parametrize(
    ("kind", "after"),
    [
        *(
            (kind, after)
            for kind in (DBNClassifier, DBNRegressor)
            for after in (1, 3, 5)
        ),
        (DBMClassifier, 3),
        (DBMClassifier, 5),
    ],
)
def test_a_network_keeps_its_pretraining(kind, after):
    """Interrupted in there, it is the network that fine-tuning would begin with."""
    rbm = {"rbm": layers_of()}
    if kind is DBMClassifier:
        rbm = {"dbm": DBM(rbm=layers_of(), n_iter=2)}
    model = network_of(kind, **rbm)
    n_pretrained = 6 if kind is DBMClassifier else 4
    fine_tuned = max(0, after - n_pretrained)
    words = f"after {after - 4} of 3" if fine_tuned else "in pretraining"
    model, _ = interrupted(model, after, words)
    assert model.n_iter_ == len(model.loss_curve_) == fine_tuned
    assert model.predict(digits()[0]).shape == (300,)
    inner = model.dbm_ if kind is DBMClassifier else model.dbn_
    n_layers = 1 if after == 1 else 2
    assert len(model.coefs_) == 1 + n_layers
    if not fine_tuned:
        lowest = inner.components_[0] if kind is DBMClassifier else inner.components_
        assert_array_equal(model.components_, lowest)


def test_a_network_keeps_its_iterations_of_lbfgs(monkeypatch):
    from skebm.core import fine_tuning

    objective, calls = fine_tuning.objective, []

    def counted(*args):
        calls.append(1)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return objective(*args)

    monkeypatch.setattr(fine_tuning, "objective", counted)
    X, y = digits()
    model = network_of(DBNClassifier, rbm=layers_of(), solver="lbfgs", max_iter=50)
    with pytest.warns(UserWarning, match=r"after \d+ iterations of L-BFGS"):
        model.fit(X, y)
    assert 0 < model.n_iter_ == len(model.loss_curve_) < 12
    assert model.score(X, y) > 0.1


def test_an_interruption_of_what_is_between_the_epochs(monkeypatch):
    """While features are computed, a layer is judged, or the posterior is found."""
    X, y = digits()
    with monkeypatch.context() as patch:
        patch.setattr(_stacking, "features", once_interrupted(_stacking.features, 2))
        with pytest.warns(UserWarning, match="in layer 2 of 2, before its end"):
            dbn = stack_of().fit(X)
        assert len(dbn.rbms_) == 1
    from skebm import _fine_tuned

    with monkeypatch.context() as patch:
        patch.setattr(_fine_tuned, "computed", once_interrupted(_fine_tuned.computed))
        dbm = DBM(rbm=layers_of(), n_iter=1)
        with pytest.warns(UserWarning, match="before the first epoch"):
            net = network_of(DBMClassifier, dbm=dbm).fit(X, y)
        assert net.n_iter_ == 0
        assert net.predict(X).shape == (300,)
    from skebm.core import training

    with monkeypatch.context() as patch:
        start = once_interrupted(training.start, 3)
        patch.setattr(training, "start", start)
        with pytest.warns(UserWarning, match="before the first epoch"):
            dbm = DBM((8, 6), rbm=layers_of(), n_iter=2).fit(X)
        assert dbm.n_iter_ == 0
        assert np.isfinite(dbm.score(X))


def once_interrupted(function, call=1):
    """The function, which the user interrupts in one of its calls."""
    calls = []

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return function(*args, **kwargs)

    return interrupted


@pytest.mark.parametrize("name", ["layer", "wake-sleep", "fine-tuning", "fit"])
@pytest.mark.parametrize("hook", ["begin", "end"])
def test_an_interruption_of_a_callback_loses_nothing(name, hook):
    X, y = digits()
    ctrl_c = CtrlC(1, name, hook)
    ctrl_c.max_propagation_depth = 0
    kind = network_of if name == "fine-tuning" else stack_of
    model = kind(rbm=layers_of()).set_callbacks(ctrl_c)
    if hook == "begin" and name in {"fit", "layer"}:
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y)
        assert vars(model).keys() == {*vars(clone(model)), "_skl_callbacks"}
        return
    with pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(X, y)
    assert model.transform(X).shape[0] == 300


def test_an_interruption_of_a_pass_undoes_all_of_it():
    """Also where it comes once a machine has done its part."""
    X = digits()[0]
    dbn = DBN((8, 6), rbm=layers_of(), random_state=0).fit(X)
    dbn.rbms_[0].set_callbacks(CtrlC(1))
    before = everything(dbn)
    with pytest.raises(KeyboardInterrupt):
        dbn.partial_fit(X)
    assert everything(dbn) == before


@pytest.mark.parametrize("model", [stack_of(), network_of(), network_of(DBMClassifier)])
def test_before_anything_is_done_an_interruption_is_an_exception(model, monkeypatch):
    from skebm.core import training

    monkeypatch.setattr(training, "train_epoch", once_interrupted(None))
    model = clone(model)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*digits())
    assert vars(model).keys() == vars(clone(model)).keys()


# Divergence


@pytest.mark.parametrize("method", ["partial_fit", "fit"])
@pytest.mark.parametrize("kind", [BernoulliRBM, DBM])
def test_a_pass_that_diverges_leaves_no_trace(kind, method):
    """Else a single bad cell is in the means for good, and each later pass diverges."""
    X = digits()[0]
    bad = X.copy()
    bad[3, 2] = 9.96921e36  # what netCDF writes for a missing value
    model = kind(6, random_state=0, warm_start=True).fit(X)
    before = everything(model)
    with (
        pytest.warns(UserWarning, match="ranges from"),
        pytest.raises(FloatingPointError, match="diverged in epoch 11"),
    ):
        getattr(model, method)(bad)
    assert everything(model) == before
    getattr(model, method)(X)


def test_what_was_trained_before_a_failure_is_kept_by_the_exception():
    X, y = digits()
    net = network_of(rbm=layers_of(), learning_rate_init=1e300)
    with pytest.raises(FloatingPointError, match="of fine-tuning") as caught:
        net.fit(X, y)
    assert not hasattr(net, "dbn_")
    error = pickle.loads(pickle.dumps(caught.value))  # as from another process
    (dbn,) = error.parts
    assert "`parts`" in error.__notes__[0]
    assert network_of(dbn=dbn).fit(X, y).score(X, y) > 0.1
    wild = layers_of(learning_rate=1e60)
    with pytest.raises(FloatingPointError, match="layer 2 of 2") as caught:
        DBN((8, 6), rbm=[layers_of(), wild]).fit(X)
    assert [rbm.n_components for rbm in caught.value.parts] == [8]
    assert len(caught.value.__notes__) == 1
    # Of all failures, as of a callback's.
    with pytest.raises(ZeroDivisionError) as caught:
        network_of(rbm=layers_of()).set_callbacks(Breaks()).fit(X, y)
    assert isinstance(caught.value.parts[0], DBN)


class Breaks(CtrlC):
    """A callback with a fault, after the first epoch of fine-tuning."""

    max_propagation_depth = 0

    def __init__(self):
        super().__init__(1)

    def on_fit_task_end(self, estimator, context):
        return context.task_name == "epoch" and 1 / 0


# Disks


def test_a_full_temporary_folder_is_an_error_before_the_layer(tmp_path, monkeypatch):
    """To write to a map of a file for which there is no room would end the process."""
    np.save(tmp_path / "X.npy", digits()[0])
    X = np.load(tmp_path / "X.npy", mmap_mode="r")

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"9,600 bytes.*TMPDIR") as caught:
        DBN((8, 6), rbm=layers_of(), random_state=0).fit(X)
    assert caught.value.errno == errno.ENOSPC
    assert len(caught.value.parts) == 1


@pytest.mark.parametrize("known", [True, False])
def test_room_is_reserved_and_not_only_promised(known, monkeypatch):
    if not known:
        monkeypatch.delattr(os, "posix_fallocate")
    n_bytes = 3 * 2**20 + 5
    with tempfile.TemporaryFile() as file:
        _stacking.reserve(file, n_bytes)
        status = os.fstat(file.fileno())
    assert status.st_size == n_bytes
    assert 512 * status.st_blocks >= n_bytes


@pytest.mark.parametrize("model", [stack_of(), network_of(rbm=layers_of())])
def test_names_of_features_are_those_of_the_last_fit(model):
    pandas = pytest.importorskip("pandas")
    X, y = digits()
    model = clone(model).fit(pandas.DataFrame(X).add_prefix("pixel"), y)
    assert len(model.feature_names_in_) == 64
    model.fit(X[:, :40], y)
    assert model.n_features_in_ == 40
    assert not hasattr(model, "feature_names_in_")
