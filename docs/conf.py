"""How Sphinx builds the documentation: ``make -C docs html``, without a network."""

import re

import matplotlib
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sklearn.experimental import enable_halving_search_cv  # noqa: F401, an example names it

import sklearn_ftrl

matplotlib.use("agg")

project = "sklearn-ftrl"
author = "The sklearn-ftrl developers"
copyright = "the sklearn-ftrl developers, BSD-3-Clause"
version = release = sklearn_ftrl.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "*_table.md", "gallery/sg_execution_times.rst"]
default_role = "literal"

# Every reference inside the site has to resolve. Names of other packages have no target
# here, as their inventories would have to be fetched.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(sklearn|numpy|scipy|pandas|matplotlib)\..*")]

autosummary_generate = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"  # beside the page there is no room for them
numpydoc_show_class_members = False  # the template lists them, with their docstrings
numpydoc_class_members_toctree = False

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklearn_ftrl",),
    "filename_pattern": r"plot_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "image_srcset": ["2x"],
    "thumbnail_size": (480, 200),
    "matplotlib_animations": False,
}

html_theme = "pydata_sphinx_theme"
html_title = f"sklearn-ftrl {release}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
# These have no pages below them, and so nothing to show at the left.
ALONE = "index getting_started migrating performance quality faq contributing changelog"
html_sidebars = {page: [] for page in ALONE.split()}


def _plain_references(app, what, name, obj, options, lines):
    """Turn references to scikit-learn's guide and glossary, in inherited methods, into text."""
    for k, line in enumerate(lines):
        line = re.sub(r":(?:ref|term):`([^`<]+?)\s*<[^>]*>`", r"\1", line)
        lines[k] = re.sub(r":(?:ref|term):`([^`]*)`", r"\1", line)


def _inline_math(translator, node):
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _block_math(translator, node):
    translator.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app):
    """Register the above. MathML needs no script, and so nothing to fetch."""
    app.add_html_math_renderer("mathml", (_inline_math, None), (_block_math, None))
    app.connect("autodoc-process-docstring", _plain_references)


html_math_renderer = "mathml"
