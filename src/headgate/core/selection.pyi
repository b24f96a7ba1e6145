from headgate import spec
from headgate.core.head import Head

class Selection:
    def __init__(self, spec: spec.Selection) -> None: ...

def chosen(selection: Selection, head: Head) -> bool: ...
