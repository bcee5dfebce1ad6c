"""One self-contained HTML page of what an output folder holds, for any browser, offline."""

from dreamina_async.gallery.gallery import GALLERY_NAME, Gallery, write_gallery

__all__ = ["GALLERY_NAME", "Gallery", "write_gallery"]
