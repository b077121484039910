"""The search: its trials, the portfolio, the study and the first answer."""
