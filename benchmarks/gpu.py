"""Training on a GPU, by PyTorch tensors: steps, fine-tuning, and time to a likelihood.

    SCIPY_ARRAY_API=1 python benchmarks/gpu.py [steps] [tuning] [likelihood]
    SCIPY_ARRAY_API=1 python benchmarks/gpu.py --device=cpu --small

Without a name it does all three. "steps" are milliseconds of a PCD-1 step with as many
chains as rows, beside the bare matrix products of the step, in single precision with
and without TF32, and beside those of the package rbms where it is installed; skebm does
not compute in bfloat16, in which the bare products are timed too. "tuning" are steps of
a DBNClassifier, 784-500-500-2000-10. "likelihood" fits to thresholded MNIST (it needs
SKEBM_DATA) in more and more epochs, anew each time, until the mean log-likelihood of
the test rows by annealed importance sampling is -73 nats, and prints the seconds.

With --small it does little, for a trial on the processor: that says nothing of GPUs.
"""

import sys
import time
from statistics import median

import numpy as np
import sklearn
import torch
from throughput import repeated_products

from skebm import BernoulliRBM, DBNClassifier

N_VISIBLE, GOAL, ROUNDS = 784, -73.0, 3

# Hidden units and rows in a batch, of which there are so many in an epoch.
SIZES, BATCHES, N_BATCHES = (500, 4096), (100, 500, 2000, 10_000), 100
LAYERS, TUNED_BATCHES = (500, 500, 2000), (100, 1000)

# Of the fits to a likelihood; they were not tuned on a GPU.
EPOCHS = (10, 30, 100, 300)
FIT = {"batch_size": 200, "n_chains": 2000, "n_gibbs_steps": 5, "random_state": 0}


def use_tf32(is_on):
    torch.backends.cuda.matmul.allow_tf32 = is_on


def seconds(function, device):
    """The median time of some calls, after a first one, with all that it started."""
    times = []
    for _ in range(ROUNDS + 1):
        begin = time.perf_counter()
        function()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - begin)
    return median(times[1:])


def bits(n_rows, device):
    """Random rows of zeros and ones, on the device."""
    draws = torch.Generator(device=device).manual_seed(0)
    return (torch.rand(n_rows, N_VISIBLE, device=device, generator=draws) < 0.2).float()


def products(n_hidden, batch_size, n_batches, dtype, device):
    """The matrix products of so many PCD-1 steps with a chain for each row."""
    hidden, stacked, means, W = (
        torch.rand(shape, device=device, dtype=dtype)
        for shape in (
            (batch_size, n_hidden),
            (2 * batch_size, N_VISIBLE),
            (2 * batch_size, n_hidden),
            (N_VISIBLE, n_hidden),
        )
    )
    return repeated_products(hidden, stacked, means, W, n_batches)


def an_epoch(X, n_hidden, batch_size):
    """An epoch more of a fit."""
    rbm = BernoulliRBM(
        n_hidden, batch_size=batch_size, n_chains=batch_size, random_state=0
    )
    return lambda: rbm.partial_fit(X)


def an_epoch_of_rbms(X, n_hidden, batch_size):
    """The same by the package rbms; None if it is not there."""
    try:
        from rbms.bernoulli_bernoulli.classes import BBRBM
        from rbms.training.pcd import fit_batch_pcd
    except ImportError:
        return None
    options = {"device": X.device, "dtype": X.dtype}
    rbm = BBRBM(
        weight_matrix=0.01 * torch.randn(N_VISIBLE, n_hidden, **options),
        vbias=torch.zeros(N_VISIBLE, **options),
        hbias=torch.zeros(n_hidden, **options),
    )
    for x in rbm.parameters():
        x.grad = torch.zeros_like(x)
    descent = torch.optim.SGD(rbm.parameters(), lr=0.1, maximize=True)
    chains, weights = rbm.init_chains(batch_size), torch.ones(batch_size, **options)

    def run():
        nonlocal chains
        for rows in X.split(batch_size):
            chains, _ = fit_batch_pcd(
                (rows, weights), chains, rbm, gibbs_steps=1, beta=1.0
            )
            descent.step()

    return run


