"""Calls to this user's daemon without gRPC, whose import takes longer than most commands do.

The daemon notices nothing: it is HTTP/2 on its Unix socket (https://httpwg.org/specs/rfc9113.html),
as gRPC uses it (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). Each call has a
connection of its own, and one short message to send; what needs more is left to gRPC.
"""
