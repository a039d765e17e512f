"""What Rasa's cache has to know of a component besides its class: the modules and files that it is made of."""

import hashlib
from pathlib import Path
from types import ModuleType
from typing import Union


def fingerprint(*sources: Union[ModuleType, Path, str]) -> str:
    """Return a digest of the contents of modules and files."""
    digest = hashlib.sha256()
    for source in sources:
        path = source.__file__ if isinstance(source, ModuleType) else source
        digest.update(hashlib.sha256(Path(str(path)).read_bytes()).digest())
    return digest.hexdigest()
