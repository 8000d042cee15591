"""The mathematics: layered Boltzmann machines over arrays. Knows no estimator."""
