"""Files of estimators: their state is plain, and a checkpoint runs no code."""

import copy
import hashlib
import io
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.base import BaseEstimator

import skebm
from skebm import BernoulliRBM, Checkpoint, MixedRBM, RBMClassifier
from skebm._checkpoint_file import write_checkpoint
from skebm._dtypes import described, dtype_of
from skebm._plain import TYPE, from_plain, to_plain
from skebm.core.machine import Params
from skebm.core.units import Bernoulli, Tied
from tests.test_callbacks import digits, rbm_of
from tests.test_checkpoint import FITS, everything, fitted

# A name for each estimator, and for each way of keeping something of its own.
NAMES = [name for name in FITS if not name.endswith(("stopping", "warm"))]


def asked(model, X, y):
    """The model after questions whose answers it keeps."""
    if hasattr(model, "log_partition"):
        model.log_partition()
    elif hasattr(model, "score"):
        model.score(X, y)
    return model


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", NAMES)
def test_skops_needs_to_trust_our_estimators_alone(name):
    skops = pytest.importorskip("skops.io")
    model, X, y = fitted(name)
    model = asked(model.fit(X, y), X, y)
    stored = skops.dumps(model)
    unknown = skops.get_untrusted_types(data=stored)
    public = {
        f"{x.__module__}.{x.__name__}" for x in vars(skebm).values() if is_ours(x)
    }
    assert set(unknown) <= public
    assert everything(skops.loads(stored, trusted=unknown)) == everything(model)


def is_ours(x):
    return isinstance(x, type) and issubclass(x, BaseEstimator)


def test_a_users_dictionary_may_have_any_key():
    weights = {TYPE: 2.0, "b": 1.0}
    nested = {TYPE: {TYPE: (1, {TYPE: "skebm.core.machine.Params"})}, "a": [weights]}
    assert from_plain(to_plain(nested)) == nested
    model = RBMClassifier(2, n_iter=1, class_weight=weights, random_state=0)
    model.fit(np.eye(4), [TYPE, "b"] * 2)
    loaded = pickle.loads(pickle.dumps(model))
    assert loaded.class_weight == weights
    assert list(loaded.classes_) == ["b", TYPE]


def test_plain_values_come_back():
    value = {
        "params": Params((np.eye(2),), (np.ones(2), None)),
        "list": [1, "a", (Tied(Bernoulli(), 2), None)],
    }
    plain = to_plain(value)
    assert plain["params"][TYPE] == "skebm.core.machine.Params"
    assert type(plain["list"][2][0]) is dict
    back = from_plain(pickle.loads(pickle.dumps(plain)))
    assert isinstance(back["params"], Params)
    assert back["params"].biases[1] is None
    tied, none = back["list"][2]
    assert isinstance(tied, Tied)
    assert isinstance(tied.kind, Bernoulli)
    assert (tied.n_copies, none) == (2, None)


@pytest.mark.parametrize(
    "name", ["os.system", "skebm.rbm.BernoulliRBM", "skebm._reader.np", "skebm.x.y"]
)
def test_what_is_no_private_type_is_refused(name):
    with pytest.raises((ValueError, ImportError), match="skebm"):
        from_plain({TYPE: name, "values": [], "state": {}})


def test_dtypes_of_pandas():
    pd = pytest.importorskip("pandas")
    for dtype in (
        pd.CategoricalDtype(["b", "a"], ordered=True),
        pd.CategoricalDtype([3, 1]),
        pd.CategoricalDtype([0.5, 1.0]),
        pd.StringDtype(),
        pd.Int64Dtype(),
        pd.BooleanDtype(),
        pd.DataFrame({"a": ["x"]}).dtypes.iloc[0],
        np.dtype("float32"),
        np.dtype("<U3"),
        np.dtype(object),
    ):
        plain = described(dtype)
        assert type(plain) is dict
        assert dtype_of(plain) == dtype


def test_dtypes_of_polars():
    pl = pytest.importorskip("polars")
    for dtype in (pl.Int64, pl.String(), pl.Enum(["b", "a"]), pl.Boolean()):
        plain = described(dtype)
        assert type(plain) is dict
        assert dtype_of(plain) == dtype
    # Of which text does not say all.
    assert described(pl.Decimal(10, 2)) == pl.Decimal(10, 2)


def test_a_table_comes_back_from_a_copy_as_it_was():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "kind": pd.Categorical(rng.choice(list("abc"), 60), categories=list("cba")),
            "name": rng.choice(["x", "y", "z"], 60),
            "size": rng.normal(size=60),
        }
    )
    rbm = MixedRBM(4, n_iter=2, random_state=0).fit(X)
    loaded = pickle.loads(pickle.dumps(rbm))
    pd.testing.assert_frame_equal(
        loaded.sample(9, random_state=0), rbm.sample(9, random_state=0)
    )


class Runs:
    """What would run code when it is read."""

    ran = False

    def __reduce__(self):
        return run, ()


def run():
    Runs.ran = True


