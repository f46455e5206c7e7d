"""The condition language: lexer, Pratt parser and bounded evaluator. Pure."""
