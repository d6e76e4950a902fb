"""Sphinx settings of the site; `python tools/build_site.py` uses them."""

project = "TokenLearner in a Vision Transformer"
html_title = "TokenLearner, built by hand"
extensions = ["myst_nb", "sphinx-mathjax-offline"]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False

nb_execution_mode = "off"  # the pages show what is committed
nb_ipywidgets_js = {}  # a widget needs a kernel; its picture is shown in its place
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 6
myst_heading_slug_func = "jupyter_anchors.slug"
