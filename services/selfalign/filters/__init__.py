"""What principle-engine and refiner share: named filters, the loop detector, the retry loop."""
