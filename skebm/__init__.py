"""Boltzmann machines with the interface of scikit-learn."""

from ._callbacks import HistoryMonitor
from ._checkpoint import Checkpoint
from .dbm import DBM
from .dbn import DBN
from .gaussian import GaussianRBM
from .multinomial import MultinomialRBM
from .rbm import BernoulliRBM
from .supervised import DBMClassifier, DBNClassifier, DBNRegressor

__version__ = "0.1.0.dev0"

__all__ = [
    "DBM",
    "DBN",
    "BernoulliRBM",
    "Checkpoint",
    "DBMClassifier",
    "DBNClassifier",
    "DBNRegressor",
    "GaussianRBM",
    "HistoryMonitor",
    "MultinomialRBM",
    "__version__",
]
