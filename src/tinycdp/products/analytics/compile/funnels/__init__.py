"""Funnels: how far people get along steps.

plan.py checks a question · entries.py makes each person's sorted events · ordered.py and any_order.py walk through
them · counting.py counts people · answers.py reads the rows."""
