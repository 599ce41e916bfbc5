"""PFS: repos, branches, commits, provenance, file trees, globs, diffs."""
