"""Pictures of rows: samples and reconstructions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import NotFittedError

from skebm import (
    DBN,
    VAE,
    BernoulliRBM,
    BoltzmannImputer,
    ConditionalVAE,
    DBNClassifier,
    MixedRBM,
    MultinomialRBM,
    RatingRBM,
    RBMClassifier,
    ReconstructionDisplay,
    SamplesDisplay,
)
from skebm.core.sampling import gibbs, start_at_visible
from skebm.core.streams import Purpose
from skebm.display._drawing import ORANGE

from .test_display_components import _closed, digits, rbm, table, tile

__all__ = ["_closed"]


def shown(display, line, column):
    return tile(display.im_.get_array(), line, column)


def is_covered(display, line, column):
    """Where a tile is in the colour of gaps."""
    from matplotlib.colors import to_rgb

    pixels = tile(display.gaps_.get_array(), line, column)
    covered = pixels[..., 3] == 1.0
    assert (pixels[covered][:, :3] == to_rgb(ORANGE)).all()
    return covered


def written_in(ax):
    """What is written in the cells of a table, by (row, column)."""
    places = {}
    for text in ax.texts:
        column, row = text.get_position()
        places[row, column] = text.get_text()
    return places


def test_samples_are_those_of_sample():
    model = rbm()
    display = SamplesDisplay.from_estimator(
        model, 6, image_shape=(8, 8), n_gibbs_steps=3, random_state=1, n_columns=4
    )
    expected = model.sample(6, n_gibbs_steps=3, random_state=1)
    assert_array_equal(display.samples, expected)
    for index, row in enumerate(expected):
        assert_array_equal(shown(display, *divmod(index, 4)), row.reshape(8, 8))
    assert np.ma.getmaskarray(shown(display, 1, 3)).all()
    assert display.im_.get_clim() == (0.0, 1.0)
    assert display.gaps_ is None


def test_numbers_that_are_drawn_by_themselves():
    model, draw = rbm(), SamplesDisplay.from_estimator
    options = {"n_gibbs_steps": 1, "random_state": 0}
    assert draw(model, image_shape=(8, 8), **options).samples.shape == (64, 64)
    assert draw(model, **options).samples.shape == (10, 64)
    assert draw(model, n_gibbs_steps=[0, 1]).samples.shape == (8, 2, 64)
    given = np.full((2, 64), np.nan)
    assert draw(model, given=given, **options).samples.shape == (2, 7, 64)


def test_samples_given_the_upper_half():
    model, (X, _) = rbm(), digits()
    upper = np.where(np.arange(64) < 32, X[:2], np.nan)
    display = SamplesDisplay.from_estimator(
        model, 3, given=upper, image_shape=(8, 8), n_gibbs_steps=9, random_state=0
    )
    repeated = np.repeat(upper, 3, axis=0)
    expected = model.sample(6, given=repeated, n_gibbs_steps=9, random_state=0)
    assert_array_equal(display.samples.reshape(6, 64), expected)
    for line in range(2):
        for column in range(3):
            drawn = shown(display, line, 1 + column)
            assert_array_equal(drawn.ravel(), display.samples[line, column])
            assert_array_equal(drawn.ravel()[:32], X[line, :32])
            assert not is_covered(display, line, 1 + column).any()
        covered = is_covered(display, line, 0).ravel()
        assert_array_equal(covered, np.isnan(upper[line]))
        first = np.ma.filled(shown(display, line, 0), np.nan).ravel()
        assert_array_equal(first, upper[line])
    headings = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert headings == ["given", "", "", ""]


def test_columns_of_chains_are_the_same_chains_later():
    """Step by step by the core, from the same random numbers."""
    model = rbm()
    display = SamplesDisplay.from_estimator(
        model, 5, n_gibbs_steps=[0, 1, 4], image_shape=(8, 8), random_state=3
    )
    draws, machine = model._draws(Purpose.SAMPLE, 3), model._machine()
    kind, mean = machine.units[0], np.broadcast_to(model._data_mean(), (5, 64))
    layers = start_at_visible(machine, kind.sample(mean, draws), draws)
    expected = {0: layers[0]}
    for step in range(1, 5):
        layers = gibbs(machine, layers, 1, draws)
        expected[step] = layers[0]
    for column, step in enumerate([0, 1, 4]):
        assert_array_equal(display.samples[:, column], expected[step])
        for line in range(5):
            drawn = shown(display, line, column).ravel()
            assert_array_equal(drawn, expected[step][line])
    headings = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert headings == ["0", "1", "4"]
    again = SamplesDisplay.from_estimator(
        model,
        5,
        n_gibbs_steps=[0, 1],
        init=digits()[0][:5],
        random_state=np.random.RandomState(0),
    )
    assert_array_equal(again.samples[:, 0], digits()[0][:5])


def test_samples_without_a_chain_and_with_classes():
    X, y = digits()
    means = {"means": True}
    vae = VAE(2, hidden_layer_sizes=(8,), n_iter=1, random_state=0).fit(X)
    display = SamplesDisplay.from_estimator(
        vae, 4, sample_params=means, image_shape=(8, 8), random_state=0
    )
    assert_array_equal(display.samples, vae.sample(4, means=True, random_state=0))
    assert_allclose(shown(display, 0, 1).ravel(), display.samples[1])
    with pytest.raises(ValueError, match="VAE draws rows without a Markov chain"):
        SamplesDisplay.from_estimator(vae, n_gibbs_steps=[1, 2])
    labels = np.repeat([3, 5], 2)
    for model in (
        ConditionalVAE(2, hidden_layer_sizes=(8,), n_iter=1, random_state=0),
        RBMClassifier(3, n_iter=1, random_state=0),
    ):
        model.fit(X, y)
        display = SamplesDisplay.from_estimator(
            model,
            4,
            sample_params={"y": labels},
            image_shape=(8, 8),
            random_state=0,
            row_labels=["three", "five"],
            n_columns=2,
        )
        expected, _ = model.sample(4, y=labels, random_state=0)
        assert_array_equal(display.samples, expected)
        names = [label.get_text() for label in display.ax_.get_yticklabels()]
        assert names == ["three", "five"]


def test_a_table_of_samples_has_their_values():
    X = table()
    model = MixedRBM(3, n_iter=2, random_state=0).fit(X)
    display = SamplesDisplay.from_estimator(
        model, 4, given={"colour": "red"}, n_gibbs_steps=5, random_state=0
    )
    rows = display.samples[0]
    assert (rows[:, 2] == "red").all()
    cells = written_in(display.ax_)
    for (row, column), value in np.ndenumerate(rows):
        sought = f"{value:.3g}" if column < 2 else str(value)
        assert cells[row, column] == sought
    shares = np.ma.filled(display.im_.get_array(), np.nan)
    size = rows[:, 0].astype(float)
    expected = (size - size.min()) / (size.max() - size.min())
    assert_allclose(shares[:, 0], expected)
    names = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert names == ["size", "weight", "colour", "old"]
    frames = [path.get_extents() for path in display.gaps_.get_paths()]
    assert [round(frame.x0 + 0.5) for frame in frames] == [2, 2, 2, 2]
    chains = SamplesDisplay.from_estimator(model, 2, n_gibbs_steps=[1, 9])
    labels = [label.get_text() for label in chains.ax_.get_yticklabels()]
    assert labels == ["chain 0 1 steps", "chain 0 9 steps", "chain 1 1 steps",
                      "chain 1 9 steps"]  # fmt: skip


def test_samples_of_words_and_ratings():
    counts = np.random.default_rng(0).poisson(1.0, (60, 12))
    words = MultinomialRBM(3, n_iter=2, random_state=0).fit(counts)
    display = SamplesDisplay.from_estimator(
        words, 5, sample_params={"n_words": 9}, random_state=0
    )
    assert_array_equal(np.sum(display.samples, axis=1), 9.0)
    X = np.random.default_rng(0).integers(1, 4, (40, 5)).astype(float)
    ratings = RatingRBM(2, n_iter=1, random_state=0).fit(X)
    given = [1.0, np.nan, np.nan, np.nan, 3.0]
    display = SamplesDisplay.from_estimator(ratings, 6, given=given, random_state=0)
    assert_array_equal(display.samples[0][:, [0, 4]], [[1.0, 3.0]] * 6)


def test_bad_input_of_samples_is_refused():
    model, draw = rbm(), SamplesDisplay.from_estimator
    with pytest.raises(NotFittedError):
        draw(BernoulliRBM())
    with pytest.raises(ValueError, match="image_shape"):
        draw(model, image_shape=(3, 3))
    with pytest.raises(ValueError, match="should rise from column to column"):
        draw(model, n_gibbs_steps=[1, 1])
    with pytest.raises(ValueError, match="Give either `given` or several"):
        draw(model, given=[np.nan] * 64, n_gibbs_steps=[1, 2])
    with pytest.raises(ValueError, match="given has 3 features"):
        draw(model, given=[np.nan] * 3)
    with pytest.raises(ValueError, match="no names of features"):
        draw(model, given={"blue": 1})
    dbn = DBN((4, 3), rbm=BernoulliRBM(n_iter=0), random_state=0).fit(digits()[0])
    with pytest.raises(ValueError, match="DBN cannot draw features given others"):
        draw(dbn, given=[np.nan] * 64)
    classifier = DBNClassifier(
        3, rbm=BernoulliRBM(n_iter=0), max_iter=1, learning_rate_schedule="linear"
    )
    with pytest.raises(ValueError, match="DBNClassifier has no sample"):
        draw(classifier.fit(*digits()))


@pytest.mark.parametrize("of_rows", [False, True])
def test_rows_with_hidden_entries_are_filled(of_rows):
    model, (X, _) = rbm(), digits()
    seen = np.arange(64) % 8 < 5
    mask = np.tile(seen, (len(X), 1))
    if of_rows:
        mask = np.random.default_rng(0).random(X.shape) < 0.5
    display = ReconstructionDisplay.from_estimator(
        model,
        X,
        observed=mask if of_rows else seen,
        n_rows=3,
        image_shape=(8, 8),
        random_state=0,
    )
    assert display.labels_ == ["original", "observed", "filled"]
    filled = model.impute(np.where(mask, X, np.nan)[:3], random_state=0)
    for column in range(3):
        assert_array_equal(shown(display, 0, column).ravel(), X[column])
        observed = np.ma.filled(shown(display, 1, column), np.nan).ravel()
        assert_array_equal(observed, np.where(mask[column], X[column], np.nan))
        assert_array_equal(is_covered(display, 1, column).ravel(), ~mask[column])
        assert_allclose(shown(display, 2, column).ravel(), filled[column])
        for line in (0, 2):
            assert not is_covered(display, line, column).any()
    assert display.im_.get_array().shape == (26, 26)


def test_where_the_rows_have_gaps_there_is_no_original():
    model, (X, _) = rbm(), digits()
    X = np.where(np.arange(64) < 40, X, np.nan)
    display = ReconstructionDisplay.from_estimator(
        model, X, image_shape=(8, 8), random_state=0
    )
    assert display.labels_ == ["observed", "filled"]
    assert display.X_filled.shape == (10, 64)
    assert_array_equal(is_covered(display, 0, 0).ravel(), np.isnan(X[0]))
    assert_array_equal(shown(display, 1, 9).ravel(), display.X_filled[9])


def test_whole_rows_are_reconstructed():
    model, (X, _) = rbm(), digits()
    display = ReconstructionDisplay.from_estimator(model, X, image_shape=(8, 8))
    assert display.labels_ == ["original", "reconstructed"]
    expected = model.reconstruct(X[:10])
    assert_allclose(shown(display, 1, 4).ravel(), expected[4])
    assert display.gaps_ is None
    vae = VAE(2, hidden_layer_sizes=(8,), n_iter=1, random_state=0).fit(X)
    display = ReconstructionDisplay.from_estimator(vae, X, image_shape=(8, 8))
    assert_allclose(display.X_filled, vae.reconstruct(X[:10]))


def test_a_table_of_filled_rows():
    X = table()
    model = MixedRBM(3, n_iter=2, random_state=0).fit(X)
    seen = np.random.default_rng(0).random((5, 4)) < 0.5
    display = ReconstructionDisplay.from_estimator(
        model, X[:5], observed=seen, random_state=0
    )
    titles = [ax.get_title() for ax in display.axes_]
    assert titles == ["original", "observed", "filled"]
    filled = model.impute(X[:5].where(seen), random_state=0).to_numpy()
    cells = [written_in(ax) for ax in display.axes_]
    for (row, column), is_seen in np.ndenumerate(seen):
        own, guess = X.to_numpy()[row, column], filled[row, column]
        for table_cells, value in ((cells[0], own), (cells[2], guess)):
            sought = f"{value:.3g}" if column < 2 else str(value)
            assert table_cells[row, column] == sought
        assert ((row, column) in cells[1]) == is_seen
        if is_seen:
            assert own == guess
    cover, frames = display.gaps_
    assert_array_equal(cover.get_array()[..., 3] == 1.0, ~seen)
    assert len(frames.get_paths()) == (~seen).sum()


def test_rows_of_other_containers():
    """Data frames of polars, and sparse rows."""
    polars = pytest.importorskip("polars")
    rng = np.random.default_rng(0)
    X = polars.DataFrame({"size": rng.normal(size=40), "colour": ["red", "blue"] * 20})
    model = MixedRBM(3, n_iter=2, random_state=0).fit(X)
    seen = np.tile([[True, False], [False, True]], (20, 1))
    display = ReconstructionDisplay.from_estimator(
        model, X, observed=seen, n_rows=2, random_state=0
    )
    assert display.X_filled[0, 0] == X["size"][0]
    assert display.X_filled[1, 1] == "blue"
    machine, (rows, _) = rbm(), digits()
    display = ReconstructionDisplay.from_estimator(machine, sparse.csr_array(rows))
    assert_allclose(display.X_filled, machine.reconstruct(rows[:10]), rtol=1e-5)


def test_an_imputer_and_ratings():
    X = table()
    gaps = X.where(np.random.default_rng(0).random(X.shape) < 0.8)
    imputer = BoltzmannImputer(MixedRBM(3, n_iter=2, random_state=0)).fit(gaps)
    display = ReconstructionDisplay.from_estimator(imputer, gaps, random_state=0)
    expected = imputer.estimator_.impute(gaps[:10], random_state=0).to_numpy()
    assert_array_equal(display.X_filled, expected)
    R = np.random.default_rng(0).integers(1, 4, (40, 5)).astype(float)
    R[:, 0] = np.nan
    R[0, 0] = 1.0
    ratings = RatingRBM(2, n_iter=1, random_state=0).fit(R)
    display = ReconstructionDisplay.from_estimator(ratings, R)
    assert_allclose(display.X_filled, ratings.impute(R[:10]))


def test_bad_input_of_reconstructions_is_refused():
    model, (X, _) = rbm(), digits()
    draw = ReconstructionDisplay.from_estimator
    with pytest.raises(NotFittedError):
        draw(BernoulliRBM(), X)
    with pytest.raises(ValueError, match="image_shape"):
        draw(model, X, image_shape=(9, 9))
    for mask in (np.ones(3, dtype=bool), np.ones(64)):
        with pytest.raises(ValueError, match="observed should hold True or False"):
            draw(model, X, observed=mask)
    with pytest.raises(ValueError, match="method must be"):
        draw(model, X, method="fill")
    for n_rows, error in ((-1, ValueError), (0, ValueError), (2.0, TypeError)):
        with pytest.raises(error, match="n_rows"):
            draw(model, X, n_rows=n_rows)
    counts = np.random.default_rng(0).poisson(1.0, (60, 12))
    words = MultinomialRBM(3, n_iter=1, random_state=0).fit(counts)
    with pytest.raises(ValueError, match="MultinomialRBM has no impute"):
        draw(words, counts, observed=np.arange(12) < 3)


def test_made_by_hand_without_names():
    filled = np.arange(6.0).reshape(2, 3)
    display = ReconstructionDisplay(filled, method="reconstruct").plot()
    assert display.labels_ == ["reconstructed"]
    names = [label.get_text() for label in display.axes_[0].get_xticklabels()]
    assert names == ["x0", "x1", "x2"]
    samples = SamplesDisplay(filled).plot()
    assert written_in(samples.ax_)[1, 2] == "5"


@pytest.mark.parametrize("n_rows", [1, 10, 30])
@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (62, 47), (3, 12)])
def test_labels_are_within_the_figure(shape, n_rows):
    n_features = shape[0] * shape[1]
    X = np.random.default_rng(0).random((n_rows, n_features))
    chains = np.stack([X] * 3, axis=1)
    names = ["a long label"]
    for display in (
        ReconstructionDisplay(X, X=X, image_shape=shape, method="reconstruct").plot(),
        SamplesDisplay(X, image_shape=shape).plot(n_columns=n_rows, row_labels=names),
        SamplesDisplay(chains, image_shape=shape, n_gibbs_steps=[0, 1, 9]).plot(),
    ):
        display.figure_.canvas.draw()
        inside = display.figure_.bbox
        drawn = display.ax_.get_tightbbox()
        assert drawn.x0 >= inside.x0
        assert drawn.y0 >= inside.y0
        assert drawn.x1 <= inside.x1
        assert drawn.y1 <= inside.y1
