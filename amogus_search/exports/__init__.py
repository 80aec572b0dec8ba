"""Answers in the forms that people and other programs read: JSON, tables, crops, labels, a gallery."""
