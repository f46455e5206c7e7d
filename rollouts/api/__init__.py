"""The project's own kinds: models, validation, conditions, reasons and the CRDs made from them."""
