"""Checkpoints: a fit that is killed and resumed ends as one that was not."""

import copy
import errno
import multiprocessing
import os
import pickle
import signal
import time

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skebm import (
    DBM,
    DBN,
    VAE,
    BernoulliRBM,
    CategoricalRBM,
    Checkpoint,
    ConditionalVAE,
    DBMClassifier,
    DBNClassifier,
    DBNRegressor,
    DeepAutoencoder,
    GaussianRBM,
    HistoryMonitor,
    MixedRBM,
    MultinomialRBM,
    RatingRBM,
    RBMClassifier,
)
from skebm._checkpoint import Writer, write_checkpoint
from tests.test_callbacks import dbm_of, digits, layers_of, rbm_of

# Fits of all kinds, with all that goes from epoch to epoch.


def gaps():
    X, _ = digits()
    X[::2, 10:30] = np.nan
    return X


def counts():
    return np.round(digits()[0] * 4)


def stack_of(**params):
    params = {"rbm": layers_of(momentum=0.5), "up_down_iter": 2, **params}
    return DBN((8, 6), random_state=0, **params)


def network_of(kind=DBNClassifier, **params):
    params = {"learning_rate_schedule": "linear", "max_iter": 3, **params}
    return kind((8, 6), random_state=0, **params)


def vae_of(kind=VAE, **params):
    params = {"hidden_layer_sizes": (6,), "n_iter": 5, "kl_warmup": 2, **params}
    return kind(3, random_state=0, **params)


def labels():
    return digits()[1]


def ratings():
    """Of 16 levels of grey, five, a third of them unknown; sparse."""
    X, known = np.ceil(load_digits().data[:300] / 4), np.ones((300, 64), bool)
    known[::2, 10:30] = known[1::3, 40:] = False
    return sparse.csr_array((X[known], np.nonzero(known)), X.shape)


def ratings_of(**params):
    return RatingRBM(**{"n_components": 6, "n_iter": 4, "random_state": 0, **params})


STOPPING = {"early_stopping": True, "n_iter_no_change": 2, "learning_rate": 1.0}


def words(share=0.0):
    """Rows with a column of text, one of two values, and of numbers; with gaps."""
    X = digits()[0]
    table = (X[:, 20:24] + np.linspace(0.0, 0.4, len(X))[:, None]).astype(object)
    table[:, 0] = np.where(X[:, 20] > 0.5, "dark", "light")
    table[:, 1] = np.rint(4 * X[:, 21])
    table[:, 2] = X[:, 22] > 0.3
    table[np.random.default_rng(0).random(table.shape) < share] = None
    return table


