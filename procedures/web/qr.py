"""A QR code as the outline of its dark squares, drawn by the page itself: no picture is fetched or stored."""

from __future__ import annotations

QUIET = 4


def outline(text: str) -> tuple[int, str]:
    """(side in squares with the quiet zone, the path of an SVG)."""
    # Whoever draws loads what draws: a web process starts a tenth sooner without it.
    from reportlab.graphics.barcode.qrencoder import QRCode, QRErrorCorrectLevel

    code = QRCode(None, QRErrorCorrectLevel.M)
    code.addData(text)
    code.make()
    size = code.getModuleCount()
    dark = [(row, column) for row in range(size) for column in range(size) if code.isDark(row, column)]
    return size + 2 * QUIET, "".join(f"M{column + QUIET} {row + QUIET}h1v1h-1z" for row, column in dark)
