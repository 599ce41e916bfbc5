"""The edge: one gRPC service a module; translates messages to calls and errors to statuses."""
