"""What leaves visible ink on a PDF page: text that can be seen, and the paths between it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_INVISIBLE = 3
"""Text rendering mode 3: neither filled nor stroked (ISO 32000-1, table 106)."""

_PALE = 235
"""Components at least this light are checked against what lies behind them."""

_LEAST_CONTRAST = 24
"""Of 255 grey levels, between the lightest and the darkest spot of the text's place."""

_RENDERED_PIXELS = 1400
_DEEPEST_FORM = 4
_OCR_IMAGE_SHARE = 0.5
_TYPE_TEXT, _TYPE_PATH, _TYPE_IMAGE, _TYPE_FORM = 1, 2, 3, 5

Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in points."""


Drawn = tuple[Any, tuple[Any, ...]]
"""An object of the page, and the forms it is drawn within, innermost first."""


class Ink:
    """Looks at the page's objects once; renders the page only when a text object is pale."""

    def __init__(self, page: Any) -> None:
        self._page = page
        self.paths: list[Drawn] = []
        self._invisible: set[int] = set()
        self._pale: set[int] = set()
        self._text_objects = 0
        self._image_area = 0.0
        self._grey: NDArray[np.uint8] | None = None
        self._survey()

    @property
    def has_image(self) -> bool:
        return self._image_area > 0

    @property
    def is_suspicious(self) -> bool:
        return bool(self._invisible or self._pale)

    def shows(self, text_object: Any, box: Box) -> bool:
        """Whether a character of this text object, in this place, can be seen."""
        address = _address(text_object)
        if address in self._invisible:
            return False
        return address not in self._pale or self._stands_out(box)

    def _stands_out(self, box: Box) -> bool:
        """Whether the page, as rendered, shows any contrast within the box."""
        grey = self._rendered()
        left, top = self._pixel(box[0], box[3], grey)
        right, bottom = self._pixel(box[2], box[1], grey)
        spot = grey[
            max(0, min(top, bottom)) : max(top, bottom) + 1,
            max(0, min(left, right)) : max(left, right) + 1,
        ]
        return bool(spot.size) and int(spot.max()) - int(spot.min()) >= _LEAST_CONTRAST

    def _survey(self) -> None:
        import pypdfium2.raw as pdfium

        width, height = self._page.get_size()
        for item, kind, forms in _objects(self._page.raw):
            if kind == _TYPE_TEXT:
                self._text_objects += 1
                self._judge(item)
            elif kind == _TYPE_PATH:
                self.paths.append((item, forms))
            elif kind == _TYPE_IMAGE:
                box = [ctypes.c_float() for _ in range(4)]
                if pdfium.FPDFPageObj_GetBounds(item, *map(ctypes.byref, box)):
                    left, bottom, right, top = (edge.value for edge in box)
                    share = (right - left) * (top - bottom) / max(width * height, 1)
                    self._image_area = max(self._image_area, share)
        self._forgive_recognised_text()

    def _judge(self, item: Any) -> None:
        import pypdfium2.raw as pdfium

        if pdfium.FPDFTextObj_GetTextRenderMode(item) == _INVISIBLE:
            self._invisible.add(_address(item))
            return
        colour = [ctypes.c_uint() for _ in range(4)]
        if not pdfium.FPDFPageObj_GetFillColor(item, *map(ctypes.byref, colour)):
            return
        red, green, blue, alpha = (part.value for part in colour)
        if alpha == 0:
            self._invisible.add(_address(item))
        elif min(red, green, blue) >= _PALE:
            self._pale.add(_address(item))

    def _forgive_recognised_text(self) -> None:
        """Invisible text over a scan is what OCR recognised in it, and the reason to read it."""
        mostly = 2 * len(self._invisible) > self._text_objects
        if self._image_area >= _OCR_IMAGE_SHARE and mostly:
            self._invisible.clear()

    def _rendered(self) -> NDArray[np.uint8]:
        if self._grey is None:
            scale = _RENDERED_PIXELS / max(*self._page.get_size(), 1)
            bitmap = self._page.render(scale=min(scale, 2), grayscale=True)
            self._grey = np.array(bitmap.to_numpy(), dtype=np.uint8).reshape(
                bitmap.height, bitmap.width
            )
            bitmap.close()
        return self._grey

    def _pixel(self, x: float, y: float, grey: NDArray[np.uint8]) -> tuple[int, int]:
        import pypdfium2.raw as pdfium

        height, width = grey.shape
        across, down = ctypes.c_int(), ctypes.c_int()
        pdfium.FPDF_PageToDevice(
            self._page.raw, 0, 0, width, height, 0, x, y, ctypes.byref(across), ctypes.byref(down)
        )
        return across.value, down.value


def _objects(page: Any) -> Iterator[tuple[Any, int, tuple[Any, ...]]]:
    """Every object of the page, and of the forms drawn on it, with its type and those forms."""
    import pypdfium2.raw as pdfium

    waiting: list[tuple[Any, tuple[Any, ...]]] = [
        (pdfium.FPDFPage_GetObject(page, at), ())
        for at in range(pdfium.FPDFPage_CountObjects(page))
    ]
    while waiting:
        item, forms = waiting.pop()
        kind = pdfium.FPDFPageObj_GetType(item)
        if kind == _TYPE_FORM and len(forms) < _DEEPEST_FORM:
            count = pdfium.FPDFFormObj_CountObjects(item)
            within = (item, *forms)
            waiting += [(pdfium.FPDFFormObj_GetObject(item, at), within) for at in range(count)]
        else:
            yield item, kind, forms


def _address(item: Any) -> int:
    return ctypes.cast(item, ctypes.c_void_p).value or 0
