"""Raw data to the canonical tables: sources, samples, checks, cleaning, splits."""
