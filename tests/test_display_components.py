"""Pictures of weights: the data that are drawn."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skebm import (
    DBM,
    DBN,
    VAE,
    BernoulliRBM,
    BoltzmannImputer,
    CategoricalRBM,
    ComponentsDisplay,
    DBMClassifier,
    DBNClassifier,
    DeepAutoencoder,
    GaussianRBM,
    MixedRBM,
    MultinomialRBM,
    RatingRBM,
    RBMClassifier,
)
from skebm.display._fitted import in_input_space, layer_weights, to_columns, unit_names

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def digits(n_rows=200):
    X, y = load_digits(return_X_y=True)
    return (X[:n_rows] > 7).astype(float), y[:n_rows]


def rbm(n_components=7, **params):
    params = {"n_iter": 1, "random_state": 0, **params}
    return BernoulliRBM(n_components, **params).fit(digits()[0])


def table():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    colour = rng.choice(["blue", "green", "red"], 90)
    size = rng.normal(size=90) + (colour == "red")
    return pd.DataFrame(
        {
            "size": size,
            "weight": 2.0 * size + rng.normal(size=90),
            "colour": pd.Categorical(colour),
            "old": rng.random(90) < 0.5,
        }
    )


def tile(image, line, column, shape=(8, 8), gap=1):
    """The pixels of a tile."""
    top, left = line * (shape[0] + gap), column * (shape[1] + gap)
    return image[top : top + shape[0], left : left + shape[1]]


def test_importing_the_package_does_not_import_matplotlib():
    program = "import sys, skebm; print('matplotlib' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "False"


def test_tiles_are_the_weights_on_one_symmetric_scale():
    model = rbm()
    display = ComponentsDisplay.from_estimator(model, image_shape=(8, 8), n_columns=3)
    image = display.im_.get_array()
    assert image.shape == (3 * 8 + 2, 3 * 8 + 2)
    for unit, weights in enumerate(model.components_):
        drawn = tile(image, *divmod(unit, 3))
        assert_allclose(drawn, weights.reshape(8, 8))
    between = np.ones(image.shape, dtype=bool)
    for unit in range(7):
        tile(between, *divmod(unit, 3))[:] = False
    assert_array_equal(np.ma.getmaskarray(image), between)
    limit = np.abs(model.components_).max()
    assert_allclose(display.im_.get_clim(), (-limit, limit))
    assert display.ax_.figure is display.figure_
    assert display.colorbar_ is not None


def test_weights_of_colours():
    weights = np.random.default_rng(0).normal(size=(2, 12))
    display = ComponentsDisplay(weights, image_shape=(2, 2, 3)).plot(n_columns=2)
    image = display.im_.get_array()
    limit = np.abs(weights).max()
    expected = 0.5 + weights.reshape(2, 2, 2, 3) / (2 * limit)
    assert_allclose(image[:, :2, :3], expected[0])
    assert_allclose(image[:, 3:, :3], expected[1])
    assert_array_equal(image[:, :, 3], [[1, 1, 0, 1, 1]] * 2)


def test_units_are_chosen_by_number_or_by_norm():
    model = rbm()
    norms = np.linalg.norm(model.components_, axis=1)
    largest = np.argsort(-norms)[:3]
    for units, expected in (([4, 0], [4, 0]), (3, largest), (None, range(7))):
        display = ComponentsDisplay.from_estimator(
            model, units=units, image_shape=(8, 8)
        )
        assert_allclose(display.components, model.components_[list(expected)])
        assert display.unit_names == [f"unit {unit}" for unit in expected]


def stacks():
    X, y = digits()
    small = {"random_state": 0}
    layers = BernoulliRBM(n_iter=1)
    yield DBN((6, 4, 3), rbm=layers, **small).fit(X)
    yield DBM((6, 4, 3), n_iter=1, **small).fit(X)
    for model in (
        DBNClassifier((6, 4, 3), rbm=layers, max_iter=1, solver="sgd", **small),
        DBMClassifier((6, 4, 3), max_iter=1, solver="sgd", **small),
    ):
        yield model.set_params(learning_rate_schedule="linear").fit(X, y)
    for tied in (True, False):
        yield DeepAutoencoder(
            (6, 4, 3), rbm=layers, max_iter=1, tied_weights=tied, **small
        ).fit(X)
    yield VAE(3, hidden_layer_sizes=(6, 4), n_iter=1, **small).fit(X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_deeper_layers_are_products_of_weights():
    """Those of the features alone: a network may get more beside a layer."""
    for model in stacks():
        first, second, third = layer_weights(model)
        assert [W.shape[1] for W in (first, second, third)] == [6, 4, 3]
        if hasattr(model, "rbms_"):
            expected = [machine.components_.T for machine in model.rbms_]
        elif isinstance(model, DBM):
            expected = [W.T for W in model.components_]
        elif isinstance(model, VAE):
            *lower, last = model.encoder_coefs_
            expected = [*lower, last[:, :3]]
        else:
            sizes = (64, 6, 4)
            pairs = zip(model.coefs_, sizes, strict=False)
            expected = [W[:n] for W, n in pairs]
        product = expected[0] @ expected[1] @ expected[2]
        assert product.shape == (64, 3)
        for layer, sought in ((1, expected[0]), (3, product)):
            display = ComponentsDisplay.from_estimator(
                model, layer=layer, image_shape=(8, 8), colorbar=False
            )
            assert_allclose(display.components, sought.T, rtol=1e-6, atol=1e-8)
            assert display.colorbar_ is None
        plt.close("all")


def test_layers_that_are_not_there():
    model = DBN((4, 3), rbm=BernoulliRBM(n_iter=0), random_state=0).fit(digits()[0])
    for layer in (0, 3, True, "top"):
        with pytest.raises(ValueError, match="layer must be a number from 1 to 2"):
            ComponentsDisplay.from_estimator(model, layer=layer, image_shape=(8, 8))


def test_bars_are_the_largest_weights_with_their_names():
    model = rbm(2)
    names = [f"pixel {i}" for i in range(64)]
    display = ComponentsDisplay.from_estimator(model, feature_names=names, n_features=5)
    assert display.axes_.shape == (2,)
    limit = np.abs(model.components_).max()
    for panel, bars, weights in zip(
        display.axes_, display.bars_, model.components_, strict=True
    ):
        largest = np.argsort(-np.abs(weights))[:5]
        assert_allclose([bar.get_width() for bar in bars], weights[largest])
        labels = [label.get_text() for label in panel.get_yticklabels()]
        assert labels == [names[i] for i in largest]
        assert panel.yaxis_inverted()
        assert_allclose(panel.get_xlim(), (-limit, limit), rtol=1e-6)
        colours = {bar.get_facecolor() for bar in bars if bar.get_width() > 0}
        others = {bar.get_facecolor() for bar in bars if bar.get_width() < 0}
        assert not colours & others
    assert [panel.get_title() for panel in display.axes_] == ["unit 0", "unit 1"]


def test_words_of_topics_are_those_of_top_words():
    counts = np.random.default_rng(0).poisson(1.0, (60, 12))
    model = MultinomialRBM(3, n_iter=2, random_state=0).fit(counts)
    words = [f"word{i}" for i in range(12)]
    display = ComponentsDisplay.from_estimator(
        model, feature_names=words, sign="positive", n_features=4
    )
    expected = model.top_words(4, feature_names=words)
    for panel, own in zip(display.axes_, expected, strict=True):
        assert [x.get_text() for x in panel.get_yticklabels()] == own.tolist()
        assert panel.get_xlim()[0] == 0.0


def test_names_of_categories():
    X = table()[["colour"]].astype(str)
    model = CategoricalRBM(2, n_iter=1, random_state=0).fit(X)
    assert unit_names(model).tolist() == [
        "colour = blue",
        "colour = green",
        "colour = red",
    ]
    codes = np.random.default_rng(0).integers(0, 2, (30, 2))
    model = CategoricalRBM(2, n_iter=1, random_state=0).fit(codes)
    assert unit_names(model).tolist() == ["x0 = 0", "x0 = 1", "x1 = 0", "x1 = 1"]
    stack = DBN((2, 2), rbm=[CategoricalRBM(n_iter=1), BernoulliRBM(n_iter=1)])
    assert unit_names(stack.fit(X))[2] == "colour = red"


@pytest.mark.parametrize("covariance_type", ["diag", "full"])
def test_names_and_weights_of_columns_of_several_kinds(covariance_type):
    """Of correlated numbers, weights are what a unit adds to the means of columns."""
    X = table()
    model = MixedRBM(3, n_iter=20, covariance_type=covariance_type, random_state=0).fit(
        X
    )
    expected = ["old", "size", "weight"]
    expected += [f"colour = {colour}" for colour in ("blue", "green", "red")]
    assert unit_names(model).tolist() == expected
    display = ComponentsDisplay.from_estimator(model)
    kind = model._visible_kind()
    W = model.components_
    states = np.concatenate([W, np.zeros_like(W[:1])])
    means = kind.decode(states)
    spread = X[["size", "weight"]].std(ddof=0).to_numpy()
    added = (means[:-1, :2] - means[-1, :2]) / spread
    if covariance_type == "full":
        assert_allclose(display.components[:, 1:3], added, rtol=1e-4)
        assert not np.allclose(W[:, 1:3], added, rtol=0.01)
    else:
        assert_allclose(display.components, W)
    assert_allclose(display.components[:, 3:], W[:, 3:])


def test_names_of_ratings_and_of_features_beside_classes():
    X = np.random.default_rng(0).integers(1, 4, (40, 3)).astype(float)
    ratings = RatingRBM(2, n_iter=1, random_state=0).fit(X)
    assert unit_names(ratings).tolist()[:4] == ["x0 = 1", "x0 = 2", "x0 = 3", "x1 = 1"]
    display = ComponentsDisplay.from_estimator(ratings)
    assert_allclose(display.components, ratings.components_.reshape(2, 9))
    X, y = digits()
    model = RBMClassifier(3, n_iter=1, random_state=0).fit(X, y)
    display = ComponentsDisplay.from_estimator(model, image_shape=(8, 8))
    assert_allclose(display.components, model.components_)


def test_other_estimators_of_components_and_the_machine_of_an_imputer():
    X, _ = digits()
    pca = PCA(3).fit(X)
    display = ComponentsDisplay.from_estimator(pca, image_shape=(8, 8))
    assert_allclose(display.components, pca.components_)
    machine = GaussianRBM(2, n_iter=1, random_state=0)
    imputer = BoltzmannImputer(machine).fit(X[:, 20:24])
    display = ComponentsDisplay.from_estimator(imputer)
    assert_allclose(display.components, imputer.estimator_.components_)
    assert to_columns(None, pca.components_) is pca.components_
    search = GridSearchCV(machine, {"n_iter": [0, 1]}, cv=2).fit(X)
    display = ComponentsDisplay.from_estimator(search, image_shape=(8, 8))
    assert_allclose(display.components, search.best_estimator_.components_)
    with pytest.raises(ValueError, match=r"give the step: pipeline\[-1\]"):
        ComponentsDisplay.from_estimator(make_pipeline(search.best_estimator_))


def test_panels_in_the_axes_of_a_user():
    model, _ = rbm(3), plt.figure()
    _, own = plt.subplots(1, 4)
    display = ComponentsDisplay.from_estimator(model, ax=own)
    assert_array_equal(display.axes_, own[:3])
    with pytest.raises(ValueError, match="3 panels are drawn, but ax holds 2"):
        display.plot(ax=own[:2])
    _, (left, right) = plt.subplots(1, 2)
    display.plot(ax=left)
    edges = [panel.get_position().x1 for panel in display.axes_]
    assert max(edges) <= left.get_position().x1 + 1e-6
    assert not left.axison
    placed = plt.figure().add_axes([0.1, 0.1, 0.3, 0.8])
    display.plot(ax=placed)
    assert max(panel.get_position().x1 for panel in display.axes_) <= 0.4 + 1e-6
    tiles = ComponentsDisplay.from_estimator(model, image_shape=(8, 8), ax=right)
    assert tiles.ax_ is right
    with pytest.raises(ValueError, match="one matplotlib Axes, got 2"):
        tiles.plot(ax=[left, right])


def test_bad_input_is_refused():
    model = rbm()
    draw = ComponentsDisplay.from_estimator
    with pytest.raises(NotFittedError):
        draw(BernoulliRBM())
    for shape in ((8, 7), (64,), (4, 4, 4), (2, 2, 4, 4)):
        with pytest.raises(ValueError, match="image_shape"):
            draw(model, image_shape=shape)
    with pytest.raises(ValueError, match="numbers from 0 to 6"):
        draw(model, units=[7])
    with pytest.raises(ValueError, match="numbers from 0 to 6"):
        draw(model, units=[0.5])
    with pytest.raises(ValueError, match="at least 1"):
        draw(model, units=0)
    with pytest.raises(ValueError, match="sign must be"):
        draw(model, sign="negative")
    with pytest.raises(ValueError, match="length"):
        draw(model, feature_names=["a"])


def test_a_product_leaves_out_what_is_beside_a_layer():
    first, second = np.ones((2, 3)), np.arange(10.0).reshape(5, 2)
    expected = first @ second[:3]
    assert_allclose(in_input_space([first, second], 2), expected)
