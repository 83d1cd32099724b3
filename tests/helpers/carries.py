"""Carries, counted as by hand."""

from __future__ import annotations


def columns_by_hand(a: int, b: int, digits: int) -> list[bool]:
    carry, columns = 0, []
    for _ in range(digits):
        carry = int(a % 10 + b % 10 + carry >= 10)
        columns.append(carry == 1)
        a, b = a // 10, b // 10
    return columns


def longest_by_hand(columns: list[bool]) -> int:
    return max(len(run) for run in "".join("01"[column] for column in columns).split("0"))
