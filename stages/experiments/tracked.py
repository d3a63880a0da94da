"""MLflow's store, made before several trainings begin at once."""

import logging

from stages.project.paths import HERE


def prepare() -> None:
    """Make the store that trainings of the project write to, where it is not there.

    Of two trainings that find none each makes one, and the second ends ("duplicate column name", MLflow 3.17
    with SQLite). Raises `UserError` where it cannot be reached.
    """
    import mlflow  # seconds, which one experiment at a time need not wait

    from stages.training import tracking

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with tracking.usable(HERE.project):
        mlflow.set_experiment(tracking.EXPERIMENT)
