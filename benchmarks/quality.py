"""Time to quality: held-out log-likelihood against seconds of training.

    SKEBM_DATA=folder python benchmarks/quality.py [data] [--peers] [--parameter=value]

`data` is one of DATA: by default "thresholded", which is MNIST at 1/2. The parameters
are those of BernoulliRBM, as in --n_iter=24 --n_gibbs_steps=2. There is a line for each
minute of training (without the time for the measurement) and one at the end, with
log Z from annealing in both directions.

With --peers, other packages' machines of the same size follow, where these packages are
installed. Each trains for as many seconds, by its own defaults but for batches of 100
rows, and its parameters are scored in the same way. rbms has large batches and many
Gibbs steps by default; there is a line for these, and one for 100 rows and one step.

Published, 500 hidden units: thresholded, -84.86 by forward and -96.61 by reverse
annealing after 78 minutes (PyDeep's documentation); stochastic, -86.34 (Salakhutdinov
and Murray 2008, CD-25); silhouettes, -107.8 (Cho et al., as quoted by others).
"""

import argparse
import importlib.util
import os
import time
from pathlib import Path

import numpy as np
from datasets import grey_mnist_and_binary_test, mnist
from parameters import parsed
from sklearn.neural_network import BernoulliRBM as SklearnRBM

from skebm import BernoulliRBM

# Temperatures on the way, and at the end.
N_BETAS, LAST_N_BETAS = 400, 2000
BATCH_SIZE, SECONDS_A_LINE = 100, 60


class EachMinute:
    """Callback that calls `report` after each minute that is spent in epochs."""

    def __init__(self, report):
        self.report, self.seconds, self.begin = report, 0.0, None

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.begin = time.perf_counter()

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "epoch":
            before = self.seconds
            self.seconds += time.perf_counter() - self.begin
            if self.seconds // SECONDS_A_LINE > before // SECONDS_A_LINE:
                self.report("skebm", fitted_estimator, self.seconds)


def thresholded():
    X, _, X_test, _ = mnist()
    return X > 127, X_test > 127, {}


def flipped():
    X, X_test, params = thresholded()
    return ~X, ~X_test, params


def stochastic():
    """Grey training rows, drawn from anew in each epoch; test rows drawn once."""
    return *grey_mnist_and_binary_test(), {"sample_inputs": True}


def silhouettes():
    path = Path(os.environ["SKEBM_DATA"]) / "caltech101_silhouettes28.npz"
    with np.load(path) as data:
        return data["X_train"], data["X_test"], {}


DATA = {f.__name__: f for f in (thresholded, flipped, stochastic, silhouettes)}


def scikit_learn(X, n_hidden, seconds):
    """Batch by batch, as its fit does, until the time is over."""
    rbm, rng = (
        SklearnRBM(n_hidden, batch_size=BATCH_SIZE, random_state=0),
        np.random.default_rng(0),
    )
    rbm.partial_fit(X[:BATCH_SIZE])
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        order = rng.permutation(len(X))
        for first in range(0, len(X), BATCH_SIZE):
            rbm.partial_fit(X[order[first : first + BATCH_SIZE]])
    return rbm.components_, rbm.intercept_hidden_, rbm.intercept_visible_


def learnergy(X, n_hidden, seconds):
    """CD-1, epoch after epoch, until the time is over."""
    import torch
    from learnergy.models.bernoulli import RBM

    torch.manual_seed(0)
    rows = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.zeros(len(X)))
    rbm = RBM(X.shape[1], n_hidden)
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        rbm.fit(rows, batch_size=BATCH_SIZE, epochs=1)
    return tuple(x.detach().numpy() for x in (rbm.W.T, rbm.b, rbm.a))


