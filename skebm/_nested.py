"""Parameters of parts, as `rbm__n_iter`, where there is no single part to take them."""


class NestedParamsMixin:
    """Parameters of a part that is a list, or none yet, are a clear error."""

    def set_params(self, **params):
        """Set parameters of this estimator, and of estimators that it is given.

        Parameters
        ----------
        **params : dict
            Values by name: `<parameter>`, or `<parameter>__<name>` for one of an
            estimator that is a parameter, as `rbm__n_iter`.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If there is no such parameter, or if it is one of a parameter that is a list
            or None.
        """
        own = self.get_params(deep=False)
        for key in params:
            name, _, nested = key.partition("__")
            part = params.get(name, own.get(name, self))
            is_estimator = hasattr(part, "set_params") and not isinstance(part, type)
            if nested and not is_estimator:
                raise ValueError(in_words(self, name, part, nested, key))
        return super().set_params(**params)


def in_words(estimator, name, part, nested, key):
    """Why a parameter of a part cannot be set, and what to do."""
    start = f"{key!r} cannot be set, as {name} of this {type(estimator).__name__} is "
    if isinstance(part, list | tuple):
        return (
            f"{start}a list, whose estimators have parameters of their own. Set it on "
            f"one, as in {name}[0].set_params({nested}=...), or give a single one for "
            "all."
        )
    if part is None:
        return (
            f"{start}None, and no estimator. Where {name} takes one, give it first, by "
            f"set_params({name}=...)."
        )
    return f"{start}{part!r}, and no estimator."