FITS = {
    "rbm": (rbm_of(), digits()[0], None),
    "rbm, cd": (rbm_of(algorithm="cd", momentum=0.5, shuffle=False), digits()[0], None),
    "rbm, pt": (rbm_of(algorithm="pt"), digits()[0], None),
    "rbm, stopping": (rbm_of(**STOPPING), digits()[0], None),
    "rbm, gaps": (rbm_of(momentum=0.5), gaps(), None),
    "rbm, gaps, stopping": (rbm_of(**STOPPING), gaps(), None),
    "rbm, warm": (rbm_of(warm_start=True, momentum=0.5), digits()[0], None),
    "counts": (MultinomialRBM(8, n_iter=4, random_state=0), counts(), None),
    "counts, stopping": (
        MultinomialRBM(8, n_iter=6, random_state=0, **STOPPING),
        counts(),
        None,
    ),
    "rbm, bits": (rbm_of(), digits()[0] > 0, None),
    "real values": (
        GaussianRBM(6, random_state=0, n_iter=4, momentum=0.5),
        digits()[0],
        None,
    ),
    "real values, gaps": (
        GaussianRBM(6, random_state=0, n_iter=4, **STOPPING),
        gaps(),
        None,
    ),
    "categories": (CategoricalRBM(6, n_iter=4, random_state=0), words()[:, :3], None),
    "categories, gaps": (
        CategoricalRBM(6, n_iter=4, random_state=0),
        words(0.2)[:, :3],
        None,
    ),
    "table": (MixedRBM(6, random_state=0, n_iter=4, **STOPPING), words(0.2), None),
    "correlated table": (
        MixedRBM(6, random_state=0, n_iter=4, covariance_type="full"),
        gaps(),
        None,
    ),
    "table, warm": (
        MixedRBM(6, random_state=0, n_iter=3, warm_start=True),
        words(),
        None,
    ),
    "table, dbm": (
        DBM(
            (6, 4),
            rbm=[MixedRBM(n_iter=2), BernoulliRBM(n_iter=2)],
            n_iter=2,
            random_state=0,
        ),
        words(),
        None,
    ),
    "table, network": (
        network_of(rbm=[MixedRBM(n_iter=2), BernoulliRBM(n_iter=2)]),
        words(),
        labels(),
    ),
    "ratings": (ratings_of(), ratings(), None),
    "ratings, warm": (ratings_of(warm_start=True, momentum=0.0), ratings(), None),
    "ratings, stopping": (
        ratings_of(early_stopping=True, n_iter_no_change=1, learning_rate=0.5),
        ratings().astype(np.float32),
        None,
    ),
    "classes": (RBMClassifier(8, n_iter=4, random_state=0), digits()[0], labels()),
    "classes, some": (
        RBMClassifier(8, n_iter=4, dropout=0.2, unlabeled=9, random_state=0),
        digits()[0],
        labels(),
    ),
    "classes, stopping": (
        RBMClassifier(8, n_iter=6, random_state=0, **STOPPING),
        digits()[0],
        labels(),
    ),
    "classes, warm": (
        RBMClassifier(8, objective="generative", n_iter=3, warm_start=True).set_params(
            algorithm="cd", random_state=0
        ),
        digits()[0],
        labels(),
    ),
    "dbm": (dbm_of(momentum=0.5), digits()[0], None),
    "dbm, pt": (dbm_of(algorithm="pt"), digits()[0], None),
    "dbm, stopping": (dbm_of(**STOPPING), digits()[0], None),
    "dbm, warm": (dbm_of(warm_start=True), digits()[0], None),
    "dbn": (stack_of(), digits()[0], None),
    "dbn, no wake-sleep": (stack_of(up_down_iter=0), digits()[0], None),
    "dbn, a generator": (
        DBN((8, 6), rbm=layers_of(), random_state=np.random.RandomState(0)),
        digits()[0],
        None,
    ),
    "network": (network_of(dbn=stack_of()), digits()[0], labels()),
    "network, few labels": (
        network_of(rbm=layers_of(), adversarial_radius=0.5, unlabeled=-1),
        digits()[0],
        np.where(np.arange(len(labels())) < 100, labels(), -1),
    ),
    "network, sgd": (network_of(solver="sgd", dropout=0.2), digits()[0], labels()),
    "network, stopping": (
        network_of(rbm=layers_of(), early_stopping=True, max_iter=5),
        digits()[0],
        labels(),
    ),
    "autoencoder": (network_of(DeepAutoencoder, dbn=stack_of()), digits()[0], None),
    "autoencoder, stopping": (
        network_of(
            DeepAutoencoder,
            rbm=BernoulliRBM(n_iter=2),
            tied_weights=True,
            input_dropout=0.1,
            early_stopping=True,
        ),
        digits()[0],
        None,
    ),
    "autoencoder, real values": (
        network_of(
            DeepAutoencoder,
            rbm=[GaussianRBM(n_iter=2), BernoulliRBM(n_iter=2)],
            loss="squared",
        ),
        digits()[0],
        None,
    ),
    "vae": (vae_of(), digits()[0], None),
    "vae, stopping": (
        vae_of(decoder="gaussian", n_importance_samples=2, early_stopping=True),
        digits()[0],
        None,
    ),
    "vae, warm": (vae_of(warm_start=True, sample_inputs=True), digits()[0], None),
    "vae, classes": (
        vae_of(ConditionalVAE, unlabeled=3, early_stopping=True),
        digits()[0],
        labels(),
    ),
    "vae, classes, warm": (
        vae_of(ConditionalVAE, warm_start=True),
        digits()[0],
        labels(),
    ),
    "network, lbfgs": (
        network_of(DBNRegressor, rbm=layers_of(), solver="lbfgs", tol=0.1),
        digits()[0],
        labels() / 9,
    ),
    "network, warm": (network_of(warm_start=True), digits()[0], labels()),
    "deep network": (
        network_of(DBMClassifier, dbm=DBM(rbm=layers_of(), n_iter=2)),
        digits()[0],
        labels(),
    ),
}


