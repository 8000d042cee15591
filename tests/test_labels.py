"""Labels as users give them, to the classifiers that are fine-tuned."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.model_selection import GridSearchCV

from skebm import (
    DBM,
    DBN,
    BernoulliRBM,
    ConditionalVAE,
    DBMClassifier,
    DBNClassifier,
    DBNRegressor,
    RBMClassifier,
)

from .test_supervised import assert_same_model, data, unfitted

KINDS = [DBNClassifier, DBMClassifier]


@pytest.fixture
def never_pretrained(monkeypatch):
    """No model may be trained in this test: errors come first."""

    def fail(*args, **kwargs):
        raise AssertionError("pretraining began")

    for kind in (BernoulliRBM, DBN, DBM):
        monkeypatch.setattr(kind, "fit", fail)


def several(X):
    return np.column_stack([X[:, 0] > 0.5, X[:, 1] > 0.5, X[:, 0] > 0.2]).astype(int)


# Several labels for each row


@pytest.mark.usefixtures("never_pretrained")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("code", "values"),
    [
        (lambda Y: 2 * Y, r"\[0 2\]"),
        (lambda Y: 2 * Y - 1, r"\[-1  1\]"),
        (lambda Y: 0.5 * Y, r"\[0\.  0\.5\]"),
        (lambda Y: np.where(Y, "yes", "no"), r"\['no' 'yes'\]"),
        (lambda Y: Y + np.arange(3), r"\[0 1 2 3\]"),
        (lambda Y: sparse.csr_array(2 * Y), r"\[0 2\]"),
    ],
)
def test_several_labels_are_0_or_1(kind, code, values):
    X, _ = data()
    y = code(several(X))
    with pytest.raises(ValueError, match=rf"y has 3 columns.*0 or 1, .*{values}"):
        unfitted(kind).fit(X, y)
    with pytest.raises(ValueError, match=rf"y has 3 columns.*0 or 1, .*{values}"):
        unfitted(kind).partial_fit(X, y, classes=[0, 1, 2])


@pytest.mark.parametrize("dtype", [bool, np.uint8, float])
def test_several_labels_of_other_dtypes(dtype):
    X, _ = data()
    Y = several(X)
    model, other = unfitted().fit(X, Y), unfitted().fit(X, Y.astype(dtype))
    assert_same_model(model, other)
    assert_array_equal(model.classes_, [0, 1, 2])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.coo_array])
def test_several_labels_in_a_sparse_matrix(kind, container):
    X, _ = data()
    Y = several(X)
    model, other = unfitted(kind).fit(X, Y), unfitted(kind).fit(X, container(Y))
    assert_same_model(model, other)
    found = other.predict(X)
    assert isinstance(found, np.ndarray)
    assert_array_equal(found, model.predict(X))
    other.partial_fit(X, container(Y))


def test_columns_that_are_not_those_of_the_first_fit():
    X, _ = data()
    Y = several(X)
    model = unfitted().fit(X, Y)
    for columns in ([0, 1], [0, 1, 2, 0]):
        with pytest.raises(ValueError, match=rf"y is {len(columns)}, .* fitted to 3"):
            model.partial_fit(X, Y[:, columns])
    with pytest.raises(ValueError, match="numbers of the columns of y, 0 to 2"):
        unfitted().partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="numbers of the columns of y, 0 to 2"):
        unfitted().partial_fit(X, Y, classes=["a", "b", "c"])


# A single class


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_class_is_certain(kind):
    X, _ = data()
    model = unfitted(kind).fit(X, np.full(120, "only"))
    assert_array_equal(model.classes_, ["only"])
    assert_array_equal(model.predict(X), np.full(120, "only"))
    assert_allclose(model.predict_proba(X), np.ones((120, 1)))
    assert_allclose(model.predict_log_proba(X), np.zeros((120, 1)))
    assert model.decision_function(X).shape == (120,)
    assert model.score(X, np.full(120, "only")) == 1.0


# Rows without a label


def with_mark(y, mark, dtype=None):
    """The labels y, of which all but every third row are without one."""
    labels = list(y)
    for row in range(len(labels)):
        if row % 3:
            labels[row] = mark
    return labels if dtype is None else np.array(labels, dtype=dtype)


WORDS = np.array(["low", "middle", "top"])
DAYS = np.array(["2020-01-01", "2020-01-02", "2020-01-03"], dtype="M8[D]")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("y", "unlabeled", "classes"),
    [
        (lambda y: with_mark(y, -1, int), -1, [0, 1, 2]),
        (lambda y: with_mark(y, -1, int), -1.0, [0, 1, 2]),
        (lambda y: with_mark(y, 7), np.int64(7), [0, 1, 2]),
        (lambda y: with_mark(y - 1, 7), 7, [-1, 0, 1]),
        (lambda y: with_mark(y, np.nan, float), np.nan, [0.0, 1.0, 2.0]),
        (lambda y: with_mark(y, None), np.nan, [0, 1, 2]),
        (lambda y: with_mark(y, None), float("nan"), [0, 1, 2]),
        (lambda y: with_mark(WORDS[y], "?"), "?", WORDS),
        (lambda y: with_mark(WORDS[y], "?", object), "?", WORDS),
        (lambda y: with_mark(WORDS[y], ""), "", WORDS),
        (lambda y: with_mark(WORDS[y], None), np.nan, WORDS),
        (lambda y: with_mark(WORDS[y], np.nan), np.nan, WORDS),
        (lambda y: with_mark(WORDS[y], np.nan, object), np.nan, WORDS),
        (lambda y: with_mark(WORDS[y], -1), -1, WORDS),
        (lambda y: with_mark(DAYS[y], "NaT", "M8[D]"), np.nan, DAYS),
    ],
)
def test_the_mark_of_rows_without_a_label(kind, y, unlabeled, classes):
    X, labels = data()
    marked = y(labels)
    model = unfitted(kind, unlabeled=unlabeled).fit(X, marked)
    assert_array_equal(model.classes_, classes)
    assert set(np.asarray(classes).tolist()) >= set(model.predict(X).tolist())
    start = {model._origin.name: model._model()}
    if kind is DBNClassifier:
        start["rbm"] = None
    own = np.asarray(classes)[labels[::3]]
    assert_same_model(unfitted(kind, **start).fit(X[::3], own), model)
    assert model.score(X[::3], own) > 0.2
    if isinstance(classes[0], int | float):
        assert model.classes_.dtype.kind in "if"
    again = unfitted(kind, unlabeled=unlabeled).partial_fit(X, marked, classes=classes)
    assert_array_equal(again.partial_fit(X, marked).classes_, classes)


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_has_a_label_unless_a_mark_is_given(kind):
    X, y = data()
    assert_array_equal(unfitted(kind).fit(X, y - 1).classes_, [-1, 0, 1])
    model = unfitted(kind).partial_fit(X, y - 1, classes=[-1, 0, 1])
    assert_array_equal(model.classes_, [-1, 0, 1])
    for value in (-1, "?", np.nan):
        model = unfitted(kind, unlabeled=value)
        assert_same_model(model.fit(X, y), unfitted(kind).fit(X, y))
    assert_array_equal(unfitted(kind, unlabeled=-1).fit(X, y > 0).classes_, [0, 1])
    assert_array_equal(unfitted(kind, unlabeled=-1).fit(X, WORDS[y]).classes_, WORDS)


def test_the_mark_means_the_same_beside_one_label():
    X, _ = data()
    one = np.where(np.arange(120) % 2, 1, -1)
    model = unfitted(unlabeled=-1).fit(X, one)
    assert_array_equal(model.classes_, [1])
    assert_array_equal(model.predict(X), np.ones(120))
    assert_array_equal(unfitted().fit(X, one).classes_, [-1, 1])
    model = unfitted(unlabeled=-1).partial_fit(X, one, classes=[0, 1])
    assert_array_equal(model.classes_, [0, 1])


@pytest.mark.parametrize(
    ("mark", "unlabeled"), [(-1, -1), (np.nan, np.nan), (None, np.nan), (9, 9.0)]
)
def test_rows_without_any_of_several_labels(mark, unlabeled):
    X, _ = data()
    Y = several(X)
    marked = Y.astype(object)
    marked[40:] = mark
    if mark is not None:
        marked = marked.astype(float)
    model = unfitted(unlabeled=unlabeled).fit(X, marked)
    alone = unfitted(rbm=None, dbn=model.dbn_).fit(X[:40], Y[:40])
    assert_same_model(alone, model)
    assert_array_equal(model.predict(X), alone.predict(X))
    marked[3, 1] = mark
    with pytest.raises(ValueError, match=r"Row 3 of y .* some of its columns"):
        model.fit(X, marked)
    with pytest.raises(ValueError, match=r"Row 3 of y .* some of its columns"):
        model.partial_fit(X, marked)


def test_a_mark_of_several_labels_may_be_the_number_of_a_column():
    X, _ = data()
    Y = several(X)
    Y[40:] = 2
    model = unfitted(unlabeled=2).partial_fit(X, Y, classes=[0, 1, 2])
    model.partial_fit(X, Y)
    one = unfitted(rbm=None, dbn=model.dbn_)
    one.partial_fit(X[:40], Y[:40], classes=[0, 1, 2]).partial_fit(X[:40], Y[:40])
    assert_same_model(one, model)


@pytest.mark.parametrize("missing", ["nan", "None", "NA"])
@pytest.mark.parametrize("dtype", ["string", "Int64", "category", "boolean", "object"])
def test_missing_labels_of_pandas(dtype, missing):
    pandas = pytest.importorskip("pandas")
    X, labels = data()
    names = {"Int64": [0, 1, 2], "boolean": [False, True, True]}.get(dtype, WORDS)
    value = {"nan": np.nan, "None": None, "NA": pandas.NA}[missing]
    y = pandas.Series(with_mark([names[k] for k in labels], value), dtype=dtype)
    model = unfitted(unlabeled=np.nan).fit(X, y)
    assert_array_equal(model.classes_, np.unique(names))
    start = unfitted(rbm=None, dbn=model.dbn_)
    assert_same_model(start.fit(X[::3], y.to_numpy()[::3].tolist()), model)
    for other in (None, "?", -1):
        with pytest.raises(ValueError, match=r"set unlabeled=np\.nan"):
            unfitted(unlabeled=other).fit(X, y)


def test_missing_labels_of_polars():
    polars = pytest.importorskip("polars")
    X, labels = data()
    for names in ([0, 1, 2], WORDS.tolist()):
        y = polars.Series(with_mark([names[k] for k in labels], None))
        model = unfitted(unlabeled=np.nan).fit(X, y)
        assert_array_equal(model.classes_, names)


@pytest.mark.usefixtures("never_pretrained")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("y", "unlabeled", "message"),
    [
        (lambda y: with_mark(y, np.nan), None, r"NaN or None.*set unlabeled=np\.nan"),
        (lambda y: with_mark(y, None), None, r"NaN or None.*set unlabeled=np\.nan"),
        (lambda y: with_mark(WORDS[y], None), None, r"set unlabeled=np\.nan"),
        (lambda y: with_mark(WORDS[y], np.nan), None, r"set unlabeled=np\.nan"),
        (lambda y: with_mark(y, np.nan), -1, r"NaN or None.*unlabeled=-1"),
        (lambda y: with_mark(y, np.inf), np.nan, "infinity"),
        (lambda y: np.full(len(y), -1), -1, r"all are unlabeled=-1.*fit a DB[NM]"),
        (lambda y: np.full(len(y), None), np.nan, r"all are unlabeled=nan.*fit a DB"),
        (lambda y: np.full((len(y), 2), -1), -1, r"all are unlabeled=-1.*fit a DB"),
        (lambda y: ["?"] * len(y), "?", r"all are unlabeled='\?'.*fit a DB"),
        (lambda y: with_mark(WORDS[y], 3), None, "both text and other"),
        (lambda y: with_mark(WORDS[y], 3), np.nan, "both text and other"),
        (lambda y: np.tile([[0, None]], (len(y), 1)), None, r"set unlabeled=np\.nan"),
        (lambda y: y + 0.5, -1, "continuous"),
        (lambda y: np.zeros((len(y), 2, 2)), -1, "dim 3"),
        (lambda y: with_mark(DAYS[y], "NaT", "M8[D]"), -1, r"set unlabeled=np\.nan"),
    ],
)
def test_labels_that_are_refused(kind, y, unlabeled, message):
    X, labels = data()
    model = unfitted(kind, unlabeled=unlabeled)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y(labels))
    with pytest.raises(ValueError, match=message):
        model.partial_fit(X, y(labels), classes=[0, 1, 2])
    assert not hasattr(model, "classes_")


@pytest.mark.usefixtures("never_pretrained")
@pytest.mark.parametrize(
    ("classes", "unlabeled"),
    [([-1, 0, 1], -1), (["a", "b"], "b"), ([0.0, np.nan], np.nan), ([0, None], np.nan)],
)
def test_the_mark_is_no_class(classes, unlabeled):
    X, _ = data()
    y = np.full(120, classes[0])
    with pytest.raises(ValueError, match=r"unlabeled=.* is among the classes"):
        unfitted(unlabeled=unlabeled).partial_fit(X, y, classes=classes)


def test_the_mark_does_not_become_a_class_later():
    X, y = data()
    model = unfitted(warm_start=True).fit(X, y - 1)
    for method in (model.fit, model.partial_fit):
        model.set_params(unlabeled=-1)
        with pytest.raises(ValueError, match="unlabeled=-1 is among the classes"):
            method(X, y - 1)
        model.set_params(unlabeled=7)
        method(X, np.where(y == 1, 7, y - 1))


def test_text_and_numbers_are_different_labels():
    X, y = data()
    model = unfitted().partial_fit(X, y.astype(str), classes=["0", "1", "2"])
    with pytest.raises(ValueError, match=r"labels \[0, 1, 2\] that are not among"):
        model.partial_fit(X, y)


@pytest.mark.parametrize("value", [[-1], True + 1j, np.array([-1])])
def test_a_mark_is_a_number_or_a_string(value):
    X, y = data()
    with pytest.raises(ValueError, match="'unlabeled' parameter"):
        unfitted(unlabeled=value).fit(X, y)


@pytest.mark.usefixtures("never_pretrained")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("names", "unlabeled", "words"),
    [
        (["a", "b", "-1"], -1, "y holds '-1'.*both as text"),
        ([0, 1, -1], "-1", r"y holds -1\.0.*both as text"),
        ([0, 1, 2], True, "must be a number, a string"),
    ],
)
def test_a_mark_that_no_row_can_have(kind, names, unlabeled, words):
    """As the -1 of a table that was read as text."""
    X, y = data()
    with pytest.raises(ValueError, match=words):
        unfitted(kind, unlabeled=unlabeled).fit(X, np.array(names)[y])


# Weights


def test_a_class_weight_for_classes_that_a_batch_lacks():
    X, y = data()
    model = unfitted(class_weight={0: 2.0}).partial_fit(X, y, classes=[0, 1, 2])
    model.partial_fit(X[y > 0], y[y > 0])
    plain = unfitted(dbn=model.dbn_, class_weight={0: 2.0})
    plain.partial_fit(X[y > 0], y[y > 0], classes=[0, 1, 2])
    other = unfitted(dbn=model.dbn_).partial_fit(X[y > 0], y[y > 0], classes=[0, 1, 2])
    assert_same_model(plain, other)


@pytest.mark.usefixtures("never_pretrained")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weight", [np.nan, np.inf, -1.0, "heavy", None])
def test_class_weights_that_are_refused(kind, weight):
    X, y = data()
    model = unfitted(kind, class_weight={0: 1.0, 1: weight, 2: 1.0})
    with pytest.raises(ValueError, match=r"class_weight must be .* at least 0, but"):
        model.fit(X, y)
    with pytest.raises(ValueError, match=r"class_weight must be .* at least 0, but"):
        model.partial_fit(X, y, classes=[0, 1, 2])


@pytest.mark.usefixtures("never_pretrained")
def test_a_class_weight_for_no_class_of_y():
    X, y = data()
    with pytest.raises(ValueError, match=r"class_weight .* \['a'\].* \[0 1 2\]"):
        unfitted(class_weight={"a": 1.0, 0: 2.0}).fit(X, y)
    with pytest.raises(ValueError, match=r"several labels.*'balanced'"):
        unfitted(class_weight={0: 1.0}).fit(X, several(X))


def test_class_weights_of_more_classes_than_y_has():
    """As in a fold of a cross-validation that lacks a class."""
    X, y = data()
    weights = {0: 1.0, 1: 3.0, 2: 0.5}
    one = unfitted(class_weight=weights).fit(X[y < 2], y[y < 2])
    other = unfitted(class_weight={0: 1.0, 1: 3.0}).fit(X[y < 2], y[y < 2])
    assert_same_model(one, other)


def test_balanced_classes_of_which_one_has_no_weight():
    X, y = data()
    weights, dbn = (y > 0).astype(float), DBN((6, 4), random_state=0).fit(X)
    params = {"dbn": dbn, "class_weight": "balanced", "batch_size": 500, "alpha": 0.0}
    one = unfitted(**params).fit(X, y, sample_weight=weights)
    shares = one.predict_proba(X).mean(axis=0)
    assert_allclose(shares, [0.0, 0.5, 0.5], atol=0.02)


@pytest.mark.usefixtures("never_pretrained")
@pytest.mark.parametrize("kind", [*KINDS, DBNRegressor])
@pytest.mark.parametrize(
    ("dtype", "weight"),
    [("float32", 1e38), ("float32", 1e-30), ("float64", 1e-310), ("float64", 1e307)],
)
def test_sample_weights_out_of_range(kind, dtype, weight):
    X, y = data()
    for method in ("fit", "partial_fit"):
        first = {"classes": [0, 1, 2]} if method != "fit" and kind in KINDS else {}
        with pytest.raises(ValueError, match=rf"weights.*{dtype}.*mean of 1"):
            getattr(unfitted(kind), method)(
                X.astype(dtype), y, sample_weight=np.full(120, weight), **first
            )


def test_sample_weights_within_range():
    """Where the penalty is nothing, their scale does not count."""
    X, y = data()
    one = unfitted(alpha=0.0, dbn=DBN((6, 4), random_state=0).fit(X))
    for scale in (2.0**-400, 2.0**-40, 2.0**400):
        weights = np.full(120, scale)
        one.fit(X, y, sample_weight=weights)
        assert_allclose(one.predict_proba(X).sum(axis=1), 1.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("container", [np.asarray, sparse.coo_array, "frame"])
def test_callbacks_see_the_rows_with_labels(kind, container):
    X, y = data()
    if container == "frame":
        container = pytest.importorskip("pandas").DataFrame
    monitor = ScoringMonitor(scoring="accuracy")
    model = unfitted(kind, unlabeled=-1).set_callbacks(monitor)
    model.fit(container(X), np.where(np.arange(120) % 3, -1, y))
    scores = [row["accuracy"] for row in monitor.get_logs().data]
    assert_allclose(scores[-1], model.score(X[::3], y[::3]))


@pytest.mark.parametrize("mark", [-1, np.nan, "none"])
@pytest.mark.parametrize(
    "model",
    [
        DBNClassifier(
            (4,),
            rbm=BernoulliRBM(n_iter=1),
            max_iter=2,
            learning_rate_schedule="linear",
        ),
        RBMClassifier(4, n_iter=2),
        ConditionalVAE(2, hidden_layer_sizes=(4,), n_iter=2),
    ],
)
def test_score_leaves_out_rows_without_a_label(model, mark, rng):
    """So that a search by it can have such rows; with weights, and of lists too."""
    X = (rng.uniform(size=(60, 5)) < 0.5).astype(float)
    y = np.where(X[:, 0] > 0, 1, 2).astype(str if mark == "none" else float)
    some = y.copy()
    some[::3] = mark
    weights = rng.uniform(size=60)
    model = clone(model).set_params(unlabeled=mark, random_state=0).fit(X, some)
    labelled = np.arange(60) % 3 > 0
    expected = model.score(X[labelled], y[labelled], weights[labelled])
    assert expected == model.score(X, some, weights)
    expected = model.score(X[labelled], y[labelled])
    assert expected == model.score(X.tolist(), some.tolist())
    assert expected == np.mean(model.predict(X[labelled]) == y[labelled])
    with pytest.raises(ValueError, match="No row of y has a label"):
        model.score(X[::3], some[::3])
    if mark != mark:
        return  # scikit-learn does not divide rows of which labels are NaN
    search = GridSearchCV(model, {"random_state": [0, 1]}, cv=2).fit(X, some)
    assert search.best_score_ > 0.2
