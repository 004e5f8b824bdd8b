"""How large an image may be: one limit for senders and receivers, so that a receiver takes whatever a sender makes."""

MAX_PIXELS = 1 << 26  # 67 megapixels; files from outside are untrusted, and larger claims are refused by their headers
