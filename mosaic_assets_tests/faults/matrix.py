"""The fault matrix: what a server may do, and what the harvest makes of it.

``python -m mosaic_assets_tests.faults.matrix`` writes it as the table of docs/operations.md, which a test compares.
"""

from __future__ import annotations

import re
import sys
from typing import NamedTuple

from mosaic_assets.core.records import Outcome

RETRIES = 2
LIMITS = {
    "timeout_s": 0.5,
    "retries": RETRIES,
    "backoff_s": 0.01,
    "max_retry_after_s": 0.05,
    "max_body_bytes": 4_000_000,
}
"""Network settings of these tests: the default largest body, but pauses that a test can wait for."""

PICTURE = Outcome.CANDIDATE
PLACEHOLDER, MISSING, REFUSED = Outcome.PLACEHOLDER, Outcome.MISSING, Outcome.REFUSED
NOT_AN_IMAGE, WRONG_SIZE, FAILED = Outcome.NOT_AN_IMAGE, Outcome.WRONG_SIZE, Outcome.FETCH_FAILED


class Final(NamedTuple):
    """A fault after which nothing is asked again."""

    fault: str
    """Its name in ``acts.ACTS``."""
    says: str
    """What the server does, for people."""
    outcome: Outcome
    """What the round file records."""
    detail: str = ""
    requests: int = 1


class Passing(NamedTuple):
    """A fault that may pass: the tile is asked for again, up to ``network.retries`` times."""

    fault: str
    says: str
    detail: str
    """What the round file records when it does not pass; the outcome is then ``fetch_failed``."""
    resent: bool = False
    """True: when a kept connection turns out to be dead before a byte came, libcurl sends the request anew, up to
    five times, without asking us (RFC 9112, 9.3.1, allows it)."""


FINAL = (
    Final("status_204", "204", MISSING, "status 204"),
    Final("status_404", "404", MISSING, "status 404"),
    Final("blank_tile", "header `blank-tile: true`", PLACEHOLDER, "header blank-tile"),
    Final("placard", "the placeholder picture that the record names", PLACEHOLDER, "a known placeholder picture"),
    Final("half_transparent", "a picture half transparent", MISSING, "50.0% of the pixels transparent"),
    Final("transparent_gif", "a transparent GIF", MISSING, "transparent"),
    *(Final(f"status_{code}", f"{code}", REFUSED, f"status {code}") for code in (400, 401, 403, 405, 410, 451, 501)),
    Final("redirect_loop", "a redirect to itself", REFUSED, "a redirect loop, or more than 3 redirects", requests=4),
    Final("redirect_elsewhere", "a redirect to another host", REFUSED, "status 302, a redirect away from its host"),
    Final("redirect_to_file", "a redirect to `file://`", REFUSED, "status 302, a redirect away from its host"),
    Final("redirect_nowhere", "a redirect to no address", REFUSED, "status 302, a redirect away from its host"),
    Final("gigabyte", "1 GiB, announced", REFUSED, "an answer larger than 4000000 bytes"),
    Final("gigabyte_undeclared", "1 GiB, not announced", REFUSED, "an answer larger than 4000000 bytes"),
    Final("gigabyte_in_chunks", "1 GiB in chunks", REFUSED, "an answer larger than 4000000 bytes"),
    Final("html", "an HTML page with status 200", NOT_AN_IMAGE, "an HTML page"),
    Final("html_as_picture", "an HTML page labelled `image/jpeg`", NOT_AN_IMAGE, "an HTML page"),
    Final("json", "a JSON document with status 200", NOT_AN_IMAGE, "a JSON document"),
    Final("empty", "an empty body with status 200", NOT_AN_IMAGE, "an empty answer"),
    Final("gzip_bomb", "1 GiB packed with gzip (`Content-Encoding`)", NOT_AN_IMAGE, "gzip data"),
    Final("late_cut_jpeg", "90 % of a JPEG, as if it were all", NOT_AN_IMAGE, "a truncated JPEG"),
    Final("length_too_small", "`Content-Length` below the body's", NOT_AN_IMAGE, "a truncated JPEG"),
    Final("png_text_bomb", "a PNG with texts that unpack to 256 MiB", NOT_AN_IMAGE, "a damaged PNG"),
    Final("png_profile_bomb", "a PNG with a profile that unpacks to 64 MiB", NOT_AN_IMAGE, "a damaged PNG"),
    Final("jpeg_scan_bomb", "a JPEG of 200,000 scans", NOT_AN_IMAGE, "a JPEG of more than 500 scans"),
    Final("png_bomb", "a PNG header of 60,000 x 60,000", WRONG_SIZE, "60000 x 60000, expected 256 x 256"),
    Final("jpeg_bomb", "a JPEG header of 65,000 x 65,000", WRONG_SIZE, "65000 x 65000, expected 256 x 256"),
    Final("side_30000", "a true picture of 30,000 x 30,000", WRONG_SIZE, "30000 x 30000, expected 256 x 256"),
    Final("one_pixel", "a picture of 1 x 1", WRONG_SIZE, "1 x 1, expected 256 x 256"),
    Final("side_512", "a picture of 512 x 512", WRONG_SIZE, "512 x 512, expected 256 x 256"),
    Final("wrong_type", "a picture labelled `text/html`", PICTURE),
    Final("chunked", "a picture in chunks", PICTURE),
    Final("until_closed", "a picture without a length, ended by hanging up", PICTURE),
    Final("closed_after", "hanging up after each answer, unannounced", PICTURE),
    Final("grey_jpeg", "a grey JPEG", PICTURE),
    Final("cmyk_jpeg", "a CMYK JPEG", PICTURE),
    Final("progressive_jpeg", "a progressive JPEG", PICTURE),
    Final("rotated_jpeg", "a JPEG whose EXIF says it is rotated", PICTURE),
    Final("grey_png_16_bit", "a grey PNG, 16 bits", PICTURE),
    Final("rgb_png_16_bit", "an RGB PNG, 16 bits", PICTURE),
    Final("palette_png", "a PNG with a palette", PICTURE),
    Final("opaque_png", "a PNG with an alpha channel, opaque", PICTURE),
    Final("interlaced_png", "an interlaced PNG", PICTURE),
    Final("gif_animation", "an animated GIF: its first frame", PICTURE),
    Final("webp_animation", "an animated WebP: its first frame", PICTURE),
    Final("png_pixel_bomb", "a PNG of 256 x 256 whose pixels unpack to 256 MiB: what fits", PICTURE),
    Final("fat_png", "a picture with 3.9 MB of ballast", PICTURE),
)

