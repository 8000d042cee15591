"""Full disks, folders that are gone, callbacks that fail, and threads."""

import os
import pickle
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from joblib import Parallel, delayed
from numpy.testing import assert_array_equal

from skebm import DBM, DBN, BernoulliRBM, Checkpoint

from .every import KINDS, small

X = (np.random.default_rng(0).random((60, 6)) < 0.5) * 1.0
Y = X[:, 0].astype(int)

# What can be asked of one model by several threads, and gives the same each time.
QUERIES = "transform", "predict_proba", "predict", "score_samples", "reconstruct"
N_THREADS = 8

short = pytest.mark.filterwarnings("ignore:Fine-tuning did not converge")


class Callback:
    """Does something at a task of a fit that is told of, by its number."""

    def __init__(self, act, at):
        self.act, self.at, self.n = act, at, 0

    def setup(self, estimator, context):
        self.tell()

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.tell()

    def on_fit_task_end(self, estimator, context, **kwargs):
        self.tell()

    def tell(self):
        self.n += 1
        if self.n == self.at:
            self.act()


@contextmanager
def disk_of(n_bytes):
    """No file of this process can become longer: as where the disk is full."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def machines():
    return [
        BernoulliRBM(4, n_iter=6, random_state=0),
        DBM((4, 3), rbm=BernoulliRBM(n_iter=2), n_iter=6, random_state=0),
    ]


@pytest.mark.parametrize("machine", machines(), ids=lambda e: type(e).__name__)
def test_a_disk_that_is_full_from_some_epoch_on(tmp_path, machine):
    """The fit goes on; the last checkpoint is whole, and nothing lies beside it."""
    usual = machine.fit(X).components_ if hasattr(machine, "n_components") else None
    path = tmp_path / "fit.checkpoint"
    checkpoint = Checkpoint(path)
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))

    try:
        machine.set_callbacks(checkpoint, Callback(fill, at=7))
        with pytest.warns(UserWarning, match="could not be written: .*File too large"):
            machine.fit(X)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    resumed = Checkpoint(path).resume(X)
    if usual is not None:
        assert_array_equal(machine.components_, usual)
        assert_array_equal(resumed.components_, usual)


@pytest.mark.parametrize("machine", machines(), ids=lambda e: type(e).__name__)
def test_a_disk_that_is_full_from_the_beginning(tmp_path, machine):
    machine.set_callbacks(Checkpoint(tmp_path / "fit.checkpoint"))
    with disk_of(10), pytest.raises(OSError, match="File too large"):
        machine.fit(X)
    assert not hasattr(machine, "n_iter_")
    assert list(tmp_path.iterdir()) == []
    assert machine.fit(X).n_iter_ == 6  # once there is room


def test_a_folder_that_is_gone_after_some_epochs(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    rbm = BernoulliRBM(4, n_iter=6, random_state=0)
    usual = rbm.fit(X).components_
    gone = Callback(lambda: shutil.rmtree(folder), at=7)
    rbm.set_callbacks(Checkpoint(folder / "fit.checkpoint"), gone)
    with pytest.warns(UserWarning, match="could not be written.*The fit goes on"):
        rbm.fit(X)
    assert_array_equal(rbm.components_, usual)


def test_a_folder_that_cannot_be_written_to(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o555)
    if os.access(folder, os.W_OK):  # so it is for root
        folder = Path("/proc")
        if not folder.is_dir():
            pytest.skip("all folders can be written to")
    dbm = DBM((4, 3), random_state=0)
    dbm.set_callbacks(Checkpoint(folder / "fit.checkpoint"))
    with pytest.raises(OSError, match=r"fit\.checkpoint"):
        dbm.fit(X)
    assert not hasattr(dbm, "n_iter_")


def test_no_room_for_the_rows_of_a_layer(tmp_path, monkeypatch):
    """An error that says where, and no signal that ends the process."""
    if not hasattr(os, "posix_fallocate"):
        pytest.skip("files are filled with zeros in its place")
    np.save(tmp_path / "rows.npy", np.tile(X, (20, 1)))
    rows = np.load(tmp_path / "rows.npy", mmap_mode="r")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dbn = DBN((50, 4), rbm=BernoulliRBM(n_iter=1), random_state=0)
    with disk_of(10_000), pytest.raises(OSError, match="TMPDIR to a folder with room"):
        dbn.fit(rows)
    assert not hasattr(dbn, "rbms_")
    assert len(dbn.fit(rows).rbms_) == 2


class Failure(Exception):
    pass


def fail():
    raise Failure("of a callback")


WITH_CALLBACKS = [kind for kind in KINDS if hasattr(kind, "set_callbacks")]


@short
@pytest.mark.parametrize("kind", WITH_CALLBACKS, ids=lambda kind: kind.__name__)
def test_a_callback_that_fails_leaves_the_estimator_as_it_was(kind):
    """Wherever before the end of the fit: unfitted, or fitted as it was."""
    counter = Callback(fail, at=None)
    small(kind).set_callbacks(counter).fit(X, Y)
    assert counter.n > 3
    new, fitted = small(kind), small(kind).fit(X, Y)
    for at in range(1, counter.n):
        for estimator in (new, fitted):
            before = pickle.dumps(vars(estimator.set_callbacks()))
            estimator.set_callbacks(Callback(fail, at))
            with pytest.raises(Failure):
                estimator.fit(X, Y)
            assert pickle.dumps(vars(estimator.set_callbacks())) == before


def drawn(model, n_rows=10):
    """A sample: of classifiers with classes, in the last column."""
    found = model.sample(n_rows, random_state=0)
    return np.column_stack(found) if isinstance(found, tuple) else found


def answers(model):
    """What a model says of the rows, and a sample of it."""
    names = [name for name in QUERIES if hasattr(model, name)]
    found = [getattr(model, name)(X) for name in names]
    return [*found, drawn(model)] if hasattr(model, "sample") else found


def fitted_answers(kind):
    """The same of a model that is fitted where this runs."""
    return answers(small(kind).fit(X, Y))


@short
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_threads_that_query_one_model_at_once(kind):
    model = small(kind).fit(X, Y)
    queries = [getattr(model, name) for name in QUERIES if hasattr(model, name)]
    assert queries
    jobs = [(query, query(X)) for query in queries] * N_THREADS
    if hasattr(model, "sample"):
        jobs += [(lambda X: drawn(model), drawn(model))] * N_THREADS
    with ThreadPoolExecutor(N_THREADS) as pool:
        found = list(pool.map(lambda job: job[0](X), jobs))
    for answer, (_, expected) in zip(found, jobs, strict=True):
        assert_array_equal(answer, expected)


@short
def test_other_processes_and_threads_fit_and_say_the_same():
    """Of all kinds: fitted here and asked there, and fitted there."""
    models = [small(kind).fit(X, Y) for kind in KINDS]
    expected = [answers(model) for model in models]
    for backend in ("loky", "threading"):
        with Parallel(n_jobs=2, backend=backend) as pool:
            asked = pool(delayed(answers)(model) for model in models)
            fitted = pool(delayed(fitted_answers)(kind) for kind in KINDS)
        for found in (asked, fitted):
            for one, other in zip(found, expected, strict=True):
                for x, y in zip(one, other, strict=True):
                    assert_array_equal(x, y)
