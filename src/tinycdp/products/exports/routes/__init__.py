"""The routes of exports as jobs. Only the file of a link needs no key."""

from tinycdp.products.exports.routes import jobs, schedules

GUARDED = [*jobs.ROUTES, *schedules.ROUTES]

#: The link has a signature of its own.
OPEN = [jobs.open_export_link]

#: The parts of the process that they use, by the names of their parameters.
PARTS = ("export_jobs",)
