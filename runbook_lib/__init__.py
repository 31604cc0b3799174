"""The migration runbook: what the notebooks import, in the order they use it.

``__init__.pyi`` names each with its module, which is imported on first use: the embedded server's
watcher, which lives for as long as the server does, then carries neither pandas nor matplotlib.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
