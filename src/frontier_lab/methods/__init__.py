"""What a model is measured, changed or compared by."""
