"""Diagrams: one picture that opens a page, drawn from the settings of what the page is about.

Each page's picture stands in a module with the page's name. ``canvas`` has what they are drawn with;
``lettering`` says how wide a text is on machines that we do not have.
"""
