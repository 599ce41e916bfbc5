"""Access control: each way into the daemon, and its check.

`listeners` opens the ways in; `gate` is the check of each call, by a token or by the user at the
other end of the connection (`peers`, which asks the kernel by `connections`); `certificates` keeps
what TLS needs. docs/security.md explains what this protects, and from whom.
"""
