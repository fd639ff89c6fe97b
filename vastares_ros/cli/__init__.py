"""The command line: parse, call, print. One module a verb, listed in `main.VERBS`."""