def steps(device, small):
    """Milliseconds of a step, and the share of the bare products' rate."""
    sizes, batches, n = SIZES, BATCHES, N_BATCHES
    if small:
        sizes, batches, n = (32,), (100,), 5
    print(f"{'hidden':>6} {'rows':>6} {'precision':>9} {'skebm':>9} {'products':>9}")
    modes = [("float32", False)] + [("TF32", True)] * (device.type == "cuda")
    for n_hidden in sizes:
        for batch_size in batches:
            X = bits(n * batch_size, device)
            for name, is_on in modes:
                use_tf32(is_on)
                ours = seconds(an_epoch(X, n_hidden, batch_size), device)
                bare = products(n_hidden, batch_size, n, torch.float32, device)
                bare = seconds(bare, device)
                words = f"{n_hidden:6} {batch_size:6} {name:>9}"
                words += f" {1e3 * ours / n:6.3f} ms {1e3 * bare / n:6.3f} ms"
                words += f", {bare / ours:.0%} of their rate"
                theirs = an_epoch_of_rbms(X, n_hidden, batch_size)
                if theirs is not None:
                    words += f"; rbms {1e3 * seconds(theirs, device) / n:.3f} ms"
                print(words, flush=True)
            bare = products(n_hidden, batch_size, n, torch.bfloat16, device)
            ms = 1e3 * seconds(bare, device) / n
            print(f"{n_hidden:6} {batch_size:6}  bfloat16 {'':9} {ms:6.3f} ms")
    use_tf32(False)


def tuning(device, small):
    """Milliseconds of a step of fine-tuning."""
    layers, batches, n = LAYERS, TUNED_BATCHES, N_BATCHES
    if small:
        layers, batches, n = (16, 16, 32), (100,), 5
    for batch_size in batches:
        X = bits(n * batch_size, device)
        y = torch.arange(X.shape[0], device=device) % 10
        model = DBNClassifier(
            layers,
            rbm=BernoulliRBM(n_iter=1, batch_size=1000),
            batch_size=batch_size,
            random_state=0,
        )
        model.partial_fit(X, y, classes=np.arange(10))
        ms = 1e3 * seconds(lambda m=model, X=X, y=y: m.partial_fit(X, y), device) / n
        print(f"fine-tuning {layers}, {batch_size:5} rows: {ms:.3f} ms", flush=True)


def likelihood(device, small):
    """Seconds until the test rows have the log-likelihood that is asked for."""
    from datasets import mnist  # which needs its files

    X, _, test, _ = mnist()
    n_hidden, epochs, n_rows = 1024, EPOCHS, len(X)
    if small:
        n_hidden, epochs, n_rows = 32, (1,), 2000
    X, test = (
        torch.asarray((rows > 127).astype(np.float32), device=device)
        for rows in (X[:n_rows], test[:n_rows])
    )
    for n_iter in epochs:
        rbm = BernoulliRBM(n_hidden, n_iter=n_iter, **FIT)
        begin = time.perf_counter()
        rbm.fit(X)
        time_taken = time.perf_counter() - begin
        log_z = rbm.log_partition("ais", n_betas=200 if small else 5000)
        score = -float(rbm.free_energy(test).mean()) - log_z.value
        print(
            f"thresholded MNIST, {n_hidden} hidden units, {n_iter} epochs, "
            f"{time_taken:.0f} s: {score:.2f} nats, log Z in "
            f"[{log_z.lower:.1f}, {log_z.upper:.1f}]",
            flush=True,
        )
        if score >= GOAL:
            return
    print(f"{GOAL:g} nats were not reached.")


def main(args):
    modes = {"steps": steps, "tuning": tuning, "likelihood": likelihood}
    options = {arg for arg in args if arg.startswith("--")}
    names = [arg for arg in args if arg not in options] or list(modes)
    if not set(names) <= set(modes) or not options <= {"--device=cpu", "--small"}:
        sys.exit(__doc__)
    if "--device=cpu" not in options and not torch.cuda.is_available():
        sys.exit(
            "benchmarks/gpu.py needs a GPU that PyTorch can use, and there is none "
            "(torch.cuda.is_available() is False). For a trial of it without one, add "
            "--device=cpu --small."
        )
    device = torch.device("cpu" if "--device=cpu" in options else "cuda")
    what = "the processor" if device.type == "cpu" else torch.cuda.get_device_name()
    print(f"PyTorch {torch.__version__} on {what}")
    with sklearn.config_context(array_api_dispatch=True):
        for name in names:
            modes[name](device, "--small" in options)


if __name__ == "__main__":
    main(sys.argv[1:])
