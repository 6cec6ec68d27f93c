"""Files that go along with a message: what we take, and keeping them until there is a case."""

from functools import partial

from customer_app.api.client import ApiClient
from customer_app.models.base import Model
from customer_app.models.commands import Means

FILE_BYTES = 10 * 1024 * 1024
FILES_MOST = 3
_MEDIA = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"%PDF-", "application/pdf"),
)


def media_of(content: bytes) -> str:
    """Tell by its content what a file is: a picture, a PDF, or nothing that we take.

    >>> media_of(b"%PDF-1.7"), media_of(b"MZ")
    ('application/pdf', '')
    """
    return next((kind for head, kind in _MEDIA if content.startswith(head)), "")


class FilesModel(Model):
    """A model with files that are sent once the case is there to which they belong.

    They are kept in the session alone: pictures are no text for the device. One that could not be
    sent stays for the next try.
    """

    def __init__(self, client: ApiClient, means: Means) -> None:
        Model.__init__(self)
        self._files_client = client
        self._new_intention = means.intention
        self.files: tuple[bytes, ...] = ()
        self.file_is_bad = False

    @property
    def can_add_file(self) -> bool:
        """Whether one more file may go along."""
        return len(self.files) < FILES_MOST

    def add_file(self, content: bytes) -> bool:
        """Take a picture or PDF of up to 10 MiB, judged by its content."""
        self.file_is_bad = not media_of(content) or len(content) > FILE_BYTES
        if self.file_is_bad or not self.can_add_file:
            return False
        self.files = (*self.files, content)
        return True

    def remove_file(self, place: int) -> None:
        """Leave a file out again."""
        self.files = tuple(each for at, each in enumerate(self.files) if at != place)

    async def send_files(self, case_id: str) -> None:
        """Send what waits to a case, one after the other; raises `ApiError`."""
        while self.files:
            await self._new_intention().run(partial(self._send, case_id, self.files[0]), case_id)
            self.files = self.files[1:]

    async def _send(self, case_id: str, content: bytes, key: str) -> None:
        await self._files_client.attach(case_id, media_of(content), content, key)
