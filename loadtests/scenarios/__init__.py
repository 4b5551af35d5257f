"""Scenarios of load, run by Locust: what happens at the same time in a product's day, each with a report.

Shape   __main__ prepares a server and runs Locust for each scenario · users is the file that Locust reads
"""
