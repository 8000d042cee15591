"""Where things are: chapters about a class, lines of the source, order of examples."""

import importlib
import inspect
from pathlib import Path

import skebm

ROOT = Path(__file__).resolve().parent.parent.parent
REPOSITORY = "https://github.com/skebm/skebm"

# The chapters of the user guide that a class's page leads to, by their labels.
CHAPTERS = {
    "BernoulliRBM": ["model", "training", "how_to_choose", "likelihood"],
    "BoltzmannImputer": ["missing"],
    "CategoricalRBM": ["tables"],
    "Checkpoint": ["callbacks"],
    "ComponentsDisplay": ["watching"],
    "ConditionalVAE": ["conditional_vae"],
    "DBM": ["dbm", "dbm_training"],
    "DBMClassifier": ["fine_tuning"],
    "DBN": ["dbn"],
    "DBNClassifier": ["fine_tuning"],
    "DBNRegressor": ["fine_tuning"],
    "DeepAutoencoder": ["autoencoders"],
    "GaussianRBM": ["real_values"],
    "HiddenActivationDisplay": ["watching"],
    "HistoryDisplay": ["watching"],
    "HistoryMonitor": ["callbacks"],
    "LogLikelihoodDisplay": ["likelihood"],
    "LogPartitionDisplay": ["trusting"],
    "MixedRBM": ["tables"],
    "MultinomialRBM": ["word_counts"],
    "RBMClassifier": ["classes"],
    "RatingRBM": ["ratings"],
    "ReconstructionDisplay": ["missing"],
    "SamplesDisplay": ["samples"],
    "VAE": ["vae"],
}

# Examples in the order in which a newcomer would read them; others follow by name.
ORDER = [
    "quickstart.py",
    "plot_features.py",
    "plot_n_components.py",
    "plot_missing_values.py",
    "plot_lower_half.py",
    "plot_outliers.py",
    "plot_tables.py",
    "plot_topics.py",
    "plot_ratings.py",
    "plot_faces.py",
    "plot_rbm_classifier.py",
    "plot_depth.py",
    "plot_dbm.py",
    "plot_pretraining.py",
    "plot_few_labels.py",
    "plot_autoencoder.py",
    "plot_vae.py",
    "plot_training_algorithms.py",
    "plot_resume.py",
    "plot_memory_mapped.py",
]


class InOrder:
    """The key by which sphinx-gallery sorts examples."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, name):
        return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def linkcode_resolve(domain, info):
    """The address of the lines of a class or a method in the repository."""
    if domain != "py" or not info["module"]:
        return None
    found = importlib.import_module(info["module"])
    for name in info["fullname"].split("."):
        found = getattr(found, name, None)
    found = inspect.unwrap(getattr(found, "fget", None) or found)
    try:
        path = Path(inspect.getsourcefile(found)).resolve().relative_to(ROOT)
        lines, first = inspect.getsourcelines(found)
    except (TypeError, OSError, ValueError):  # not a function or a class of ours
        return None
    last = first + len(lines) - 1
    version = "main" if "dev" in skebm.__version__ else f"v{skebm.__version__}"
    return f"{REPOSITORY}/blob/{version}/{path.as_posix()}#L{first}-L{last}"
