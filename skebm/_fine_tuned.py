"""Networks that are fine-tuned from a generative model: what estimators share."""

import functools
import time
from collections.abc import Callable
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn import config_context
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
)

from ._base import SCHEDULES
from ._callbacks import CallbackSupportMixin
from ._origins import check_like
from ._stacking import HIDDEN_LAYER_SIZES, computed, layer_sizes
from ._validation import check_rows, check_sum, draw_seed, record_features
from ._warnings import warn
from .core import fine_tuning, optimise
from .core.backend import Beside, Subset, by_blocks, float_dtype, namespace
from .core.machine import Params
from .core.network import Dropout, Network, output_field, top_layer
from .core.training import Diverged


class Targets(NamedTuple):
    """What an estimator makes of y, for the labelled rows alone.

    `values` (n_rows, n_outputs) are what the network learns, `row_weights` those of
    classes, `strata` what a split keeps the shares of, or None. `score` takes params
    and rows, values and weights to score. `attributes` are written after the fit. What
    was taken off the values, `offset`, is added to the biases of the outputs.
    """

    values: np.ndarray
    network: Network
    row_weights: np.ndarray
    strata: np.ndarray | None
    least_held_out: int
    score: Callable
    attributes: dict
    offset: np.ndarray | None = None


class Job(NamedTuple):
    """A fit: what stays the same from epoch to epoch.

    `given` are the X and y that callbacks see, `data` and `held_out` the rows, values
    and weights to fit to and to score, `model` is what the network began with.
    """

    given: tuple
    data: tuple
    held_out: tuple | None
    settings: fine_tuning.Settings
    targets: Targets
    model: object


class Run(NamedTuple):
    """All that a fit carries from epoch to epoch."""

    state: fine_tuning.State
    losses: list
    scores: list


def fields(params, rows):
    """Total inputs of the outputs of a network, (n_rows, n_outputs)."""
    return output_field(params, top_layer(params, rows))


def network_fields(params, X):
    """The same of all rows, which have what the network gets beside them."""
    return by_blocks(lambda rows: fields(params, rows), X, params.biases[0].dtype)


def widened(rows, beside):
    """Dense rows with what the network gets beside them."""
    return namespace(rows).concat([rows, beside(rows)], axis=1)


def goes_in_batches(estimator):
    """Whether the solver takes one minibatch after the other, as partial_fit does."""
    return estimator.solver != "lbfgs"


