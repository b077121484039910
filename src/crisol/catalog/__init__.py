"""The Kedro datasets that know no MLflow: results, raw files, configuration."""