def everything(value):
    """All that a fit leaves, but for its callbacks, with arrays as digests."""
    if isinstance(value, np.ndarray) and value.dtype == object:
        return value.tolist()  # the bytes of objects are where they lie
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, joblib.hash(value.tobytes())
    if isinstance(value, list | tuple):
        return [everything(x) for x in value]
    if isinstance(value, np.random.RandomState):
        return everything(value.get_state())
    if isinstance(value, dict):
        left = sorted(value.items(), key=lambda item: str(item[0]))
        return {k: everything(v) for k, v in left if k != "_skl_callbacks"}
    return everything(vars(value)) if hasattr(value, "__dict__") else repr(value)


def fitted(name):
    """A fit in peace. A warm start is the second one of two."""
    model, X, y = FITS[name]
    model = copy.deepcopy(model)
    if getattr(model, "warm_start", False):
        model.fit(X, y)
    return model, X, y


@pytest.mark.filterwarnings("ignore:L-BFGS did not")
@pytest.mark.parametrize("name", FITS)
def test_resumed_after_any_epoch_it_is_the_same_bit_for_bit(
    name, tmp_path, monkeypatch
):
    """From a copy of each checkpoint: of each epoch of each layer, and before them."""
    model, X, y = fitted(name)
    whole = copy.deepcopy(model).fit(X, y)
    saved, offer, begin = [], Writer.offer, Writer.begin

    def kept(method):
        def keep(self, *args):
            saved.append(pickle.dumps(args[-1]()))
            method(self, *args)

        return keep

    monkeypatch.setattr(Writer, "offer", kept(offer))
    monkeypatch.setattr(Writer, "begin", kept(begin))
    with_checkpoints = model.set_callbacks(Checkpoint(tmp_path / "fit")).fit(X, y)
    monkeypatch.undo()
    assert everything(with_checkpoints) == everything(whole)
    n_epochs = {"rbm": 6, "dbm": 10, "dbn": 6, "network": 9, "deep network": 9}
    assert len(saved) == 1 + n_epochs.get(name, len(saved) - 1)
    for payload in saved:
        resumed = pickle.loads(payload)._resume_fit(X, y)
        assert everything(resumed) == everything(whole)
        assert not hasattr(resumed, "_unfinished")


def test_what_is_loaded_is_fitted_as_far_as_it_came(tmp_path):
    X, y = digits()
    checkpoint = Checkpoint(tmp_path / "rbm", every=4)
    rbm_of().set_callbacks(checkpoint).fit(X)
    assert checkpoint.load().n_iter_ == 4
    assert checkpoint.load().transform(X).shape == (300, 8)
    checkpoint = Checkpoint(tmp_path / "network", every=3)
    net = network_of(rbm=layers_of(), max_iter=4).set_callbacks(checkpoint)
    with pytest.raises(RuntimeError, match="power cut"):
        net.set_callbacks(checkpoint, Fails(after=3, name="epoch")).fit(X, y)
    # Four epochs of pretraining, and two after these.
    assert checkpoint.load().n_iter_ == 2
    assert checkpoint.load().predict(X).shape == (300,)
    inner = checkpoint.load().dbn_
    assert inner.score(X) < 0


class Fails:
    """A callback that ends a fit by an error, in place of a power cut."""

    def __init__(self, after, name="epoch"):
        self.after, self.name = after, name

    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context):
        self.after -= context.task_name == self.name
        if self.after == 0:
            raise RuntimeError("power cut")


def interrupted(checkpoint, model=None, X=None, **params):
    """A checkpoint of a fit that failed in its third epoch."""
    X = digits()[0] if X is None else X
    model = rbm_of(**params) if model is None else model
    with pytest.raises(RuntimeError, match="power cut"):
        model.set_callbacks(checkpoint, Fails(3)).fit(X)
    return checkpoint


