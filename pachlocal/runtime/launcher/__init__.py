"""The small program beside each worker that starts its commands and leaves nothing of them behind.

It runs by itself (`pachlocal.runtime.launch` starts it) and imports next to nothing, so that it is
there in some 15 ms and forks cheaply. One launcher enters its namespaces once; a command then costs
one spawn. It ends, with all that it started, when the pipe of its requests closes: a daemon that is
gone, however it went, leaves nothing running.
"""
