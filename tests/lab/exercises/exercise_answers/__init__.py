"""Right answers and typical mistakes, a module for each page."""
