"""Numbers of the `.spic` format, here without numpy: the same for senders and receivers."""

COARSE_FACTOR = 4  # working size over coarse size: 256x512 -> 64x128
MAX_PIXELS = 1 << 26  # 67 megapixels; files from outside are untrusted, and larger claims are refused by their headers
