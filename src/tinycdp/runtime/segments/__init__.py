"""The lists of static segments: edits, files of identifiers, and pages."""
