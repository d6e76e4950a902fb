"""Headings have the anchors that JupyterLab gives them, so that links work in both places."""


def slug(heading: str) -> str:
    """Return the anchor of a heading: its text, with hyphens for blanks."""
    return heading.replace(" ", "-")
