"""Fitting to rows that are spread over a cluster, and queries of them, with Dask.

Client, scheduler and workers send each other pickles, which run the code that they
name: use a cluster only where you trust all of it.
"""

from numbers import Integral

from sklearn.utils import check_scalar

try:
    from ._dask_rows import by_parts, spread_rows
except ImportError as error:
    raise ImportError(
        "skebm.dask needs Dask: install it by `pip install skebm[dask]`."
    ) from error

__all__ = ["fit", "predict", "predict_proba", "resume", "score_samples", "transform"]


def fit(estimator, X, *, sample_weight=None, steps_per_round=50, client=None):
    """Fit an estimator to rows that are spread over the workers of a Dask cluster.

    Client, scheduler and workers send each other pickles, which run the code that they
    name: use a cluster only where you trust all of it.

    An epoch has rounds. In a round each part of the rows, where it lies, goes on from
    the same parameters for `steps_per_round` minibatches, with Markov chains and
    random numbers of its own. Then all go on from the mean of what they have come to,
    weighted by their rows for each of their steps [1]_ [2]_. The result depends on
    `random_state`, on the parts and on `steps_per_round`, but not on the number of
    workers, nor on whether one of them died on the way: it is the same, bit for bit,
    where workers have the same number of threads for linear algebra, as they have by
    default, one.

    Parameters
    ----------
    estimator : BernoulliRBM, GaussianRBM, MultinomialRBM or DBN
        What is fitted, by its own parameters. ``batch_size="auto"`` and `n_chains` are
        those of a part: batches of 12 rows in each of eight parts correspond to those
        of 100 on one machine. It has callbacks as in its own `fit`; they see `X` as an
        object that has a shape and no rows. A :class:`skebm.Checkpoint` is written
        after so many rounds as its `every` says.

    X : dask.array.Array of shape (n_samples, n_features), or list of parts
        The rows, with all entries. Of an array each chunk of rows is a part: its rows
        have to be in a single chunk of columns, and the sizes of the chunks have to be
        known. Parts in a list may be delayed objects, futures, NumPy arrays, SciPy
        matrices, data frames, or paths of ``.npy`` files that all workers can read, of
        which only the rows in use are in memory. A delayed part is computed again in
        each round, unless it was persisted. Parts and chunks without rows are left out.

    sample_weight : array-like of shape (n_samples,), or list, default=None
        Weights of the rows: where X is a list, a list of the weights of its parts.

    steps_per_round : int, default=50
        Most minibatches between two means. With fewer the fit is nearer to that of one
        machine, and more parameters are sent.

    client : distributed.Client, default=None
        The cluster, by default the client that was made last.

    Returns
    -------
    estimator : object
        The estimator that was given, fitted.

    Raises
    ------
    ValueError
        If X has no rows, chunks of unknown sizes or several chunks of columns, NaN or
        infinity, if parts do not fit together, if a weight is negative or all are zero,
        if there is no client, or if workers have no skebm or another version of it.
    TypeError
        If the estimator cannot be fitted so.
    FloatingPointError
        If the parameters become infinite or NaN: the learning rate is too high.

    References
    ----------
    .. [1] Stich, S. U. (2019). Local SGD converges fast and communicates little.
       International Conference on Learning Representations.
    .. [2] Wang, J., Liu, Q., Liang, H., Joshi, G. and Poor, H. V. (2020). Tackling the
       objective inconsistency problem in heterogeneous federated optimization. Advances
       in Neural Information Processing Systems 33.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import skebm.dask
    >>> from distributed import Client
    >>> from skebm import BernoulliRBM
    >>> X = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]] * 100)
    >>> rbm = BernoulliRBM(n_components=2, n_iter=100, random_state=0)
    >>> with Client(processes=False, dashboard_address=":0") as client:
    ...     rbm = skebm.dask.fit(rbm, da.from_array(X, chunks=(100, -1)))
    >>> bool(rbm.score(X) > rbm.score(1 - X))
    True
    """
    check_scalar(steps_per_round, "steps_per_round", Integral, min_val=1)
    rows = spread_rows(estimator, X, sample_weight, steps_per_round, client)
    return estimator.fit(rows)


