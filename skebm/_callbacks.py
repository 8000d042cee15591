"""Callbacks for `fit`: what goes on between epochs, recorded.

scikit-learn's callbacks are experimental; they are imported here and nowhere else.
"""

from types import SimpleNamespace

from sklearn.callback import CallbackSupportMixin, ScoringMonitor

__all__ = ["CallbackSupportMixin", "HistoryMonitor"]


def last_of_history(estimator, X, y):
    """The newest numbers that the estimator itself has recorded."""
    if hasattr(estimator, "history_"):
        history = estimator.history_.items()
        return {name: values[-1] for name, values in history if values}
    if not hasattr(estimator, "loss_curve_"):
        return {}
    scores = getattr(estimator, "validation_scores_", None)
    last = {"loss": estimator.loss_curve_[-1]}
    return last if scores is None else {**last, "validation_score": scores[-1]}


def epochs_of_last_layer(stack):
    """The newest layer's epochs, each as something with the history until then."""
    history, layer = stack.history_, len(stack.rbms_)
    return [
        SimpleNamespace(history_={k: v[: n + 1] for k, v in history.items()})
        for n, trained in enumerate(history["layer"])
        if trained == layer
    ]


class HistoryMonitor(ScoringMonitor):
    """Callback that records numbers after each epoch, also where there is no y.

    It is :class:`sklearn.callback.ScoringMonitor` for unsupervised estimators: numbers
    from all fits of a grid search are in one place, also if they ran in parallel. Other
    processes send them as pickles, over a socket of this machine with a key that only
    they are given.

    Of the fit of a :class:`DBN` it records the whole `history_`: the epochs of a layer
    once that is trained, and then those of wake-sleep; of a pass of `partial_fit`, the
    numbers of the top layer. A score of your own is that of the stack as it is after
    each layer, and after each epoch of wake-sleep. Of a deep machine and of what is
    fine-tuned, it records the epochs after the pretraining. To follow epochs of layers
    while they go on, set it on the machine that is given as `rbm`.

    Parameters
    ----------
    scoring : callable, str, list, tuple, dict or None, default=None
        What to record, as in :class:`sklearn.callback.ScoringMonitor`: for example a
        callable of estimator, X and y that returns a dictionary of numbers. None
        records the newest numbers of `history_`, or of `loss_curve_` and
        `validation_scores_`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skebm import BernoulliRBM, HistoryMonitor
    >>> X = load_digits().data > 7
    >>> monitor = HistoryMonitor()
    >>> rbm = BernoulliRBM(16, n_iter=3, random_state=0).set_callbacks(monitor).fit(X)
    >>> errors = [row["reconstruction_error"] for row in monitor.get_logs().data]
    >>> len(errors), errors == rbm.history_["reconstruction_error"]
    (3, True)
    """

    def __init__(self, *, scoring=None):
        super().__init__(scoring=last_of_history if scoring is None else scoring)

    def __setstate__(self, state):
        """Report to where the pickled one did, unless this one begins a fit itself.

        Dask's scheduler takes tasks apart on their way to the workers.
        """
        vars(self).update(state)
        self._is_passed_on = True

    def setup(self, estimator, context):
        """Make ready for the fit of the estimator."""
        if vars(self).pop("_is_passed_on", False):
            super().__setstate__({})
        super().setup(estimator, context)

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, fitted_estimator=None
    ):
        """Record the numbers; called after each epoch and layer, and after the fit."""
        if context.task_name not in {"epoch", "layer"} or fitted_estimator is None:
            return
        models = [fitted_estimator]
        if context.task_name == "layer" and self._scoring is last_of_history:
            models = epochs_of_last_layer(fitted_estimator)
        y = X if y is None else y  # without a y nothing would be recorded
        for model in models:
            super().on_fit_task_end(
                estimator, context, X=X, y=y, fitted_estimator=model
            )
