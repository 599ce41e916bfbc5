"""Repos, branches, commits and their relations: provenance, propagation, triggers, squash, drop.

Calls `tree`; `files`, `filesystem` and PPS call it. A change happens in a `transaction`.
"""
