"""Results, tables and figures of the evaluation."""
