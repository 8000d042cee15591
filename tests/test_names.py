"""What messages call the methods that users call."""

import inspect

import pytest

import skebm

ESTIMATORS = [
    getattr(skebm, name)
    for name in skebm.__all__
    if hasattr(getattr(skebm, name), "get_params")
]


def methods(kind):
    """Public methods, as they are written, and the names that tracebacks give them."""
    for base in kind.__mro__:
        if base.__module__.startswith("skebm"):
            for name, value in vars(base).items():
                function = inspect.unwrap(getattr(value, "fn", value))
                if not name.startswith("_") and inspect.isfunction(function):
                    yield function.__qualname__


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_methods_are_named_as_in_scikit_learn(kind):
    """By the estimator, or by a base class or mixin that is named as one."""
    found = list(methods(kind))
    assert any(name.endswith(".fit") for name in found)
    for name in found:
        owner = name.split(".")[0]
        assert (
            owner == kind.__name__
            or owner.startswith("Base")
            or owner.endswith("Mixin")
        ), name


def test_a_missing_argument():
    with pytest.raises(TypeError, match=r"^LikelihoodMixin\.score\(\) missing"):
        skebm.BernoulliRBM().score()
    with pytest.raises(TypeError, match=r"^BaseFineTunedNetwork\.fit\(\) missing"):
        skebm.DBNRegressor().fit([[0]])


@pytest.mark.parametrize("kind", [skebm.BernoulliRBM, skebm.DBM])
def test_a_wrong_parameter(kind):
    model = kind(2, n_iter=1, learning_rate=0.1).fit([[0, 1], [1, 0]])
    for params in ({"method": "best"}, {"n_betas": 1}, {"n_runs": 1.5}):
        message = rf"'{next(iter(params))}' parameter of LogPartitionMixin\.log_par"
        with pytest.raises(ValueError, match=message):
            model.log_partition(**params)
