"""What the filters of answers share: named checks, the loop detector, words and n-grams."""
