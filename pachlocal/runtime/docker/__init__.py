"""The docker runtime: a pipeline's command runs in the image that its spec names.

Needs the extra `docker`; nothing else imports it before it is asked for.
"""
