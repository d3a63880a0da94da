"""Versions of the model: git tags, MLflow's registry, downloads."""
