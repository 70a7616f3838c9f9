"""Run the sections, print their tables and draw the plot."""

import argparse
import os
import sys
from pathlib import Path
from time import perf_counter

from threadpoolctl import threadpool_limits

from .report import machine, markdown
from .sections import SECTIONS


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

    report = [introduction(repeats)]
    print(report[0], flush=True)
    panels = []
    for name in options.only:
        begin = perf_counter()
        print(f"{name}: ", end="", file=sys.stderr, flush=True)
        with threadpool_limits(1):
            section = sections[name](options.quick, repeats)
        panels += section.panels
        report.append(
            markdown(name, sections[name].__doc__, section.header, section.rows, section.notes)
        )
        print(f"{perf_counter() - begin:.0f} s", file=sys.stderr)
        print(report[-1], flush=True)
        if options.output:
            (folder / "table.md").write_text("\n".join(report), encoding="utf-8")
    if panels:
        draw(panels, folder / "benchmarks.png")


def introduction(repeats):
    """Describe where and how this is measured."""
    lines = [
        *machine(),
        f"Medians of {repeats} rounds (at most 3 of what takes over a second), with the fastest "
        "and the slowest; in a round the contestants take turns.",
        "One thread and warm code, unless a line says otherwise.",
    ]
    if hasattr(os, "getloadavg"):
        lines.append(f"Load of the machine in the minute before: {os.getloadavg()[0]:.1f}.")
    return "\n".join(f"- {line}" for line in lines) + "\n"


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
