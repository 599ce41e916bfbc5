"""The commands: `pachlocal` for the daemon, `pachctl` for what is in it."""
