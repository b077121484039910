"""What learns from tables, texts and pictures; one module each."""
