"""Parameters of estimators from the command line."""

import ast


def parsed(arguments):
    """A dictionary from arguments like --n_iter=24 and --algorithm=cd."""
    params = {}
    for argument in arguments:
        name, _, value = argument.removeprefix("--").partition("=")
        is_word = value.isalpha() and value not in ("True", "False", "None")
        params[name] = value if is_word else ast.literal_eval(value)
    return params
