"""scikit-learn's own checks, for every estimator, with no expected failure."""

import unittest
import warnings
from contextlib import suppress

import numpy as np
import pytest
from sklearn import clone, config_context
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils._array_api import move_estimator_to
from sklearn.utils.estimator_checks import parametrize_with_checks

from skebm import (
    DBM,
    DBN,
    VAE,
    BernoulliRBM,
    BoltzmannImputer,
    CategoricalRBM,
    ConditionalVAE,
    DBMClassifier,
    DBNClassifier,
    DBNRegressor,
    DeepAutoencoder,
    GaussianRBM,
    MixedRBM,
    MultinomialRBM,
    RatingRBM,
    RBMClassifier,
)

ESTIMATORS = [
    BernoulliRBM(n_components=8, n_iter=3),
    GaussianRBM(n_components=8, n_iter=3),
    CategoricalRBM(n_components=8, n_iter=3),
    MixedRBM(n_components=8, n_iter=3),
    MixedRBM(n_components=8, n_iter=3, covariance_type="full"),
    BoltzmannImputer(MixedRBM(n_components=8, n_iter=3)),
    RatingRBM(n_components=8, n_iter=3),
    MultinomialRBM(n_components=8, n_iter=3),
    VAE(3, hidden_layer_sizes=(16,), n_iter=20),
    ConditionalVAE(8, hidden_layer_sizes=(64,), n_iter=25, learning_rate=0.005),
    RBMClassifier(n_components=8, n_iter=30),
    DBN((8, 4), rbm=BernoulliRBM(n_iter=3)),
    DBM((8, 4), rbm=BernoulliRBM(n_iter=3), n_iter=3),
    DBNClassifier((32, 16), rbm=BernoulliRBM(n_iter=3)),
    DBNRegressor((32, 16), rbm=BernoulliRBM(n_iter=3)),
    DeepAutoencoder((16, 4), rbm=BernoulliRBM(n_iter=3), max_iter=20),
    DBMClassifier((32, 16), dbm=DBM(rbm=BernoulliRBM(n_iter=3), n_iter=3)),
]

# Run by check_estimator only as far as these are there.
OPTIONAL = (
    "cupy",
    "PyTorch",
    "torch",
    "dpnp",
    "array_api_strict",
    "XPU",
    "MPS",
    "pandas",
    "polars",
    "SCIPY_ARRAY_API",
)

# Those that check_estimator leaves out.
FURTHER_CHECKS = [
    "check_dataframe_column_names_consistency",
    "check_get_feature_names_out_error",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_inplace_ensure_writeable",
    "check_param_validation",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]

# Of what the checks do, the estimators warn: see test_rbm.py for rows out of range.
PROVOKED = [
    (r"Fine-tuning did not converge", ConvergenceWarning),
    (r".*expects values in", UserWarning),
    (r"Column .* is one of categories, but has values", UserWarning),
    # 256 hidden units for ten rows of ten words, hardly trained.
    (r"log Z of documents", ConvergenceWarning),
    # 256 hidden units of a classifier, for rows outside [0, 1].
    (r"log Z is uncertain", ConvergenceWarning),
    (r"X (does not have valid|has) feature names", UserWarning),
]


@pytest.fixture
def provoked():
    """These warnings are caught where they are provoked; any other is an error."""
    with warnings.catch_warnings(record=True):
        for message, category in PROVOKED:
            warnings.filterwarnings("always", message, category)
        yield


warns = pytest.mark.usefixtures("provoked")


def only_missing_packages_skip(check, estimator):
    """Run a check of scikit-learn's; if it skips itself, a package is missing."""
    try:
        check(estimator)
    except unittest.SkipTest as skipped:
        if any(word in str(skipped) for word in OPTIONAL):
            raise
        pytest.fail(f"A check skips itself: {skipped}")


@warns
@parametrize_with_checks(ESTIMATORS, xfail_strict=True)
def test_check_estimator(estimator, check):
    only_missing_packages_skip(check, estimator)


# Those that are fine-tuned have their defaults above, but for the sizes of the layers.
PRETRAINED = {type(e): e for e in ESTIMATORS if not hasattr(e, "max_iter")}.values()

