"""Threads: how many pay, which rows each takes, and their results."""

import itertools
from concurrent.futures import ThreadPoolExecutor

WORK_OF_A_THREAD = 2**18  # weights, some milliseconds: less does not pay for a thread's start


def how_many(most, work):
    """Return how many threads may share the learning or reading of so many weights."""
    return max(1, min(most, work // WORK_OF_A_THREAD))


def split(n_rows, n_parts):
    """Return the starts and stops of parts of nearly equal sizes."""
    return list(itertools.pairwise(n_rows * part // n_parts for part in range(n_parts + 1)))


def in_threads(function, calls):
    """Return the results of calls that run at the same time."""
    if len(calls) == 1:
        return [function(*calls[0])]
    with ThreadPoolExecutor(len(calls)) as threads:  # Ctrl-C waits for them all
        futures = [threads.submit(function, *call) for call in calls]
        return [future.result() for future in futures]
