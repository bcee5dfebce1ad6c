"""The best file of a video, where its record shows only a smaller one (protocol notes 8.1)."""

from functools import partial

from attrs import define

from dreamina_async._core.decode import decode_items
from dreamina_async._core.encode import encode_items
from dreamina_async._core.media import lacks_original, with_original
from dreamina_async._runtime.log import extras, log
from dreamina_async._runtime.questions import Questions
from dreamina_async.errors import DreaminaError, SessionClosed
from dreamina_async.models import MediaItem


@define(eq=False)
class Originals:
    """Asks for items by themselves. Without an answer the record's own file has to do."""

    questions: Questions

    async def of(self, items: tuple[MediaItem, ...], job_id: str) -> tuple[MediaItem, ...]:
        """The same results, each with its original first if the service shows one.

        Raises:
            SessionClosed: the session was closed meanwhile.
        """
        wanted = tuple([item.item_id for item in items if lacks_original(item)])
        if not wanted:
            return items
        try:
            found = await self.questions.ask(
                partial(encode_items, wanted), decode_items, job_id=job_id
            )
        except SessionClosed:
            raise
        except DreaminaError as error:
            about = extras(error, job_id=job_id)
            log.warning("job %s: no original of its video: %s", job_id, error, extra=about)
            return items
        return tuple([_best(item, found.get(item.item_id)) for item in items])


def _best(item: MediaItem, found: MediaItem | None) -> MediaItem:
    if found is None or not lacks_original(item) or lacks_original(found):
        return item
    return with_original(item, found)