def resume(
    checkpoint, X, *, sample_weight=None, steps_per_round=50, client=None, callbacks=()
):
    """Go on from a checkpoint of :func:`fit` to the end of the fit.

    Client, scheduler and workers send each other pickles, which run the code that they
    name: use a cluster only where you trust all of it.

    Parameters
    ----------
    checkpoint : Checkpoint
        That of the fit.
    X : dask.array.Array of shape (n_samples, n_features), or list of parts
        What was given to :func:`fit`, in the same parts.
    sample_weight : array-like of shape (n_samples,), or list, default=None
        What was given to :func:`fit`.
    steps_per_round : int, default=50
        What was given to :func:`fit`.
    client : distributed.Client, default=None
        The cluster, which may be another.
    callbacks : sequence of callbacks, default=()
        Further callbacks; checkpoints go on in any case.

    Returns
    -------
    estimator : object
        The fitted estimator, the same as if the fit had not been interrupted.

    Raises
    ------
    FileNotFoundError
        If there is no checkpoint yet.
    ValueError
        If the file is no checkpoint, or is damaged, or if what is given is not the
        same as in :func:`fit`.
    """
    estimator = checkpoint.load()
    check_scalar(steps_per_round, "steps_per_round", Integral, min_val=1)
    rows = spread_rows(estimator, X, sample_weight, steps_per_round, client)
    return checkpoint.resume(rows, callbacks=callbacks)


def transform(estimator, X):
    """Compute features of rows by chunks.

    Client, scheduler and workers send each other pickles, which run the code that they
    name: use a cluster only where you trust all of it.

    Nothing is computed before the result is asked for, but the first row, to see that
    it can be: then each chunk by itself, where it lies.

    Parameters
    ----------
    estimator : object
        A fitted estimator that has `transform`.
    X : dask.array.Array of shape (n_samples, n_features), or list of parts
        Rows, as in :func:`fit`; the sizes of chunks may be unknown.

    Returns
    -------
    X_new : dask.array.Array of shape (n_samples, n_features_out), or list of delayed
        What the estimator's `transform` gives.
    """
    return by_parts(estimator, "transform", X)


def score_samples(estimator, X):
    """Compute the log-likelihood of rows, or its bound, by chunks.

    Client, scheduler and workers send each other pickles, which run the code that they
    name: use a cluster only where you trust all of it.

    Nothing is computed before the result is asked for, but the first row, to see that
    it can be: then each chunk by itself, where it lies.

    Parameters
    ----------
    estimator : object
        A fitted estimator that has `score_samples`.
    X : dask.array.Array of shape (n_samples, n_features), or list of parts
        Rows, as in :func:`fit`; the sizes of chunks may be unknown.

    Returns
    -------
    log_likelihood : dask.array.Array of shape (n_samples,), or list of delayed
        What the estimator's `score_samples` gives, in nats: log Z is found once.
    """
    return by_parts(estimator, "score_samples", X)


def predict(estimator, X):
    """Predict the targets of rows by chunks.

    Client, scheduler and workers send each other pickles, which run the code that they
    name: use a cluster only where you trust all of it.

    Nothing is computed before the result is asked for, but the first row, to see that
    it can be: then each chunk by itself, where it lies.

    Parameters
    ----------
    estimator : object
        A fitted estimator that has `predict`.
    X : dask.array.Array of shape (n_samples, n_features), or list of parts
        Rows, as in :func:`fit`; the sizes of chunks may be unknown.

    Returns
    -------
    y : dask.array.Array of shape (n_samples,), or list of delayed
        What the estimator's `predict` gives.
    """
    return by_parts(estimator, "predict", X)


def predict_proba(estimator, X):
    """Predict the probabilities of classes by chunks.

    Client, scheduler and workers send each other pickles, which run the code that they
    name: use a cluster only where you trust all of it.

    Nothing is computed before the result is asked for, but the first row, to see that
    it can be: then each chunk by itself, where it lies.

    Parameters
    ----------
    estimator : object
        A fitted estimator that has `predict_proba`.
    X : dask.array.Array of shape (n_samples, n_features), or list of parts
        Rows, as in :func:`fit`; the sizes of chunks may be unknown.

    Returns
    -------
    proba : dask.array.Array of shape (n_samples, n_classes), or list of delayed
        What the estimator's `predict_proba` gives.
    """
    return by_parts(estimator, "predict_proba", X)
