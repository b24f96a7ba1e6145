REASON: str
"""Why the OpenSSL of this interpreter cannot be used; "" when it can."""

class OpenSslMissing(Exception): ...
