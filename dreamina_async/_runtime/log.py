"""The package's logger, and what its records say beside their text."""

import logging

log = logging.getLogger("dreamina_async")
log.addHandler(logging.NullHandler())  # else Python prints warnings of libraries by itself


def extras(
    error: Exception | None = None, *, job_id: str | None = None, wait: float | None = None
) -> dict[str, str | float]:
    """Fields of a record, for those who read logs by machine; what does not apply is left out.

    Args:
        error: what went wrong; its type alone, for its words stand in the text.
        job_id: the job that it is about, if it is about one.
        wait: seconds of the pause that follows.
    """
    name = None if error is None else type(error).__name__
    fields = {"job_id": job_id, "wait": wait, "error": name}
    return {key: value for key, value in fields.items() if value is not None}
