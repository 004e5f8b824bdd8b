"""The one exception family of the project: everything a user can cause ends in one of these."""


class SpicError(Exception):
    """Base of all errors that spic raises on purpose; its text is one clear line for the user."""


class BitstreamError(SpicError):
    """Coded bytes are damaged, hostile, truncated or of an unsupported kind."""


class DataError(SpicError):
    """A picture, label map or data set is missing, unreadable or of the wrong shape."""


class ConfigError(SpicError):
    """A setting is unknown, out of range or contradicts another one."""


class WeightsError(SpicError):
    """A weights file is missing, damaged, or does not fit the model it is meant for."""
