"""HTTP between the assistant's own processes: plain on this machine or a network of its own, else TLS."""

import ssl

# For httpx's `verify`: there is no TLS, and nobody is trusted. By default every client, and so every `httpx.get`, first
# reads the certificates of all authorities, which takes 40 ms of processor time.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def tls_for(url: str) -> ssl.SSLContext:
    """Return what httpx's `verify` has to be for an address."""
    return ssl.create_default_context() if url.startswith("https:") else NO_TLS