# With the defaults all checks of these take 5 to 50 seconds each, and nearly all of the
# time is that of epochs. So they have the checks whose outcome depends on epochs and
# units: of what has to be learnt, and of rows that are easily learnt by heart.
LONG = (
    BoltzmannImputer,
    ConditionalVAE,
    MixedRBM,
    MultinomialRBM,
    RatingRBM,
    RBMClassifier,
    VAE,
)
OF_LENGTH = {
    "check_classifiers_one_label",
    "check_classifiers_train",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
}


@warns
@pytest.mark.parametrize("estimator", PRETRAINED, ids=lambda e: type(e).__name__)
def test_defaults_pass(estimator):
    defaults = type(estimator)()
    if hasattr(estimator, "hidden_layer_sizes"):  # the default takes minutes
        defaults.set_params(hidden_layer_sizes=estimator.hidden_layer_sizes)
    done = set()
    for model, check in estimator_checks.estimator_checks_generator(defaults):
        name = check.func.__name__
        if isinstance(defaults, LONG) and (name in done or name not in OF_LENGTH):
            continue
        with suppress(unittest.SkipTest):
            only_missing_packages_skip(check, model)
        done.add(name)
    assert len(done & OF_LENGTH) >= 2


@warns
@pytest.mark.parametrize("name", FURTHER_CHECKS)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_checks_that_check_estimator_leaves_out(estimator, name):
    if "pandas" in name:
        pytest.importorskip("pandas")
    if "polars" in name:
        pytest.importorskip("polars")
    getattr(estimator_checks, name)(type(estimator).__name__, estimator)


@warns
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("namespace", ["array_api_strict", "torch"])
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_array_api_values(estimator, namespace, dtype, request):
    if not get_tags(estimator).array_api_support:
        pytest.skip("computes with NumPy alone")
    xp = pytest.importorskip(namespace)
    pytest.importorskip("scipy", "1.14")
    is_accuracy = is_classifier(estimator) and not hasattr(estimator, "max_iter")
    if is_accuracy and (namespace, dtype) == ("torch", "float64"):
        # The share of right classes is computed by scikit-learn, in the default dtype:
        # in single precision 29/30 of tensors is another number than that of arrays.
        before = xp.get_default_dtype()
        xp.set_default_dtype(xp.float64)
        request.addfinalizer(lambda: xp.set_default_dtype(before))
    if "max_iter" in estimator.get_params() and dtype == "float32":
        # Differences of rounding grow with the epochs.
        estimator = clone(estimator).set_params(max_iter=20)
    device = "cpu" if namespace == "torch" else "CPU_DEVICE"
    estimator_checks.check_array_api_input_and_values(
        type(estimator).__name__,
        estimator,
        namespace,
        device_name=device,
        dtype_name=dtype,
        check_sample_weight=True,
    )


@pytest.mark.parametrize(
    "estimator",
    [
        BernoulliRBM(3, algorithm="pt"),
        BernoulliRBM(3, early_stopping=True),
        BernoulliRBM(3, hidden_units="gaussian"),
        GaussianRBM(3, early_stopping=True),
        DBM((3, 2), algorithm="pt"),
        DBM((3, 2), early_stopping=True),
    ],
    ids=str,
)
def test_arrays_stay_on_their_device(estimator):
    """array_api_strict has devices of which no two can be mixed, as GPUs have."""
    xp = pytest.importorskip("array_api_strict")
    pytest.importorskip("scipy", "1.14")
    X = np.random.default_rng(0).integers(0, 2, (60, 6)).astype("float32")
    X = xp.asarray(X, device=xp.Device("device1"))
    with config_context(array_api_dispatch=True):
        estimator = clone(estimator).set_params(n_iter=2, random_state=0).fit(X)
        for rows in (
            estimator.transform(X),
            estimator.score_samples(X),
            estimator.reconstruct(X),
            estimator.impute(X),
            estimator.sample(3),
            estimator.sample(3, given=xp.where(X[:3, :] > 0.5, X[:3, :], xp.nan)),
        ):
            assert rows.device == X.device
        estimator.log_partition("ais", n_betas=100)


# What has a number, or some, for each row.
QUERIES = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
    "reconstruct",
)