@pytest.mark.parametrize("where", ["parameter", "attribute", "array"])
def test_a_checkpoint_runs_no_code(tmp_path, where):
    rbm = rbm_of().fit(digits()[0])
    if where == "parameter":
        rbm.set_params(random_state=Runs())
    elif where == "attribute":
        rbm.more_ = {"deep": [Runs()]}
    else:
        rbm.more_ = np.array([Runs()], dtype=object)
    checkpoint = Checkpoint(tmp_path / "rbm")
    write_checkpoint(checkpoint.path, rbm)
    with pytest.raises(ValueError, match=r"holds tests\.test_saving\.run"):
        checkpoint.load()
    assert not Runs.ran
    Checkpoint(checkpoint.path, trusted=[run]).load()
    assert Runs.ran  # else the test could not fail
    Runs.ran = False


@pytest.mark.parametrize(
    "name",
    [
        "os system",
        "builtins eval",
        "skebm._checkpoint_file os.system",
        "sklearn.utils._testing assert_allclose",
        "sklearn.__main__ main",
        "numpy load",
        "functools partial",
        "numpy dtype",
        "numpy._core.multiarray _reconstruct",
        "numpy._core.numeric _frombuffer",
        "sklearn.conftest pytest",
        "sklearn.utils.tests.test_tags BaseEstimator",
    ],
)
def test_functions_are_refused_by_name(tmp_path, name):
    module, name = name.split()
    payload = b"\x80\x04c" + f"{module}\n{name}\n".encode() + b"."
    path = tmp_path / "file"
    digest = hashlib.sha256(payload).hexdigest().encode()
    path.write_bytes(b"skebm checkpoint 5\n" + digest + b"\n" + payload)
    with pytest.raises(ValueError, match="could run any code"):
        Checkpoint(path).load()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("array", "|O8", (2,), "C", b"A" * 16), "an array of object"),
        (("number", "|O8", b"A" * 8), "an array of object"),
        (("array", "V8,O", (1,), "C", b"A" * 16), "an array of"),
        (("array", "<f8", (2,), "C", b"A" * 8), "cannot be read"),
        (("unknown", 1), "cannot be read"),
    ],
)
def test_no_reference_is_made_of_bytes(tmp_path, words, message):
    class Stands(pickle.Pickler):
        def persistent_id(self, value):
            return words if value == "here" else None

    file = io.BytesIO()
    Stands(file, protocol=4).dump(["here"])
    payload, path = file.getvalue(), tmp_path / "file"
    digest = hashlib.sha256(payload).hexdigest().encode()
    path.write_bytes(b"skebm checkpoint 5\n" + digest + b"\n" + payload)
    with pytest.raises(ValueError, match=message):
        Checkpoint(path).load()


def test_arrays_of_all_kinds_come_back(tmp_path):
    rbm = rbm_of().fit(digits()[0])
    arrays = [
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(6, dtype=">i4")[::2],
        np.array(["a", "bc"]),
        np.array(["a", None, 1.5], dtype=object),
        np.array("2026-01-01", dtype="datetime64[D]"),
        np.zeros((0, 3), np.float32),
        np.float32(0.1),
        np.bool_(True),
    ]
    rbm.more_, rbm.again_ = arrays, arrays[0]
    write_checkpoint(tmp_path / "rbm", rbm)
    loaded = Checkpoint(tmp_path / "rbm").load()
    for x, y in zip(loaded.more_, arrays, strict=True):
        assert x.dtype == y.dtype
        assert type(x) is type(y)
        np.testing.assert_array_equal(x, y)
    assert loaded.more_[0].flags.f_contiguous
    loaded.more_[0][0, 0] = 1.0  # it can be written to


class MyRBM(BernoulliRBM):
    """An estimator that is not of skebm."""


def test_a_type_of_ones_own_has_to_be_named(tmp_path):
    X, _ = digits()
    path = tmp_path / "rbm"
    rbm = MyRBM(4, n_iter=2, random_state=0)
    with pytest.raises(ValueError, match=r"MyRBM.*trusted="):
        rbm.set_callbacks(Checkpoint(path)).fit(X)
    assert not path.exists()
    assert not hasattr(rbm, "components_")
    checkpoint = Checkpoint(path, trusted=[MyRBM])
    rbm.set_callbacks(checkpoint).fit(X)
    assert_allclose(checkpoint.resume(X).components_, rbm.components_)
    assert copy.copy(checkpoint).trusted == (MyRBM,)


def test_a_checkpoint_of_another_version(tmp_path):
    path = tmp_path / "rbm"
    write_checkpoint(path, rbm_of())
    for number in (4, 6):
        path.write_bytes(
            path.read_bytes().replace(b"checkpoint 5", b"checkpoint %d" % number)
        )
        with pytest.raises(ValueError, match=f"another version.*format {number}"):
            Checkpoint(path).load()
        write_checkpoint(path, rbm_of())


def test_a_state_of_a_newer_format():
    rbm = rbm_of().fit(digits()[0])
    state = rbm.__getstate__()
    state["_skebm_format"] += 1
    state["_skebm_version"] = "9.9"
    with pytest.raises(ValueError, match=r"newer skebm, 9\.9.*Update"):
        BernoulliRBM().__setstate__(state)


def test_tensors_in_a_checkpoint(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("scipy", "1.14")
    X = torch.asarray(digits()[0])
    with config_context(array_api_dispatch=True):
        checkpoint = Checkpoint(tmp_path / "rbm")
        whole = rbm_of().set_callbacks(checkpoint).fit(X)
        loaded = checkpoint.load()
        assert isinstance(loaded.components_, torch.Tensor)
        assert checkpoint.resume(X).components_.equal(whole.components_)
