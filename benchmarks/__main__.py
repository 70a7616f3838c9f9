"""Run the sections, print their tables and draw the plot."""

import argparse
import importlib.metadata
import os
import platform
import re
import sys
from pathlib import Path
from time import perf_counter

from threadpoolctl import threadpool_limits

from .sections import SECTIONS

PACKAGES = ["numpy", "scipy", "scikit-learn", "numba", "sklearn-ftrl"]
PEERS = ["vowpalwabbit", "datatable", "river"]


def main():
    """Read the command line and do as it says."""
    sections = {section.__name__: section for section in SECTIONS}
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small works: does it all run?")
    parser.add_argument("--only", nargs="+", metavar="SECTION", choices=sections, default=sections)
    parser.add_argument("--repeats", type=int, help="rounds of each race; default 5, quick 1")
    parser.add_argument("--output", type=Path, help="directory for table.md and benchmarks.png")
    options = parser.parse_args()
    repeats = options.repeats or (1 if options.quick else 5)

    folder = options.output or Path()
    folder.mkdir(parents=True, exist_ok=True)

    report = [machine(repeats)]
    print(report[0], flush=True)
    panels = []
    for name in options.only:
        begin = perf_counter()
        print(f"{name}: ", end="", file=sys.stderr, flush=True)
        with threadpool_limits(1):
            section = sections[name](options.quick, repeats)
        panels += section.panels
        report.append(markdown(name, sections[name].__doc__, section))
        print(f"{perf_counter() - begin:.0f} s", file=sys.stderr)
        print(report[-1], flush=True)
        if options.output:
            (folder / "table.md").write_text("\n".join(report), encoding="utf-8")
    if panels:
        draw(panels, folder / "benchmarks.png")


def machine(repeats):
    """Describe where and how this is measured."""
    versions = [f"Python {platform.python_version()}"]
    for package in PACKAGES + PEERS:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} not installed")
    lines = [
        f"{platform.system()} {platform.machine()}, {processor()}, {os.cpu_count()} cores",
        ", ".join(versions),
        f"Medians of {repeats} rounds (at most 3 of what takes over a second), with the fastest "
        "and the slowest; in a round the contestants take turns.",
        "One thread and warm code, unless a line says otherwise.",
    ]
    if hasattr(os, "getloadavg"):
        lines.append(f"Load of the machine in the minute before: {os.getloadavg()[0]:.1f}.")
    return "\n".join(f"- {line}" for line in lines) + "\n"


def processor():
    """Return the name of the processor, as well as it is known."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    return names[0] if names else platform.processor()


def markdown(name, title, section):
    """Write a section as a heading, a table and notes."""
    table = [section.header, *section.rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    table.insert(1, ["-" * width for width in widths])
    lines = [f"## {name}", "", title, ""]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"- {note}" for note in section.notes), ""])


def draw(panels, path):
    """Draw the panels into one picture."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        print("No plot: matplotlib is not installed.", file=sys.stderr)
        return
    n_columns = min(3, len(panels))
    n_rows = -(-len(panels) // n_columns)
    figure, axes = plt.subplots(
        n_rows, n_columns, figsize=(6 * n_columns, 5 * n_rows), layout="constrained", squeeze=False
    )
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    for panel, ax in zip(panels, axes.flat, strict=False):
        panel(ax)
    figure.savefig(path)
    print(f"The plot is in {path}.")


if __name__ == "__main__":
    main()