PASSING = (
    *(Passing(f"status_{code}", f"{code}", f"status {code}") for code in (408, 425, 429, 500, 502, 503, 504)),
    Passing("retry_after_seconds", "429 with `Retry-After` in seconds", "status 429"),
    Passing("retry_after_date", "429 with `Retry-After` as a date", "status 429"),
    Passing("retry_after_for_ever", "503 with a `Retry-After` of 30 years", "status 503"),
    Passing("reset", "a reset connection", "connection lost", resent=True),
    Passing("hung_up", "hanging up without an answer", "connection lost", resent=True),
    Passing("reset_within", "a reset connection within the body", "a truncated answer"),
    Passing("truncated", "half a body", "a truncated answer"),
    Passing("truncated_header", "half a header", "a truncated answer"),
    Passing("length_too_large", "`Content-Length` above the body's", "a truncated answer"),
    Passing("chunks_broken", "chunks with a length that is no number", "a truncated answer"),
    Passing("chunks_unfinished", "chunks without the last one", "a truncated answer"),
    Passing("no_http", "bytes that are not HTTP", "an answer that is not HTTP"),
    Passing("header_flood", "a header of 100 MB", "a truncated answer"),
    Passing("stalled", "half a body, then nothing", "no answer in time"),
    Passing("silent", "no answer at all", "no answer in time"),
    Passing(
        "dripping",
        "a byte now and then, for longer than four times `network.timeout_s`",
        f"the answer took longer than {4 * LIMITS['timeout_s']:g} s",
    ),
)


Line = tuple[str, str, str]
"""Requests, what is recorded, and its detail."""


def table() -> str:
    """The matrix in Markdown, the faults that come to the same on one line."""
    lines: dict[Line, list[str]] = {}
    for row in PASSING:
        line = ("1, up to `network.retries` more", "the picture, or `fetch_failed`", _detail(row.detail))
        lines.setdefault(line, []).append(row.says)
    for final in FINAL:
        recorded = "the picture" if final.outcome is PICTURE else f"`{final.outcome}`"
        lines.setdefault((str(final.requests), recorded, _detail(final.detail)), []).append(final.says)
    rows = ["| what the server does | requests | recorded | detail |", "|---|---|---|---|"]
    rows += [f"| {'; '.join(says)} | {' | '.join(line)} |" for line, says in lines.items()]
    return "\n".join(rows)


def _detail(text: str) -> str:
    return re.sub(r"longer than \d+ s$", "longer than N s", re.sub(r"status \d+$", "status N", text))


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
