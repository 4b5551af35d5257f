"""Retention: who comes back.

plan.py checks a question and reads its events · counting.py counts people · answers.py reads the rows."""