@warns
@pytest.mark.parametrize(
    "estimator",
    [
        DBNClassifier((4, 3), early_stopping=True, unlabeled=2),
        DBNClassifier((4, 3), dropout=0.2),
        DBNRegressor((4, 3), solver="sgd"),
        DBMClassifier((4, 3)),
        DeepAutoencoder((4, 2), early_stopping=True),
        RBMClassifier(4, algorithm="cd", early_stopping=True, unlabeled=2),
        RBMClassifier(4, objective="discriminative", dropout=0.2),
        ConditionalVAE(2, hidden_layer_sizes=(4,), kl_warmup=0),
        ConditionalVAE(2, hidden_layer_sizes=(4,), early_stopping=True, unlabeled=2),
        ConditionalVAE(2, hidden_layer_sizes=4, decoder="gaussian", label_inputs=True),
    ],
    ids=str,
)
def test_networks_stay_on_their_device(estimator):
    """Labels may be NumPy's or, as all the rest, on a device that cannot be mixed."""
    xp = pytest.importorskip("array_api_strict")
    pytest.importorskip("scipy", "1.14")
    X = np.random.default_rng(0).integers(0, 2, (60, 6)).astype("float32")
    y = (X @ np.ones(6)).astype(int) % 3
    device = xp.Device("device1")
    here = xp.asarray(X, device=device)
    n_epochs = {"max_iter", "n_iter"} & set(estimator.get_params(deep=False))
    estimator = clone(estimator).set_params(
        **dict.fromkeys(n_epochs, 4), random_state=0
    )
    expected = clone(estimator).fit(X, y).transform(X)
    with config_context(array_api_dispatch=True):
        for labels in (y, xp.asarray(y, device=device)):
            model = clone(estimator).fit(here, labels)
            found = model.transform(here)
            assert found.device == device
            if hasattr(model, "_all_layers"):
                assert all(x.device == device for x in model._all_layers(here))
            np.testing.assert_allclose(
                np.asarray(xp.asarray(found, device=xp.Device("CPU_DEVICE"))),
                expected,
                atol=1e-5,
            )
            for query in QUERIES:
                if hasattr(model, query):
                    assert getattr(model, query)(here).device == device
        if hasattr(model, "partial_fit") and not model.early_stopping:
            model.partial_fit(here, y)
        if hasattr(model, "classes_") and not model.early_stopping:
            known = xp.asarray([0, 1, 2], device=device)
            begun = clone(estimator).partial_fit(here, y, classes=known)
            assert begun.classes_.device == device
            for of_class in (None, 1, xp.asarray([0, 1], device=device)):
                if hasattr(model, "sample"):
                    drawn = model.sample(2, y=of_class)
                    assert drawn[0].device == drawn[1].device == device
        text = np.array(["a", "b", "c"])[y]
        if hasattr(model, "classes_"):
            found = clone(estimator).set_params(unlabeled="c").fit(here, text)
            assert set(found.predict(here)) <= {"a", "b"}


@pytest.mark.parametrize(
    "estimator",
    [
        BernoulliRBM(3, algorithm="pt", momentum=0.5),
        DBM((3, 2), algorithm="pt", momentum=0.5),
        DBN((3, 2), up_down_iter=1),
    ],
    ids=str,
)
def test_all_arrays_move_between_namespaces(estimator):
    """Also those that training goes on from, and the parts of a stack."""
    xp = pytest.importorskip("array_api_strict")
    pytest.importorskip("scipy", "1.14")
    X = np.random.default_rng(0).integers(0, 2, (60, 6)).astype("float32")
    estimator = clone(estimator).set_params(random_state=0).fit(X)
    if isinstance(estimator, DBN):
        estimator.generative_components_ = None  # go on with the machines
    with config_context(array_api_dispatch=True):
        moved = move_estimator_to(estimator, xp, xp.Device("CPU_DEVICE"))
        for model, rows in ((estimator, X), (moved, xp.asarray(X))):
            model.partial_fit(rows)
        found = np.asarray(moved.transform(xp.asarray(X)))
    np.testing.assert_allclose(found, estimator.transform(X), rtol=1e-4)
