"""The data of the live figures, each written by a command, and the models that run in the page."""
