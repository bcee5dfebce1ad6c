"""The pure part: facts in, decisions out. No waiting, no clock, no network, no files."""
