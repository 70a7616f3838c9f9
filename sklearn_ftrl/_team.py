"""Threads that learn apart from a common start, and are merged."""

import numpy as np

from . import _state, _threads
from ._kernel import merge_parts

# A running kernel does not hear Ctrl-C: weights learned between two looks, about 0.1 s.
BLOCK = 2**23
MERGE_COST = 4  # weights learned in the time in which one is merged
GAP = 8  # features between the states of threads: where two write to one cache line, both wait


class Team:
    """Copies of a learner that learn a part of the rows each, in threads, and are merged.

    Their states are kept, as merged, for the next rows: they take long to make.
    """

    def __init__(self, most=1):
        self.most = most
        self.stacks = self.merged = None

    def size(self, learner, work):
        """Return how many threads may learn so many weights at the same time.

        A thread has work of its own for some milliseconds, and to merge the parts takes no longer
        than to learn them. So it follows from sizes alone.
        """
        block = min(work, self.most * self.block(learner, self.most))
        if block < self.most * _cost_of_merge(learner):
            return 1
        return _threads.how_many(self.most, work)

    def block(self, learner, size):
        """Return the weights that a thread learns between two looks; threads are merged there."""
        if size == 1:
            return BLOCK
        return max(BLOCK, min(16 * _cost_of_merge(learner), 8 * BLOCK))

    def members(self, learner, size):
        """Return the learners of so many threads, as this one is; of one thread, this one."""
        if size == 1:
            return [learner]
        n_features = learner.state.shape[0]
        arrays = learner.state, learner.intercept_state
        shapes = [(size, array.shape[0] + GAP, *array.shape[1:]) for array in arrays]
        if self.stacks is None or [stack.shape for stack in self.stacks] != shapes:
            self.stacks, self.merged = None, None  # their memory is for the new ones
            self.stacks = [
                _state.zeros(shape, array.dtype)
                for shape, array in zip(shapes, arrays, strict=True)
            ]
        states, intercepts = self.stacks[0][:, :n_features], self.stacks[1][:, :1]
        if not self._is_as(learner):
            _threads.in_threads(np.copyto, [(state, learner.state) for state in states])
            intercepts[:] = learner.intercept_state
        self.merged = None  # until they rest
        members = [object.__new__(type(learner)) for _ in range(size)]  # copies would have states
        for member, state, intercept in zip(members, states, intercepts, strict=True):
            vars(member).update(vars(learner), state=state, intercept_state=intercept)
        return members

    def merge(self, learner, alpha, average, steps):
        """Merge the threads, which have made so many steps, into the learner."""
        states, intercepts = self.stacks
        numbers = learner.numbers
        calls = [
            (learner.state, states, a, b, alpha, numbers.prox, average, steps, False)
            for a, b in _threads.split(learner.state.shape[0], len(steps))
        ]
        try:
            _threads.in_threads(merge_parts, calls)
        finally:  # Ctrl-C is raised when they are merged
            state, prox = learner.intercept_state, numbers.intercept_prox
            merge_parts(state, intercepts, 0, 1, alpha, prox, average, steps, True)

    def rest(self, learner):
        """Keep the states for the next rows: they are as those of the learner."""
        self.merged = learner.state, learner.t, learner.alpha

    def _is_as(self, learner):
        """Return whether the learner has not changed since the threads rest."""
        if self.merged is None:
            return False
        state, t, alpha = self.merged
        return learner.state is state and learner.t == t and learner.alpha == alpha


def _cost_of_merge(learner):
    """Return how many weights are learned in the time in which a part is merged."""
    n_outputs, n_features = learner.shape
    return MERGE_COST * n_features * n_outputs
