"""What every report has: where it was measured, and tables."""

import importlib.metadata
import os
import platform
import re
from pathlib import Path

PACKAGES = ["numpy", "scipy", "scikit-learn", "numba", "pyarrow", "sklearn-ftrl"]
PEERS = ["vowpalwabbit", "datatable", "river"]


def machine():
    """Return lines about the machine and the versions of what was measured."""
    versions = [f"Python {platform.python_version()}"]
    for package in PACKAGES + PEERS:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} not installed")
    return [
        f"{platform.system()} {platform.machine()}, {processor()}, {os.cpu_count()} cores",
        ", ".join(versions),
    ]


def processor():
    """Return the name of the processor, as well as it is known."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    return names[0] if names else platform.processor()


def markdown(name, title, header, rows, notes=()):
    """Write a heading, a table and notes."""
    table = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    table.insert(1, ["-" * width for width in widths])
    lines = [f"## {name}", "", title, ""]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"- {note}" for note in notes), ""])
