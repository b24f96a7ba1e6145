from headgate.proxy.connection import Connection

class Http2Downstream(Connection):
    def drain(self) -> None: ...
