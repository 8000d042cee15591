"""Pictures of fitted estimators, after the conventions of scikit-learn."""

from ._components import ComponentsDisplay
from ._hidden_activation import HiddenActivationDisplay
from ._history import HistoryDisplay
from ._log_likelihood import LogLikelihoodDisplay
from ._log_partition import LogPartitionDisplay
from ._reconstruction import ReconstructionDisplay
from ._samples import SamplesDisplay

__all__ = [
    "ComponentsDisplay",
    "HiddenActivationDisplay",
    "HistoryDisplay",
    "LogLikelihoodDisplay",
    "LogPartitionDisplay",
    "ReconstructionDisplay",
    "SamplesDisplay",
]