# The same rows


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        sparse.csr_matrix,
        sparse.csc_array,
        lambda X: X.astype(np.float64),
        lambda X: X.astype(bool),
        lambda X: X.astype(np.int64).tolist(),
        lambda X: X * -1.0 * -1.0 - 0.0 * X,
    ],
)
@pytest.mark.parametrize("first", [np.asarray, np.float64])
def test_equal_rows_may_come_in_another_container(tmp_path, change, first):
    X = digits()[0]
    whole = rbm_of().fit(first(X))
    resumed = interrupted(Checkpoint(tmp_path / "rbm"), X=first(X)).resume(change(X))
    assert everything(resumed) == everything(whole)
    # Before the first epoch, too.
    checkpoint = Checkpoint(tmp_path / "begun")
    with pytest.raises(RuntimeError):
        rbm_of().set_callbacks(checkpoint, Fails(1, "fit")).fit(first(X))
    begun = pickle.loads(pickle.dumps(checkpoint.load()))
    assert everything(begun._resume_fit(change(X))) == everything(whole)


def test_rows_of_another_library_are_refused(tmp_path):
    """In both directions; those of the same one go on."""
    torch = pytest.importorskip("torch")
    X = digits()[0]
    with config_context(array_api_dispatch=True):
        of_both = (X, torch.asarray(X)), (torch.asarray(X), X)
        for number, (first, other) in enumerate(of_both):
            checkpoint = interrupted(Checkpoint(tmp_path / str(number)), X=first)
            with pytest.raises(ValueError, match="same array library and device"):
                checkpoint.resume(other)
            assert checkpoint.resume(first).n_iter_ == 6


def test_data_frames_keep_their_names(tmp_path):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(digits()[0]).add_prefix("pixel")
    checkpoint = interrupted(Checkpoint(tmp_path / "rbm"), X=X)
    for rows in (X, X.to_numpy()):
        resumed = checkpoint.resume(rows)
        assert_array_equal(resumed.feature_names_in_, X.columns)


def test_nan_is_nan_whatever_its_sign(tmp_path):
    X = gaps()
    checkpoint = interrupted(Checkpoint(tmp_path / "rbm"), X=X)
    assert checkpoint.resume(np.where(np.isnan(X), -X, X)).n_iter_ == 6


def test_other_rows_weights_and_labels_are_refused(tmp_path):
    X, y = digits()
    checkpoint = interrupted(Checkpoint(tmp_path / "rbm"))
    other = X.copy()
    other[7, 7] = 1.0 - other[7, 7]
    for rows in (X[::-1], X[:-1], other):
        with pytest.raises(ValueError, match=r"same rows.*partial_fit"):
            checkpoint.resume(rows)
    with pytest.raises(ValueError, match="same rows"):
        checkpoint.resume(X, sample_weight=np.arange(300.0))
    assert checkpoint.resume(X, sample_weight=np.full(300, 7.0)).n_iter_ == 6
    checkpoint = Checkpoint(tmp_path / "network")
    network_of(rbm=layers_of()).set_callbacks(checkpoint).fit(X, y)
    for labels in (y[::-1], np.array(list("abcdefghij"))[y]):
        with pytest.raises(ValueError, match="labels"):
            checkpoint.resume(X, labels)
    for labels in (y.astype(np.int8), y.astype(float), y.tolist(), y.astype(object)):
        assert checkpoint.resume(X, labels).n_iter_ == 3


def test_a_loaded_model_may_learn_from_other_rows(tmp_path):
    X, _ = digits()
    loaded = interrupted(Checkpoint(tmp_path / "rbm")).load().partial_fit(X[:100])
    assert loaded.n_iter_ == 4
    assert not hasattr(loaded, "_unfinished")
    checkpoint = Checkpoint(tmp_path / "passes")
    model = rbm_of().set_callbacks(checkpoint)
    model.partial_fit(X[:100]).partial_fit(X[100:])
    with pytest.raises(ValueError, match="go on with partial_fit"):
        checkpoint.resume(X)
    assert checkpoint.load().n_iter_ == 2


# One file, one fit


