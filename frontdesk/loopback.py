"""HTTP between the assistant's own processes: plain, and on this machine only."""

import ssl

# For httpx's `verify`: there is no TLS, and nobody is trusted. By default every client, and so every `httpx.get`, first
# reads the certificates of all authorities, which takes 40 ms of processor time.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
