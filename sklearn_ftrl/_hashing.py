"""Hashes of texts, and CSR rows made of them: bytes and numbers only, compiled by numba.

A text is hashed by MurmurHash3_x86_32 of Austin Appleby, which is scikit-learn's
``murmurhash3_32``, from two seeds at once: together they give 64 bits.

A jitted function calls jitted functions of this file alone: numba watches only the file
of the function that is called for changes, and would go on with stale machine code.
"""

import numpy as np

from ._kernel import njit

LOW = np.uint64(2**32 - 1)  # the hash is that of 32-bit numbers, whose products need 64
SIGN = np.uint64(63)
TEN = np.uint64(10)
ZERO, MINUS = np.uint8(ord("0")), np.uint8(ord("-"))
POSITIVE = 2**62 - 1  # j & POSITIVE is j, and tells the compiler that j is no negative index


@njit
def hash_texts(data, offsets, low_seed, high_seed, hashes):
    """Fill ``hashes`` with those of texts i, the bytes from offsets[i] to offsets[i + 1]."""
    for i in range(hashes.size):
        hashes[i] = hash_text(data, offsets[i], offsets[i + 1], low_seed, high_seed)


@njit
def hash_integers(numbers, low_seed, high_seed, hashes):
    """Fill ``hashes`` with those of the decimal digits of numbers, which are int64."""
    digits = np.empty(20, np.uint8)  # as many as those of -2**63, and its sign
    for i in range(hashes.size):
        number = numbers[i]
        rest = np.uint64(-number if number < 0 else number)
        start = digits.size
        while start == digits.size or rest > np.uint64(0):
            start -= 1
            digits[start & POSITIVE] = np.uint8(rest % TEN) + ZERO
            rest //= TEN
        if number < 0:
            start -= 1
            digits[start & POSITIVE] = MINUS
        hashes[i] = hash_text(digits, start, digits.size, low_seed, high_seed)


@njit
def hash_text(data, start, stop, low_seed, high_seed):
    """Return the hash of the bytes from start to stop."""
    tail = stop - ((stop - start) & 3)
    low, high = low_seed, high_seed
    for p in range(start, tail, 4):
        q = p & POSITIVE
        block = np.uint64(data[q])
        block |= np.uint64(data[q + 1]) << np.uint64(8)
        block |= np.uint64(data[q + 2]) << np.uint64(16)
        block |= np.uint64(data[q + 3]) << np.uint64(24)
        block = scramble(block)
        low, high = absorb(low, block), absorb(high, block)
    block = np.uint64(0)
    for p in range(tail, stop):
        block |= np.uint64(data[p & POSITIVE]) << np.uint64(8 * (p - tail))
    last = scramble(block) ^ (np.uint64(stop - start) & LOW)
    return finish(high ^ last) << np.uint64(32) | finish(low ^ last)


@njit
def scramble(block):
    """Return four bytes of a text as they enter the hash."""
    block = (block * np.uint64(0xCC9E2D51)) & LOW
    block = (block << np.uint64(15) | block >> np.uint64(17)) & LOW
    return (block * np.uint64(0x1B873593)) & LOW


@njit
def absorb(h, block):
    """Return the unfinished hash after one more block."""
    h ^= block
    h = (h << np.uint64(13) | h >> np.uint64(19)) & LOW
    return (h * np.uint64(5) + np.uint64(0xE6546B64)) & LOW


@njit
def finish(h):
    """Return 32 bits, each of which depends on all bits of h."""
    h = ((h ^ h >> np.uint64(16)) * np.uint64(0x85EBCA6B)) & LOW
    h = ((h ^ h >> np.uint64(13)) * np.uint64(0xC2B2AE35)) & LOW
    return h ^ h >> np.uint64(16)


@njit
def finish_sum(h):
    """Return 64 bits, each of which depends on all bits of h: MurmurHash3's fmix64."""
    h = (h ^ h >> np.uint64(33)) * np.uint64(0xFF51AFD7ED558CCD)
    h = (h ^ h >> np.uint64(33)) * np.uint64(0xC4CEB9FE1A85EC53)
    return h ^ h >> np.uint64(33)


@njit
def weave(hashes, values, members, starts, n_features, alternate_sign, indices, data, lengths):
    """Fill canonical CSR rows with the crosses of each row's parts.

    Row i has the parts (hashes[j, i], values[j, i]), and a value of 0 is no part; all values
    are 1 where there are none. Cross c is one feature, made of the parts j in
    members[starts[c]] to members[starts[c + 1] - 1]. The first ``lengths[i]`` entries of
    ``indices`` and ``data`` that are not yet taken become row i.
    """
    is_weighted = values.size > 0
    n_crosses = starts.size - 1
    n_buckets = 2 * n_crosses
    row_indices, row_data = np.empty(n_crosses, indices.dtype), np.empty(n_crosses, data.dtype)
    bucket, place = np.empty(n_crosses, np.int64), np.empty(n_buckets + 2, np.int64)
    scale = n_buckets / float(n_features)
    mask = n_features - np.uint64(1)
    is_power = n_features & mask == np.uint64(0)  # the usual case, which needs no division
    n = 0
    for i in range(lengths.size):
        length = 0
        for c in range(n_crosses):
            total, value = np.uint64(0), 1.0
            for m in range(starts[c], starts[c + 1]):
                j = members[m] & POSITIVE
                total += hashes[j, i]
                if is_weighted:
                    value *= values[j, i]
            row_data[length] = value
            if row_data[length] == 0.0:
                continue
            h = finish_sum(total)
            row_indices[length] = h & mask if is_power else h % n_features
            if alternate_sign and h >> SIGN:
                row_data[length] = -row_data[length]
            length += 1
        # Hashes are spread evenly, so an index alone tells nearly where it belongs in the row.
        place[:] = 0
        for k in range(length):
            bucket[k] = np.int64(row_indices[k] * scale)
            place[(bucket[k] + 1) & POSITIVE] += 1
        for b in range(n_buckets):
            place[b + 1] += place[b]
        for k in range(length):
            b = bucket[k] & POSITIVE
            p = (n + place[b]) & POSITIVE
            indices[p], data[p] = row_indices[k], row_data[k]
            place[b] += 1
        stop = n + length
        if insertion_sort(indices, data, n, stop):
            stop = merge(indices, data, n, stop)
        lengths[i] = stop - n
        n = stop


@njit
def insertion_sort(indices, data, start, stop):
    """Sort entries start to stop - 1 by index; return whether some have the same."""
    same = False
    for p in range(start + 1, stop):
        index, value = indices[p & POSITIVE], data[p & POSITIVE]
        while p > start and indices[(p - 1) & POSITIVE] > index:
            indices[p & POSITIVE] = indices[(p - 1) & POSITIVE]
            data[p & POSITIVE] = data[(p - 1) & POSITIVE]
            p -= 1
        same |= p > start and indices[(p - 1) & POSITIVE] == index
        indices[p & POSITIVE], data[p & POSITIVE] = index, value
    return same


@njit
def merge(indices, data, start, stop):
    """Sum sorted entries of the same index, and drop zeros; return the new stop."""
    n = start
    p = start
    while p < stop:
        index, value = indices[p & POSITIVE], data[p & POSITIVE]
        p += 1
        while p < stop and indices[p & POSITIVE] == index:
            value += data[p & POSITIVE]
            p += 1
        if value != 0.0:
            indices[n & POSITIVE], data[n & POSITIVE] = index, value
            n += 1
    return n
