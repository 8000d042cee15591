"""Fits to rows that are spread over the processes of a cluster."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("distributed")

import dask
from dask import delayed
from distributed import Client, LocalCluster

import skebm.dask
from skebm import DBN, BernoulliRBM, GaussianRBM
from tests.test_rounds import apart, assert_same, model, patterns


@pytest.fixture(scope="module")
def cluster():
    """Four workers, each a process, of which tests take some away."""
    with LocalCluster(
        n_workers=4, threads_per_worker=1, dashboard_address=None, memory_limit=None
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
