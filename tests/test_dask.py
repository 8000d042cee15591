"""Fits to rows that are spread over the processes of a cluster."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.model_selection import GridSearchCV

pytest.importorskip("distributed")

import dask
import dask.array as da
import joblib
from dask import delayed
from distributed import Client, LocalCluster

import skebm.dask
from skebm import (
    DBM,
    DBN,
    BernoulliRBM,
    CategoricalRBM,
    Checkpoint,
    DBNClassifier,
    GaussianRBM,
    HistoryMonitor,
    RBMClassifier,
)
from skebm._dask_rows import checked_client
from skebm._places import as_bits, from_bits
from skebm.core.algorithms import Tempered
from tests.test_rounds import apart, assert_same, model, patterns

pd = pytest.importorskip("pandas")

# With --dist=loadgroup all are in one process, and there is one cluster.
pytestmark = pytest.mark.xdist_group("cluster")


@pytest.fixture(scope="module")
def cluster():
    """Four workers, each a process, of which tests take some away."""
    with LocalCluster(
        n_workers=4, threads_per_worker=1, dashboard_address=":0", memory_limit=None
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client(cluster):
    with Client(cluster) as client:
        yield client


def estimators():
    """Of all kinds whose training carries something else."""
    return [
        BernoulliRBM(4, n_iter=2, batch_size=10, momentum=0.5, random_state=0),
        BernoulliRBM(4, n_iter=2, batch_size=10, algorithm="pt", random_state=0),
        GaussianRBM(4, n_iter=2, batch_size=10, random_state=0),
        DBN((4, 3), rbm=BernoulliRBM(n_iter=1, batch_size=10), random_state=0),
    ]


def here(estimator, X, n_parts, weights=None):
    """What is fitted in this process, by the same parts."""
    return model(estimator.fit(apart(X, n_parts, weights)))


def told(folder, X):
    """X, once the process that asks for it has said so in a folder."""
    (Path(folder) / str(os.getpid())).touch()
    return X


def killing(flag, X):
    """X; but where the file `flag` is, it is removed, and the process killed."""
    if os.path.exists(flag):
        os.remove(flag)
        os.kill(os.getpid(), signal.SIGKILL)
    return X


class AtEnd:
    """Callback that does something after the first epoch."""

    def __init__(self, do):
        self.do, self.n_epochs = do, 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch":
            self.n_epochs += 1
            if self.n_epochs == 1:
                self.do()


@pytest.mark.parametrize("n_workers", [4, 2, 1])
def test_the_fit_is_the_same_with_any_number_of_workers(
    rng, client, tmp_path, n_workers
):
    """Bit for bit, and the same as in one process."""
    X, weights = patterns(rng, 400), np.tile(np.float32([0.5, 1.5]), 200)
    numbers = np.array_split(np.arange(400), 10)
    parts = [delayed(told)(str(tmp_path), X[i]) for i in numbers]
    workers = list(client.scheduler_info()["workers"])[:n_workers]
    for estimator in estimators():
        whole = here(estimator, X, 10, weights)
        with dask.annotate(workers=workers):
            found = skebm.dask.fit(
                estimator,
                parts,
                sample_weight=[weights[i] for i in numbers],
                steps_per_round=2,
            )
        assert_same(model(found), whole)
    assert len(list(tmp_path.iterdir())) == n_workers


def test_a_worker_that_is_killed_changes_nothing(rng, client, tmp_path):
    """In the middle of a round, with what it has done in it."""
    X, flag = patterns(rng, 400), tmp_path / "kill"
    numbers = np.array_split(np.arange(400), 10)
    parts = [delayed(killing)(str(flag), X[i]) for i in numbers]
    estimator, kill = estimators()[0], AtEnd(flag.touch)
    whole = here(estimator, X, 10)
    found = skebm.dask.fit(estimator.set_callbacks(kill), parts, steps_per_round=2)
    assert kill.n_epochs == 2
    assert not flag.exists()
    assert_same(model(found), whole)


def test_chains_are_sent_as_bits(rng):
    """And come back as they were, also where they are not of zeros and ones."""
    binary = (rng.random((7, 5)) < 0.5).astype(np.float32)
    given = Tempered([None, binary, rng.normal(size=(3, 2))], (1.0, 0.0))
    sent = as_bits(given)
    assert sent.layers[1].bits.nbytes == 5  # 35 bits
    found = from_bits(sent)
    assert found.betas == given.betas
    assert found.layers[0] is None
    assert_same(found.layers, given.layers)
    assert from_bits(as_bits(None)) is None


def rbm_of(**params):
    params = {"n_iter": 2, "batch_size": 10, "random_state": 0, **params}
    return BernoulliRBM(4, **params)


def in_parts(kind, X, folder, client):
    """X in three parts of a kind."""
    numbers = np.array_split(np.arange(len(X)), 3)
    parts = [X[i] for i in numbers]
    if kind == "array":
        sizes = tuple(len(i) for i in numbers)
        return da.from_array(X, chunks=((*sizes, 0), -1))
    if kind == "zarr":
        pytest.importorskip("zarr")
        path = str(folder / "X.zarr")
        da.from_array(X, chunks=(len(numbers[0]), -1)).to_zarr(path)
        return da.from_zarr(path)
    if kind == "parquet":
        pytest.importorskip("pyarrow")
        frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(X.shape[1])])
        for index, rows in enumerate(numbers):
            frame.iloc[rows].to_parquet(folder / f"part.{index}.parquet")
        read = pytest.importorskip("dask.dataframe").read_parquet
        return read(folder).to_dask_array(lengths=True)
    if kind == "paths":
        paths = [folder / f"{i}.npy" for i in range(3)]
        for path, part in zip(paths, parts, strict=True):
            np.save(path, part)
        return paths
    make = {
        "arrays": lambda part: part,
        "futures": client.scatter,
        "sparse": sparse.csr_array,
        "frames": pd.DataFrame,
    }[kind]
    return [make(part) for part in parts]


@pytest.mark.parametrize(
    "kind",
    ["array", "zarr", "parquet", "paths", "arrays", "futures", "sparse", "frames"],
)
def test_parts_may_be_of_any_kind(rng, client, tmp_path, kind):
    X = patterns(rng, 90)
    if kind == "frames":
        X = X.astype(np.float64)  # as the frames of a fit are computed in
    whole = here(rbm_of(), X, 3)
    rows = in_parts(kind, X, tmp_path, client)
    found = skebm.dask.fit(rbm_of(), rows, steps_per_round=2, client=client)
    assert_same(model(found), whole)
    H = skebm.dask.transform(found, rows)
    H = np.concatenate(dask.compute(*H)) if isinstance(H, list) else H.compute()
    assert_allclose(H, found.transform(X), rtol=1e-6)


@pytest.mark.parametrize("kind", ["list", "array"])
def test_parts_without_rows_are_left_out(rng, client, kind):
    X, weights = patterns(rng, 90), np.tile([1.0, 3.0], 45)
    sizes, empty = [0, 30, 0, 60], X[:0]
    whole = skebm.dask.fit(
        rbm_of(), [X[:30], X[30:]], sample_weight=[weights[:30], weights[30:]]
    )
    rows, given = [empty, X[:30], empty, X[30:]], [[], weights[:30], [], weights[30:]]
    if kind == "array":
        rows, given = da.from_array(X, chunks=(tuple(sizes), -1)), weights
    found = skebm.dask.fit(rbm_of(), rows, sample_weight=given)
    assert_same(model(found), model(whole))
    H = skebm.dask.transform(found, rows)
    parts = dask.compute(*(H if kind == "list" else H.to_delayed().ravel()))
    assert [len(part) for part in parts] == sizes
    assert all(part.shape[1:] == (found.components_.shape[0],) for part in parts)
    with pytest.raises(ValueError, match="no rows"):
        skebm.dask.transform(found, rows[:1] if kind == "list" else rows[:0])


@pytest.mark.parametrize("kind", ["numpy", "dask"])
def test_weights_of_a_dask_array(rng, client, kind):
    X, weights = patterns(rng, 90), np.tile([1.0, 3.0], 45)
    whole = here(rbm_of(), X, 3, (weights / 2).astype(np.float32))
    if kind == "dask":
        weights = da.from_array(weights, chunks=20)
    rows = da.from_array(X, chunks=(30, -1))
    found = skebm.dask.fit(rbm_of(), rows, sample_weight=weights, steps_per_round=2)
    assert_same(model(found), whole)


def test_a_fit_on_a_cluster_goes_on_after_any_round(rng, client, tmp_path):
    X, flag = patterns(rng, 90), tmp_path / "fail"
    numbers = np.array_split(np.arange(90), 3)
    parts = [delayed(failing)(str(flag), X[i]) for i in numbers]
    checkpoint, history = Checkpoint(tmp_path / "fit"), HistoryMonitor()
    rbm = rbm_of().set_callbacks(checkpoint, AtEnd(flag.touch))
    with pytest.raises(ConnectionError):
        skebm.dask.fit(rbm, parts, steps_per_round=2)
    flag.unlink()
    with pytest.raises(ValueError, match="the same rows"):
        skebm.dask.resume(checkpoint, parts, steps_per_round=1)
    resumed = skebm.dask.resume(
        checkpoint, parts, steps_per_round=2, callbacks=[history]
    )
    assert_same(model(resumed), here(rbm_of(), X, 3))
    assert len(history.get_logs().data) == 1  # the other epoch was before


def failing(flag, X):
    """X; an error while the file `flag` is there."""
    if os.path.exists(flag):
        raise ConnectionError
    return X


def test_queries_are_answered_by_chunks(rng, client):
    X = patterns(rng, 90)
    y = np.where(X[:, 0] > 0, "a", "b")
    rows = da.from_array(X, chunks=(40, -1))
    rbm = BernoulliRBM(20, random_state=0).fit(X)  # log Z is annealed, and at once
    found = skebm.dask.score_samples(rbm, rows)
    assert found.chunks == ((40, 40, 10),)
    assert_allclose(found.compute(), rbm.score_samples(X), rtol=1e-6)
    H = skebm.dask.transform(rbm, rows)
    assert (H.shape, H.dtype) == ((90, 20), np.float32)
    classifier = RBMClassifier(3, n_iter=2, random_state=0).fit(X, y)
    found = skebm.dask.predict(classifier, rows)
    assert found.dtype == y.dtype
    assert_array_equal(found.compute(), classifier.predict(X))
    proba = skebm.dask.predict_proba(classifier, rows)
    assert proba.shape == (90, 2)
    assert_allclose(proba.compute(), classifier.predict_proba(X), rtol=1e-6)


def test_queries_take_chunks_of_unknown_sizes(rng, client):
    X = patterns(rng, 90)
    rbm = rbm_of().fit(X)
    rows = da.from_array(X, chunks=(40, -1))
    H = skebm.dask.transform(rbm, rows[rows[:, 0] > 0]).compute()
    assert_allclose(H, rbm.transform(X[X[:, 0] > 0]), rtol=1e-6)


X = np.zeros((20, 4), np.float32)
NAN = np.where(np.arange(4) == 2, np.float32(np.nan), X)
ROWS = da.from_array(X, chunks=(10, -1))


@pytest.mark.parametrize(
    ("rows", "weights", "error", "words"),
    [
        (ROWS[ROWS[:, 0] < 1], None, ValueError, "compute_chunk_sizes"),
        (ROWS.rechunk((10, 2)), None, ValueError, "2 chunks of columns"),
        (ROWS[:, 0], None, ValueError, "2 dimensions"),
        (X, None, TypeError, "a list of parts"),
        ([], None, ValueError, "no parts"),
        ([X, NAN], None, ValueError, "NaN"),
        ([X, X[:, :3]], None, ValueError, "Part 1 of the rows has 3 columns"),
        ([X[:0], X, X[:, :3]], None, ValueError, "Part 2 of the rows has 3 columns"),
        ([X, X.astype(float)], None, ValueError, "Part 1 .* float64"),
        ([X[:0], X[:0]], None, ValueError, "no rows"),
        (ROWS[:0], None, ValueError, "no rows"),
        ([X, X], np.ones(40), ValueError, "list of as many, 2"),
        ([X], [np.ones(19)], ValueError, "sample_weight"),
        ([X], [-np.ones(20)], ValueError, "Negative"),
        (ROWS, np.zeros(20), ValueError, "non-zero"),
        (ROWS, np.ones(19), ValueError, r"\(20,\)"),
    ],
)
def test_bad_rows_are_refused(client, rows, weights, error, words):
    rbm = rbm_of()
    with pytest.raises(error, match=words):
        skebm.dask.fit(rbm, rows, sample_weight=weights)
    assert not hasattr(rbm, "components_")


def test_of_which_part_rows_are_bad(client):
    with pytest.raises(ValueError, match="NaN") as caught:
        skebm.dask.fit(rbm_of(), [X, X, NAN])
    assert caught.value.__notes__ == ["This is of part 2 of the rows."]
    chunks = ((0, len(X), len(NAN)), X.shape[1])
    with pytest.raises(ValueError, match="NaN") as caught:
        skebm.dask.fit(rbm_of(), da.from_array(np.concatenate([X, NAN]), chunks))
    assert caught.value.__notes__ == ["This is of part 2 of the rows."]
    for rows, weights in (([X, None], None), ([X, X[:0]], [np.ones(len(X)), [1.0]])):
        with pytest.raises((TypeError, ValueError)) as caught:
            skebm.dask.fit(rbm_of(), rows, sample_weight=weights)
        assert caught.value.__notes__ == ["This is of part 1 of the rows."]


def test_parts_may_be_lists(client):
    parts = [X.tolist(), X.tolist()]
    rbm = skebm.dask.fit(rbm_of(), parts)
    first, _ = skebm.dask.transform(rbm, parts)
    assert_allclose(first.compute(), rbm.transform(X), rtol=1e-6)


def test_warnings_of_the_workers_are_given_once(client):
    with pytest.warns(UserWarning, match=r"\[0, 1\]") as caught:
        skebm.dask.fit(rbm_of(), [X + 2, X + 2])
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (rbm_of(early_stopping=True), "early_stopping"),
        (DBN(rbm=BernoulliRBM(early_stopping=True)), "early_stopping"),
        (DBN(up_down_iter=1), "wake-sleep"),
        (CategoricalRBM(), "one-hot"),
        (DBM(), "no DBM"),
        (DBNClassifier(), "no DBNClassifier"),
    ],
)
def test_what_cannot_be_fitted_is_refused(client, estimator, words):
    with pytest.raises(TypeError, match=words):
        skebm.dask.fit(estimator, ROWS)


def test_without_a_client(monkeypatch):
    def get_client():
        raise ValueError("No global client found and no address provided")

    monkeypatch.setattr("skebm._dask_rows.get_client", get_client)
    with pytest.raises(ValueError, match="no Dask client"):
        checked_client(None)


class Answering:
    """A client of workers that have these versions."""

    def __init__(self, *versions):
        self.versions = versions

    def run(self, function):
        return {f"tcp://{k}": v for k, v in enumerate(self.versions)}


def test_workers_without_skebm_are_refused():
    good = Answering(skebm.__version__, skebm.__version__)
    assert checked_client(good) is good
    with pytest.raises(ValueError, match="1 of the workers, such as tcp://1, have no"):
        checked_client(Answering(skebm.__version__, None))
    with pytest.raises(ValueError, match=r"have skebm 0\.0"):
        checked_client(Answering("0.0"))


def test_what_asks_for_versions_is_understood_without_skebm(client):
    """The workers need nothing of it to say that they have none."""
    assert checked_client(client) is client


def test_divergence_is_told(client, rng):
    rbm = GaussianRBM(4, learning_rate=1e200, n_iter=3, random_state=0)
    with pytest.raises(FloatingPointError, match="Lower learning_rate"):
        skebm.dask.fit(rbm, [rng.normal(size=(40, 3))])


def test_searches_run_on_a_cluster_by_joblib(rng, client):
    """The same as in this process, with what callbacks record."""
    X = patterns(rng, 60)
    found = {}
    for backend in ("sequential", "dask"):
        monitor = HistoryMonitor()
        rbm = rbm_of().set_callbacks(monitor)
        search = GridSearchCV(rbm, {"learning_rate": [0.1, 0.01]}, cv=2)
        with joblib.parallel_config(backend=backend):
            search.fit(X)
        logs = monitor.get_logs().data
        found[backend] = search.cv_results_["mean_test_score"], len(logs)
    (scores, n_logs), (expected, n_expected) = found["dask"], found["sequential"]
    assert_array_equal(scores, expected)
    assert n_logs == n_expected > 0