def test_a_fit_does_not_write_over_the_checkpoint_of_another(tmp_path):
    """Yesterday's model is not resumed as today's, and is not lost."""
    X, _ = digits()
    checkpoint = interrupted(Checkpoint(tmp_path / "rbm", every=2))
    today = rbm_of(n_components=64)
    with pytest.raises(FileExistsError, match=r"of another fit.*resume.*delete it"):
        today.set_callbacks(checkpoint).fit(X)
    assert not hasattr(today, "n_iter_")
    assert checkpoint.load().n_iter_ == 2
    assert checkpoint.resume(X).n_components == 8
    # Who goes on has the model, and may write over its file, but no other.
    warm = rbm_of(warm_start=True).set_callbacks(Checkpoint(tmp_path / "warm"))
    assert warm.fit(X).fit(X).n_iter_ == 12
    other = rbm_of(warm_start=True).fit(X).set_callbacks(*warm._skl_callbacks)
    for going_on in (other.fit, other.partial_fit):
        with pytest.raises(FileExistsError):
            going_on(X)
    assert other.n_iter_ == 6
    checkpoint = warm._skl_callbacks[0]
    loaded = checkpoint.load().set_callbacks(checkpoint)
    assert warm.partial_fit(X).n_iter_ == 13  # to look is not to take
    with pytest.raises(FileExistsError, match="copy of this estimator"):
        loaded.partial_fit(X)
    assert checkpoint.load().set_callbacks(checkpoint).partial_fit(X).n_iter_ == 14
    # Nor may the owner write over what has come in the place of its file.
    checkpoint.path.unlink()
    rbm_of(n_components=3).set_callbacks(Checkpoint(checkpoint.path)).fit(X)
    with pytest.raises(FileExistsError):
        warm.partial_fit(X)


def test_each_pass_is_saved(tmp_path):
    X, _ = digits()
    checkpoint = Checkpoint(tmp_path / "rbm", every=10)
    rbm = rbm_of().set_callbacks(checkpoint)
    for n_passes in (1, 2, 3):
        assert rbm.partial_fit(X).n_iter_ == checkpoint.load().n_iter_ == n_passes


def test_of_two_fits_at_once_one_is_refused(tmp_path):
    X, _ = digits()
    checkpoint, second = Checkpoint(tmp_path / "rbm"), []

    class FitsToo(Fails):
        def on_fit_task_end(self, estimator, context):
            with pytest.raises(FileExistsError):
                rbm_of(random_state=1).set_callbacks(checkpoint).fit(X)
            second.append(1)

    rbm = rbm_of().set_callbacks(checkpoint, FitsToo(0)).fit(X)
    assert len(second) == 6 + 1
    assert everything(checkpoint.resume(X)) == everything(rbm)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_is_refused(tmp_path, n_jobs):
    """Run again, it would find files of the first run, and count fits as failed."""
    X, y = digits()
    checkpoint = Checkpoint(tmp_path / "rbm")
    pipe = make_pipeline(
        rbm_of(n_iter=2).set_callbacks(checkpoint), LogisticRegression(max_iter=500)
    )
    search = GridSearchCV(pipe, {"bernoullirbm__n_components": [4, 8]}, n_jobs=n_jobs)
    with pytest.raises(ValueError, match="saves one fit, and a search makes many"):
        search.fit(X, y)
    assert not any(tmp_path.iterdir())
    assert pipe.fit(X, y)[0].n_iter_ == 2
    assert checkpoint.load().n_iter_ == 2


def test_parts_of_a_fit_have_no_checkpoints_of_their_own(tmp_path):
    X, y = digits()
    rbm = layers_of().set_callbacks(Checkpoint(tmp_path / "rbm"))
    dbm = DBM(n_iter=1).set_callbacks(Checkpoint(tmp_path / "dbm"))
    for model in (
        DBN((8, 6), rbm=rbm),
        DBN((8, 6), rbm=[layers_of(), rbm]),
        DBM((8, 6), rbm=rbm),
        DBNClassifier((8, 6), rbm=rbm),
        DBMClassifier((8, 6), dbm=dbm),
    ):
        with pytest.raises(TypeError, match="Set it on the estimator that is fitted"):
            model.fit(X, y)
        assert not any(tmp_path.iterdir())


# Files that are none, or cannot be written


def test_a_fit_whose_file_was_taken_leaves_it(tmp_path):
    """As where the user deletes it while the fit goes on, and starts another one."""
    X, _ = digits()
    checkpoint, other = Checkpoint(tmp_path / "rbm"), rbm_of(n_components=3, n_iter=2)

    class StartsAnother(Fails):
        def on_fit_task_end(self, estimator, context):
            self.after -= 1
            if self.after == 0:
                checkpoint.path.unlink()
                other.set_callbacks(Checkpoint(checkpoint.path)).fit(X)

    with pytest.warns(UserWarning, match="another fit has taken its place"):
        rbm_of().set_callbacks(checkpoint, StartsAnother(2)).fit(X)
    assert checkpoint.load().n_components == 3


