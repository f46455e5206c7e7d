"""How fast and how large: each module exposes ``run() -> Iterator[Row]``; they are no tests."""
