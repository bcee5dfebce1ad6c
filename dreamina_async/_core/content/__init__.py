"""Whether a downloaded body is the whole file that it should be, told while it streams by."""

from dreamina_async._core.content.check import ContentCheck, begins_as
from dreamina_async._core.content.facts import ContentFacts, ContentFormat

__all__ = ["ContentCheck", "ContentFacts", "ContentFormat", "begins_as"]
