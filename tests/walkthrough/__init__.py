"""The workshop's walkthrough: its steps, once, for `make demo` and for the tests."""
