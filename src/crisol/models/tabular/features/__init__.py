"""From typed rows to the numbers, codes, texts and pictures that algorithms read."""
