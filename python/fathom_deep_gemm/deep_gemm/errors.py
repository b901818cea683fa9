"""What this module raises. Sees nothing else of the package."""


class DeepGemmError(RuntimeError, AssertionError):
    """A refused call: upstream raised AssertionError in 2025 and raises RuntimeError since, so this is both."""


def refuse(function, text):
    """Raises: `text` says what was got, what is needed and what to try."""
    raise DeepGemmError(f"deep_gemm.{function}: {text}")
