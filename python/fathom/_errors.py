"""What fathom raises. Each message says what was being done, what was got, what is needed and what to try."""


class Error(RuntimeError):
    """A failure of the library. The subclasses say which; the rest are the statuses cache, io and internal of the C API."""

    #: "invalid_argument", "unsupported", "compile_failed", "driver", "cache", "io", "internal" or "no_device".
    status = "internal"


class InvalidArgumentError(Error, ValueError):
    """Shapes, types, strides, alignment, metadata: the caller can mend it."""

    status = "invalid_argument"


class UnsupportedError(Error, NotImplementedError):
    """Legal, but not on this device or build; the message carries the reason."""

    status = "unsupported"


class CompileError(Error):
    """The run-time compiler refused the source or was not found."""

    status = "compile_failed"


class DriverError(Error):
    """A CUDA driver call failed."""

    status = "driver"
