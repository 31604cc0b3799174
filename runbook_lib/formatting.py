"""Write quantities as people say them, sort names as people do, and let no text act on a screen."""

import re

# C0 and C1 but tab and line feed, DEL, and what turns the direction of writing (UAX 9).
_ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Write out the characters that would move a cursor, colour a terminal or turn a line."""
    return _ACTING.sub(lambda found: ascii(found[0])[1:-1], text)


def natural(text: str) -> list[tuple[int, str]]:
    """Return a sort key by which numbers in names compare as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def duration(seconds: float) -> str:
    """Write a time as people say it."""
    if round(seconds * 1000) < 1000:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def clock(seconds: float) -> str:
    """Write a time that goes on as a clock shows it."""
    whole, rest = divmod(int(seconds), 60)
    hours, whole = divmod(whole, 60)
    return f"{hours}:{whole:02}:{rest:02}" if hours else f"{whole}:{rest:02}"


def size(count: int) -> str:
    """Write bytes as people say them."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GB"


def minutes(seconds: tuple[float, float]) -> str:
    """Write an estimated range of seconds in minutes."""
    low, high = (value / 60 for value in seconds)
    return f"{low:g} min" if low == high else f"{low:g}-{high:g} min"
