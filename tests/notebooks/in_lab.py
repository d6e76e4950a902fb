"""Notebooks that a test writes, runs and saves in JupyterLab, as a learner would."""

import nbformat


def write_notebook(path, code, words):
    """Write a notebook with code cells, then Markdown cells."""
    cells = [nbformat.v4.new_code_cell(each.strip()) for each in code]
    cells += [nbformat.v4.new_markdown_cell(each) for each in words]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)


def run_all(page):
    """Run all cells of the notebook that the page has opened."""
    page.get_by_text("(ipykernel) | Idle").wait_for()
    page.wait_for_timeout(3000)  # the first answers of a kernel come twice
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def save(page, path, seconds):
    """Save the notebook by keyboard, and return its file, with outputs if they come in time."""
    page.locator(".jp-MarkdownCell").last.click()
    page.keyboard.press("Control+s")
    for _ in range(2 * seconds):
        page.wait_for_timeout(500)
        saved = nbformat.read(path, as_version=4)
        if saved.cells[0].outputs:
            break
    return saved