def test_what_is_left_of_a_killed_write_is_removed_and_no_other_file(tmp_path):
    X, _ = digits()
    checkpoint = interrupted(Checkpoint(tmp_path / "rbm[1]"))
    left = tmp_path / "rbm[1].0123abcd.part"
    others = [tmp_path / x for x in ("rbm[1].mine.part", "rbm1.0123abcd.part")]
    for path in (left, *others):
        path.write_text("")
    checkpoint.resume(X)
    assert not left.exists()
    assert all(path.exists() for path in others)


def test_callbacks_are_not_saved_also_those_of_parts(tmp_path):
    X, _ = digits()
    inner = HistoryMonitor()
    inner.unpicklable = lambda: None
    dbn = DBN((8, 6), rbm=layers_of().set_callbacks(inner), random_state=0)
    checkpoint = Checkpoint(tmp_path / "dbn")
    whole = dbn.set_callbacks(checkpoint).fit(X)
    assert not hasattr(checkpoint.load().rbm, "_skl_callbacks")
    assert hasattr(whole.rbm, "_skl_callbacks")
    rbm = rbm_of().set_params(random_state=Unpicklable())
    with pytest.raises(TypeError, match="No checkpoint can be written"):
        rbm.set_callbacks(Checkpoint(tmp_path / "rbm")).fit(X)


class Unpicklable(np.random.RandomState):
    def __reduce__(self):
        raise TypeError("cannot pickle this one")


def test_files_that_are_no_checkpoints(tmp_path):
    X, _ = digits()
    checkpoint = Checkpoint(tmp_path / "rbm")
    with pytest.raises(FileNotFoundError):
        checkpoint.load()
    checkpoint.path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ValueError, match="not a checkpoint"):
        checkpoint.load()
    checkpoint.path.unlink()
    rbm_of().set_callbacks(checkpoint).fit(X)
    whole = checkpoint.path.read_bytes()
    for damaged in (whole[:-1], whole[:40], whole[:-1] + b"x"):
        checkpoint.path.write_bytes(damaged)
        with pytest.raises(ValueError, match="damaged"):
            checkpoint.resume(X)
    write_checkpoint(checkpoint.path, {"not": "an estimator"})
    with pytest.raises(ValueError, match="no estimator of skebm"):
        checkpoint.resume(X)
    checkpoint.path.write_bytes(b"")
    with pytest.raises(ValueError, match="is empty"):
        checkpoint.load()


def no_links(*args):
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("links", [True, False])
def test_a_new_checkpoint_never_replaces_a_file(tmp_path, monkeypatch, links):
    """Nor one that came after the path was seen to be free, as of a second fit."""
    if not links:
        monkeypatch.setattr("os.link", no_links)
    path = tmp_path / "rbm"
    write_checkpoint(path, "first", new=True)
    first = path.read_bytes()
    with pytest.raises(FileExistsError):
        write_checkpoint(path, "second", new=True)
    assert path.read_bytes() == first
    assert os.listdir(tmp_path) == ["rbm"]
    write_checkpoint(path, "second")
    assert path.read_bytes() != first


def full(*args):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_write_that_fails_later_warns_and_the_fit_goes_on(tmp_path, monkeypatch):
    X, _ = digits()
    checkpoint = Checkpoint(tmp_path / "rbm", every=2)

    class DiskFull(Fails):
        def on_fit_task_end(self, estimator, context):
            self.after -= 1
            if self.after == 0:
                monkeypatch.setattr("skebm._checkpoint_file.os.fsync", full)

    rbm = rbm_of().set_callbacks(checkpoint, DiskFull(3))
    with pytest.warns(UserWarning, match=r"No space.*The fit goes on") as caught:
        rbm.fit(X)
    assert len(caught) == 2
    assert caught[0].filename == __file__
    monkeypatch.undo()
    assert rbm.n_iter_ == 6
    assert [path.name for path in tmp_path.iterdir()] == ["rbm"]
    assert checkpoint.load().n_iter_ == 2