class BaseFineTunedNetwork(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Pretraining, and fine-tuning by backpropagation, whatever the targets are.

    `_origin`, which each estimator has, says what the network is made from.
    """

    _parameter_constraints: dict = {
        "hidden_layer_sizes": HIDDEN_LAYER_SIZES,
        "solver": [StrOptions({"adam", "sgd", "lbfgs"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "learning_rate_schedule": [StrOptions(set(SCHEDULES))],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "input_dropout": [Interval(Real, 0, 1, closed="left")],
        "shuffle": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    # What is pretrained checks its own parameters when it is fitted.
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None):
        """Pretrain on the rows, and fine-tune to predict y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, with values in [0, 1].
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            What to predict.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A row of weight 2 counts as the row twice.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X or y holds NaN or infinity, if a weight is negative or all are zero, or
            if parameters contradict each other.
        FloatingPointError
            If parameters become infinite or NaN: a learning rate is too high.

        Warns
        -----
        ConvergenceWarning
            If training has not converged after `max_iter` epochs, unless the learning
            rate falls to zero by then.
        """
        going_on = self.warm_start and self.__sklearn_is_fitted__()
        self._check_solver()
        return self._train(X, y, sample_weight, going_on, "fit")

    def _check_solver(self):
        if goes_in_batches(self):
            return
        for name in ("dropout", "input_dropout", "early_stopping"):
            if getattr(self, name):
                raise ValueError(
                    f"{name}={getattr(self, name)} needs a solver that goes from batch "
                    f"to batch. Set solver='adam' or 'sgd', or leave {name} out."
                )

    def _partial_fit(self, X, y, sample_weight, classes=None):
        if self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True: hold rows out "
                "yourself, and call score on them between the calls."
            )
        going_on = self.__sklearn_is_fitted__()
        return self._train(X, y, sample_weight, going_on, "partial_fit", classes)

    def _train(self, X_given, y, sample_weight, going_on, method, classes=None):
        X = self._rows(X_given, method, new=not going_on)
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but "
                "the target y is None."
            )
        check_consistent_length(X, y)
        dtype = float_dtype(self.coefs_[0] if going_on else X)
        weights = _check_sample_weight(
            sample_weight, X, dtype=dtype, ensure_non_negative=True
        )
        with config_context(array_api_dispatch=False):
            y, labelled = self._check_y(y, going_on, classes)
        rows, own = X, weights
        if labelled is not None:
            rows, own = Subset(X, np.flatnonzero(labelled)), weights[labelled]
        targets = self._targets(y, own, going_on, method, classes)
        with np.errstate(over="ignore"):  # of which the check below tells
            own = own * targets.row_weights.astype(dtype)
        if not own.any():
            raise ValueError(
                "All rows that have a label have the weight zero, from sample_weight "
                "or class_weight: give some of them a positive one."
            )
        check_sum(own)
        if going_on:
            self._check_sizes()
        seed = self._seed if going_on else draw_seed(self.random_state)
        data, held_out = (rows, targets.values.astype(dtype), own), None
        if self.early_stopping:
            data, held_out = self._hold_out(data, targets, seed)
        settings = self._settings(targets, seed)
        context = self._init_callback_context(max_subtasks=2)
        shown = self._shown(X_given, labelled)
        context.call_on_fit_task_begin(estimator=self, X=shown, y=y)
        if going_on:
            model = self._model()
        else:
            model = self._pretrained(X_given, X, weights, seed, context)
        data, held_out = (
            part and (self._with_beside(model, part[0], dtype), *part[1:])
            for part in (data, held_out)
        )
        if going_on:
            state = self._resume(settings, method, targets.offset)
        else:
            params = fine_tuning.with_output(
                self._origin.hidden(model, dtype), settings.network.output, *data[1:]
            )
            state = fine_tuning.State(params, settings.optimiser.init(params), 0)
        run = Run(state, [], [])
        if going_on:
            run = Run(state, self.loss_curve_, self.validation_scores_ or [])
        job = Job((shown, y), data, held_out, settings, targets, model)
        if goes_in_batches(self):
            run = self._descend(run, job, method, context)
        else:
            run = self._minimise(run, data, settings)
        if not going_on:
            record_features(self, X_given)
        vars(self).update(self._attributes(run, job))
        context.call_on_fit_task_end(
            estimator=self, X=shown, y=y, reconstruction_attributes={}
        )
        return self

    def _shown(self, X, labelled):
        """The rows that callbacks see beside y, if there are any callbacks."""
        if labelled is None or not getattr(self, "_skl_callbacks", None):
            return X
        return _safe_indexing(*indexable(X), np.flatnonzero(labelled))

    def _rows(self, X, method, new=False):
        """Checked rows, as NumPy's arrays: labels are not of other namespaces."""
        with config_context(array_api_dispatch=False):
            return check_rows(self, X, method=method, new=new, any_range=True)

    def _settings(self, targets, seed):
        optimisers = {
            "adam": optimise.Adam(),
            "sgd": optimise.MomentumSGD(self.momentum, nesterov=True),
            "lbfgs": optimise.MomentumSGD(),  # has no state, and takes no step
        }
        return fine_tuning.Settings(
            network=targets.network,
            optimiser=optimisers[self.solver],
            batch_size=self.batch_size,
            alpha=self.alpha,
            dropout=Dropout(self.input_dropout, self.dropout),
            shuffle=self.shuffle,
            seed=seed,
        )

    def _resume(self, settings, method, offset):
        """Training's state from the fitted attributes. A new fit has new moments."""
        params = self._params(self.coefs_[0].dtype, offset)
        moments = self._moments
        if method == "fit" or self._moments_of != self.solver or moments is None:
            moments = settings.optimiser.init(params)
        return fine_tuning.State(params, moments, self.n_iter_)

    def _hold_out(self, data, targets, seed):
        """The data without the rows for validation, and those."""
        rows = np.flatnonzero(data[2])
        left, held_out = train_test_split(
            rows,
            test_size=self.validation_fraction,
            stratify=None if targets.strata is None else targets.strata[rows],
            random_state=seed,
        )
        if len(held_out) < targets.least_held_out:
            raise ValueError(
                f"early_stopping holds out {len(held_out)} of {len(rows)} rows, but "
                f"the score takes at least {targets.least_held_out}. Give more rows or "
                f"raise validation_fraction (now {self.validation_fraction:g})."
            )
        X, *others = data
        return tuple(
            (Subset(X, rows), *(x[rows] for x in others)) for rows in (left, held_out)
        )

    def _descend(self, run, job, method, context):
        """Epochs of stochastic gradient descent."""
        given, data, held_out, settings, targets, _ = job
        n_epochs, schedule = self.max_iter, SCHEDULES[self.learning_rate_schedule]
        rates = schedule(self.learning_rate_init, n_epochs)
        if method == "partial_fit":
            rates = [self.learning_rate_init]
        best, best_merit, n_without_gain, kept = None, -np.inf, 0, run
        begin, first = time.perf_counter(), run.state.epoch
        if held_out is not None and first > 0:
            best, best_merit = run.state, targets.score(run.state.params, *held_out)
        seen = {"estimator": self, "X": given[0], "y": given[1]}
        tasks = context.subcontext(task_name="fine-tuning", max_subtasks=len(rates))
        tasks.call_on_fit_task_begin(**seen)
        try:
            for rate in rates:
                task = tasks.subcontext(task_name="epoch").call_on_fit_task_begin(
                    **seen
                )
                # Overflow is no news where an epoch ends by asking if all is finite.
                with np.errstate(over="ignore", invalid="ignore"):
                    state, loss = fine_tuning.train_epoch(
                        run.state, *data, rate, settings
                    )
                run = run._replace(state=state, losses=[*run.losses, loss])
                merit = -loss
                if held_out is not None:
                    merit = targets.score(state.params, *held_out)
                    run = run._replace(scores=[*run.scores, merit])
                gained = merit > best_merit + self.tol
                n_without_gain = 0 if gained else n_without_gain + 1
                if merit > best_merit:
                    best, best_merit = state, merit
                kept = run if held_out is None else run._replace(state=best)
                if self.verbose:
                    self._print(run, held_out, time.perf_counter() - begin)
                    begin = time.perf_counter()
                stop = task.call_on_fit_task_end(
                    **seen,
                    reconstruction_attributes=functools.partial(
                        self._so_far, kept, job
                    ),
                )
                if stop or n_without_gain >= self.n_iter_no_change:
                    break
            else:
                if method == "fit" and self.learning_rate_schedule == "constant":
                    self._warn_not_converged()
        except KeyboardInterrupt:
            if run.state.epoch == first:
                raise
            warn(
                f"Training interrupted by user after {run.state.epoch - first} epochs: "
                f"{'these are' if held_out is None else 'the best of these is'} kept.",
            )
        except Diverged:
            raise self._diverged(run) from None
        tasks.call_on_fit_task_end(**seen)
        return kept

    def _minimise(self, run, data, settings):
        """All rows at once, by L-BFGS."""
        try:
            state, losses, result = fine_tuning.lbfgs(
                run.state, *data, self.max_iter, self.tol, settings
            )
        except Diverged:
            raise self._diverged(run) from None
        if not result.success:
            warn(
                f"L-BFGS did not converge: {result.message}. Raise max_iter (now "
                f"{self.max_iter}) or tol (now {self.tol:g}).",
                ConvergenceWarning,
            )
        if self.verbose:
            print(
                f"[{type(self).__name__}] {result.nit} iterations of L-BFGS, "
                f"loss = {result.fun:.6f}"
            )
        return Run(state, [*run.losses, *losses], run.scores)

    def _diverged(self, run):
        lower = ""
        if goes_in_batches(self):
            lower = f"lower learning_rate_init ({self.learning_rate_init:g}), and "
        return FloatingPointError(
            f"{type(self).__name__} diverged in epoch {run.state.epoch + 1} of "
            "fine-tuning: its parameters are no longer finite. To mend it, "
            f"{lower}see that X lies in [0, 1] and that y is scaled."
        )

    def _warn_not_converged(self):
        warn(
            f"Fine-tuning did not converge within max_iter={self.max_iter}. Raise "
            "max_iter or tol, or let the learning rate fall to zero by then with "
            "learning_rate_schedule='linear'.",
            ConvergenceWarning,
        )

    def _print(self, run, held_out, seconds):
        score = ""
        if held_out is not None:
            score = f"validation score = {run.scores[-1]:.4f}, "
        print(
            f"[{type(self).__name__}] Epoch {run.state.epoch}, "
            f"loss = {run.losses[-1]:.6f}, {score}time = {seconds:.2f}s"
        )

    def _pretrained(self, X_given, X, sample_weight, seed, context):
        """The model to start from: as it is given, or fitted to X."""
        model = self._origin.given(self)
        if model is None:
            model = self._origin.new(self, seed)
            task = context.subcontext(task_name="pretraining")
            with task.propagate_callback_context(model):
                task.call_on_fit_task_begin(estimator=self, X=X)
                model.fit(X, sample_weight=sample_weight)
            task.call_on_fit_task_end(estimator=self, X=X)
            return model
        check_like(model, self._origin.name, X_given, X)
        return model

    def _model(self):
        """The model that the network began with."""
        return getattr(self, f"{self._origin.name}_")

    def _with_beside(self, model, X, dtype):
        """The rows with what the network gets beside them, computed for all of them."""
        beside = self._origin.beside(model, dtype)
        if beside is None:
            return X
        values = computed(beside, X, dtype)
        beside.warn()
        return Beside(X, values)

    def _check_sizes(self):
        sizes = [len(b) for b in self.intercepts_[:-1]]
        given = self._origin.is_given(self)
        if not given and sizes != layer_sizes(self.hidden_layer_sizes):
            raise ValueError(
                f"This {type(self).__name__} has hidden layers of sizes {sizes}, but "
                f"hidden_layer_sizes now is {self.hidden_layer_sizes}. To go on, set "
                "the parameter back; to change the sizes, fit anew."
            )

    def _attributes(self, run, job):
        """The run as fitted attributes."""
        params = run.state.params
        *biases, last = params.biases
        if job.targets.offset is not None:
            last = last + job.targets.offset
        return {
            **job.targets.attributes,
            "coefs_": list(params.weights),
            "intercepts_": [*biases, last],
            "n_iter_": len(run.losses),
            "loss_curve_": run.losses,
            "validation_scores_": run.scores if self.early_stopping else None,
            f"{self._origin.name}_": job.model,
            "_seed": job.settings.seed,
            "_moments": run.state.moments,
            "_moments_of": self.solver,
        }

    def _so_far(self, run, job):
        """Attributes of the estimator as if the fit had ended with this epoch."""
        features = BaseEstimator()
        record_features(features, job.given[0])
        return {**vars(features), **self._attributes(run, job)}

    def _params(self, dtype, offset=None):
        """The network, the biases of its outputs without `offset`."""
        *biases, last = self.intercepts_
        last = last if offset is None else last - offset
        return Params(
            *(
                tuple(x.astype(dtype, copy=False) for x in group)
                for group in (self.coefs_, [*biases, last])
            )
        )

    def _of_rows(self, function, X, method):
        """`function` of the network's params and input, a block of rows at a time."""
        check_is_fitted(self)
        X = self._rows(X, method)
        dtype = float_dtype(X)
        params, beside = self._params(dtype), self._origin.beside(self._model(), dtype)
        if beside is None:
            return by_blocks(lambda v: function(params, v), X, dtype)
        found = by_blocks(lambda v: function(params, widened(v, beside)), X, dtype)
        beside.warn()
        return found

    def _fields(self, X, method):
        """Total inputs of the outputs, (n_samples, n_outputs)."""
        return self._of_rows(fields, X, method)

    def transform(self, X):
        """Compute the fine-tuned units of the top hidden layer.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        H : ndarray of shape (n_samples, n_top)
            Values between 0 and 1.
        """
        return self._of_rows(top_layer, X, "transform")

    @property
    def components_(self):
        """Give the weights between the features and the first hidden layer.

        Returns
        -------
        components : ndarray of shape (n_hidden, n_features)
            The first of `coefs_`, transposed.
        """
        return self.coefs_[0][: self.n_features_in_].T

    @property
    def _n_features_out(self):
        return self.coefs_[-1].shape[0]

    def __sklearn_is_fitted__(self):
        return hasattr(self, "coefs_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
