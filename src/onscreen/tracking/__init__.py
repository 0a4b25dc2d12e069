"""MLflow: live curves, every pass once, registered models."""