def test_what_cannot_be_written_at_all_is_an_error_before_the_fit(
    tmp_path, monkeypatch
):
    X, _ = digits()
    (tmp_path / "folder").mkdir()
    long = "x" * 300
    for name, error, words in (
        ("none/rbm", FileNotFoundError, "make it first"),
        ("folder", IsADirectoryError, "give that of a file in it"),
        (long, OSError, "name too long"),
    ):
        model = dbm_of().set_callbacks(Checkpoint(tmp_path / name))
        with pytest.raises(error, match=words):
            model.fit(X)
        assert not hasattr(model, "n_iter_")
    monkeypatch.setattr("skebm._checkpoint_file.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        rbm_of().set_callbacks(Checkpoint(tmp_path / "rbm")).fit(X)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    for bad in ("", "a\0b"):
        with pytest.raises(ValueError, match="path"):
            Checkpoint(bad)
    with pytest.raises(ValueError, match="every"):
        Checkpoint(tmp_path / "rbm", every=0)
    pipe = make_pipeline(rbm_of(), LogisticRegression())
    with pytest.raises(TypeError, match="estimators of skebm"):
        pipe.set_callbacks(Checkpoint(tmp_path / "rbm")).fit(X, digits()[1])


def test_a_file_system_without_links(tmp_path, monkeypatch):
    def refuse(*args):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("skebm._checkpoint_file.os.link", refuse)
    checkpoint = interrupted(Checkpoint(tmp_path / "rbm"))
    assert checkpoint.load().n_iter_ == 3
    with pytest.raises(FileExistsError):
        rbm_of().set_callbacks(checkpoint).fit(digits()[0])


def test_no_link_of_someone_else_is_followed(tmp_path):
    """In a folder that is shared, a link may lead to a file that should stay."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    os.symlink(victim, tmp_path / "rbm.part")
    interrupted(Checkpoint(tmp_path / "rbm"))
    assert victim.read_text() == "mine"
    os.symlink(victim, tmp_path / "second")
    with pytest.raises(FileExistsError):
        rbm_of().set_callbacks(Checkpoint(tmp_path / "second")).fit(digits()[0])
    assert victim.read_text() == "mine"


def test_a_fit_that_fails_at_once_leaves_no_file(tmp_path):
    """So the next try is not refused; one that fails later leaves what it has saved."""
    X, _ = digits()
    checkpoint = Checkpoint(tmp_path / "rbm")
    with pytest.raises(FloatingPointError):
        rbm_of(learning_rate=1e60).set_callbacks(checkpoint).fit(X)
    assert not checkpoint.path.exists()
    interrupted(checkpoint)
    assert checkpoint.path.exists()


# Killed


def shallow():
    return rbm_of(n_iter=300, n_gibbs_steps=2, momentum=0.5)


def deep():
    return dbm_of(n_iter=100, momentum=0.5, rbm=layers_of(n_iter=40))


def whole():
    """Layers, wake-sleep, and fine-tuning."""
    dbn = DBN((8, 6), rbm=layers_of(n_iter=40), up_down_iter=60)
    return network_of(dbn=dbn, max_iter=60)


def fit_or_resume(folder, begun, model):
    """The work of a process that gets killed."""
    X, y = digits()
    checkpoint = Checkpoint(folder / "rbm", every=2)
    begun.set()
    if checkpoint.path.exists():
        rbm = checkpoint.resume(X, y)
    else:
        rbm = model().set_callbacks(checkpoint).fit(X, y)
    (folder / "unseen").write_bytes(pickle.dumps(rbm.set_callbacks()))
    (folder / "unseen").rename(folder / "result")


@pytest.mark.parametrize("model", [shallow, deep, whole])
def test_killed_at_random_moments_and_resumed(tmp_path, model):
    """20 times by SIGKILL, and each fit ends as one in peace. It may take several."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["skebm", __name__])
    rng, n_killed, result = np.random.default_rng(), 0, tmp_path / "result"
    expected = everything(model().fit(*digits()))
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
            assert everything(pickle.loads(result.read_bytes())) == expected
            result.unlink()
            (tmp_path / "rbm").unlink()
        else:
            assert process.exitcode == -signal.SIGKILL
