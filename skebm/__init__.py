"""Boltzmann machines with the interface of scikit-learn."""

from ._callbacks import HistoryMonitor
from ._checkpoint import Checkpoint
from .autoencoder import DeepAutoencoder
from .categorical import CategoricalRBM
from .conditional_vae import ConditionalVAE
from .dbm import DBM
from .dbn import DBN
from .display import (
    ComponentsDisplay,
    HiddenActivationDisplay,
    HistoryDisplay,
    LogLikelihoodDisplay,
    LogPartitionDisplay,
    ReconstructionDisplay,
    SamplesDisplay,
)
from .gaussian import GaussianRBM
from .imputer import BoltzmannImputer
from .mixed import MixedRBM
from .multinomial import MultinomialRBM
from .ratings import RatingRBM
from .rbm import BernoulliRBM
from .rbm_classifier import RBMClassifier
from .supervised import DBMClassifier, DBNClassifier, DBNRegressor
from .vae import VAE

__version__ = "0.1.0.dev0"

__all__ = [
    "DBM",
    "DBN",
    "VAE",
    "BernoulliRBM",
    "BoltzmannImputer",
    "CategoricalRBM",
    "Checkpoint",
    "ComponentsDisplay",
    "ConditionalVAE",
    "DBMClassifier",
    "DBNClassifier",
    "DBNRegressor",
    "DeepAutoencoder",
    "GaussianRBM",
    "HiddenActivationDisplay",
    "HistoryDisplay",
    "HistoryMonitor",
    "LogLikelihoodDisplay",
    "LogPartitionDisplay",
    "MixedRBM",
    "MultinomialRBM",
    "RBMClassifier",
    "RatingRBM",
    "ReconstructionDisplay",
    "SamplesDisplay",
    "__version__",
]
