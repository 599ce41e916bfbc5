"""The API on the wire: `make proto` writes the modules here from the .proto files."""
