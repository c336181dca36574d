"""Texts that whoever shows them does not obey; pure."""

_SIGNS = {code: 0x2400 + code for code in range(32)}  # ␀, ␊ and so on: what stood there is still seen
_STEERING = (*range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_SHOWN = _SIGNS | dict.fromkeys(_STEERING, 0xFFFD)
"""Control characters move the cursor, bidirectional ones make a text look like another one."""


def shown(text: str) -> str:
    """Return the text with signs in place of the characters that a terminal or a browser would obey."""
    return text.translate(_SHOWN)
