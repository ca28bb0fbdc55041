"""What the filters of answers share: named checks, loops, leaks, languages, declining; words."""
