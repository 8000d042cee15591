"""Parameters of estimators: from the command line, and such as benchmarks share."""

import ast

# A deep Boltzmann machine for MNIST, whose grey values are probabilities.
DBM_ON_MNIST = {
    "hidden_layer_sizes": (500, 1000),
    "n_iter": 150,
    "learning_rate": 0.04,
    "n_gibbs_steps": 5,
    "n_mean_field_steps": 6,
    "mean_field_tol": 0.01,
    "rbm__n_iter": 30,
    "rbm__sample_inputs": True,
    "sample_inputs": True,
    "random_state": 0,
}


def parsed(arguments):
    """A dictionary from arguments like --n_iter=24 and --algorithm=cd."""
    params = {}
    for argument in arguments:
        name, _, value = argument.removeprefix("--").partition("=")
        is_word = value.isalpha() and value not in ("True", "False", "None")
        params[name] = value if is_word else ast.literal_eval(value)
    return params
