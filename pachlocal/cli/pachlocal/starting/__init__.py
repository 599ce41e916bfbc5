"""`pachlocal init`: a small project of one's own, which runs, and has a test."""
