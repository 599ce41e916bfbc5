"""The small program that starts each worker's commands, and leaves none of their processes behind.

It is a separate process (`pachlocal.runtime.launch` starts it) and imports almost nothing, so that
it starts in some 15 ms and forks cheaply. A launcher enters its namespaces once; each command then
costs one spawn. When the pipe of its requests closes, it ends with everything that it started: a
daemon leaves nothing running, however it ends.
"""
