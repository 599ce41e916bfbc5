"""`pachlocal dev`: what is saved, runs.

`project` reads what a folder holds, `watching` tells when something is saved, `loop` lets the
server run what changed, `following` goes along with the jobs, and `screen` shows it. A client:
nothing here decides what runs.
"""