def rbms(X, n_hidden, seconds, batch_size=2000, n_gibbs_steps=100, n_chains=2000):
    """PCD with a normalised gradient, update after update, until the time is over."""
    import torch
    from rbms.bernoulli_bernoulli.classes import BBRBM
    from rbms.dataset.dataset_class import RBMDataset
    from rbms.parser import default_args
    from rbms.training.pcd import fit_batch_pcd

    torch.manual_seed(0)
    cpu, weights = torch.device("cpu"), np.ones((len(X), 1), dtype=np.float32)
    dataset = RBMDataset(
        data=X,
        labels=np.zeros(len(X)),
        weights=weights,
        names=np.arange(len(X)).astype(str),
        dataset_name="rows",
        is_binary=True,
        device=cpu,
    )
    machine = BBRBM.init_parameters(n_hidden, dataset, cpu, torch.float32)
    for parameter in machine.parameters():
        parameter.grad = torch.zeros_like(parameter)
    chains = machine.init_chains(n_chains)
    optimiser = torch.optim.SGD(
        machine.parameters(), lr=default_args["learning_rate"], maximize=True
    )
    rows, weights = torch.from_numpy(X), torch.from_numpy(weights)
    begin = time.perf_counter()
    with torch.no_grad():
        while time.perf_counter() - begin < seconds:
            batch = torch.randperm(len(X))[:batch_size]
            optimiser.zero_grad(set_to_none=False)
            chains, _ = fit_batch_pcd(
                (rows[batch], weights[batch]), chains, machine, n_gibbs_steps, 1.0
            )
            optimiser.step()
    found = (machine.weight_matrix.T, machine.hbias, machine.vbias)
    return tuple(x.numpy() for x in found)


def rbms_small(X, n_hidden, seconds):
    return rbms(X, n_hidden, seconds, BATCH_SIZE, 1, BATCH_SIZE)


PEERS = {
    "sklearn": [scikit_learn],
    "learnergy": [learnergy],
    "rbms": [rbms, rbms_small],
}


def as_skebm(params, X):
    """A machine of ours with another's parameters, and chains that start at rows."""
    rbm = BernoulliRBM(params[0].shape[0], n_iter=0, random_state=0).fit(X)
    for name, values in zip(
        ("components_", "intercept_hidden_", "intercept_visible_"), params, strict=True
    ):
        setattr(rbm, name, np.ascontiguousarray(values, dtype=np.float32))
    draws = np.random.default_rng(0)
    probabilities = rbm.transform(X[draws.choice(len(X), BATCH_SIZE, replace=False)])
    rbm.h_samples_ = (draws.random(probabilities.shape) < probabilities) * np.float32(1)
    return rbm


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", nargs="?", default="thresholded", choices=DATA)
    parser.add_argument("--peers", action="store_true")
    known, others = parser.parse_known_args()
    X, X_test, params = DATA[known.data]()
    params = {"n_components": 500, "n_iter": 24, "n_gibbs_steps": 2, **params}
    params |= parsed(others)
    print(f"{known.data}, {X.shape[0]} rows: {params}", flush=True)

    def report(name, rbm, seconds, n_betas=N_BETAS):
        log_z = rbm.log_partition("ais", n_betas=n_betas)
        F = rbm.free_energy(X_test).mean(dtype=np.float64)
        pseudo = rbm.pseudo_log_likelihood(X_test[:1000]).mean(dtype=np.float64)
        print(
            f"{name:13} {seconds:6.0f} s, epoch {rbm.n_iter_:3}: "
            f"{-F - log_z.value:8.2f} between {-F - log_z.upper:.2f} "
            f"and {-F - log_z.lower:.2f}, {log_z.effective_samples:.1f} effective "
            f"runs; pseudo-log-likelihood {pseudo:.2f}",
            flush=True,
        )

    clock = EachMinute(report)
    rbm = BernoulliRBM(random_state=0).set_params(**params).set_callbacks(clock).fit(X)
    report("skebm", rbm.set_callbacks(), clock.seconds, LAST_N_BETAS)
    for package, trainers in PEERS.items() if known.peers else ():
        if importlib.util.find_spec(package) is None:
            print(f"{package} is not installed")
            continue
        for train in trainers:
            begin = time.perf_counter()
            rows = X.astype(np.float32)
            found = train(rows, params["n_components"], clock.seconds)
            seconds = time.perf_counter() - begin
            report(train.__name__, as_skebm(found, X), seconds, LAST_N_BETAS)


if __name__ == "__main__":
    main()
