"""Assign units to buckets for rollouts and splits: a frozen contract, in integers.

Shape   bucket = (first four bytes, big-endian, of SHA-256(salt 0x1F purpose 0x1F unit) * 100,000) >> 32
Units   a bucket is one of 100,000; percentages are thousandths of a per cent, weights sum to 100,000
Laws    the same in every language and release; purposes are independent; raising a rollout only adds units
Source  dsl/SPEC.md "Bucketing", dsl/vectors/hash
"""

from collections.abc import Sequence
from hashlib import sha256

BUCKETS = 100_000


def bucket(salt: str, purpose: str, unit: str) -> int:
    """The bucket, in [0, 100,000), of a unit for one purpose of a flag.

    The purpose is "rollout", "split" or "exposure".

    >>> bucket("new_checkout", "rollout", "u-1")
    30685
    """
    digest = sha256(f"{salt}\x1f{purpose}\x1f{unit}".encode("utf-8", "surrogatepass")).digest()
    return (int.from_bytes(digest[:4], "big") * BUCKETS) >> 32


def chosen(weights: Sequence[int], at: int) -> int:
    """The index of the arm whose cumulative weight covers the bucket.

    The weights must sum to 100,000."""
    total = 0
    for index, weight in enumerate(weights):
        total += weight
        if at < total:
            return index
    raise ValueError(f"weights sum to {total}, not {BUCKETS}")
