"""How Sphinx makes the documentation."""

from __future__ import annotations

project = "courant_mail"
author = "courant_mail contributors"
project_copyright = "2026, courant_mail contributors"

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = "courant_mail"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["screenshots.css"]
