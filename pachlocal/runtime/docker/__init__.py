"""The docker runtime: a pipeline's command runs in the image that its spec names.

It needs the extra `docker`; nothing imports it unless this runtime is chosen.
"""
