"""What the endpoint tells about the configuration, and `POST /-/reload` where that is permitted."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.runtime.reload import Reloader


class Control:
    """The configuration as seen from outside.

    Args:
        reloader: of the configuration; None where it cannot change.
        reloads: whether others may ask for a reload.
    """

    def __init__(self, reloader: Reloader | None, *, reloads: bool) -> None:
        self._reloader = reloader
        self._reloads = reloads

    def lines(self) -> list[str]:
        """For `/-/ready`."""
        return [] if self._reloader is None else self._reloader.lines()

    def reload(self) -> tuple[HTTPStatus, str]:
        """Status and text of the answer to `POST /-/reload`."""
        if not self._reloads:
            hint = "start with --web.enable-lifecycle, send SIGHUP, or change the file"
            return HTTPStatus.FORBIDDEN, f"reloading over HTTP is switched off; {hint}\n"
        if self._reloader is None:
            return HTTPStatus.CONFLICT, "there is no configuration file\n"
        wrong = self._reloader.reload("POST /-/reload")
        if wrong:
            return HTTPStatus.INTERNAL_SERVER_ERROR, "".join(f"{line}\n" for line in wrong)
        return HTTPStatus.OK, "configuration taken over\n"
