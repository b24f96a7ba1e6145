from headgate.proxy.connection import Connection
from headgate.proxy.port import Port

class Http2Downstream(Connection):
    @property
    def port(self) -> Port: ...
    def drain(self) -> None: ...
