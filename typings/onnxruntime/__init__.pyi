"""What is called of onnxruntime, whose members come from a compiled module without types."""

class SessionOptions:
    intra_op_num_threads: int
    log_severity_level: int
    def add_session_config_entry(self, key: str, value: str) -> None: ...

def get_available_providers() -> list[str]: ...

class NodeArg:
    name: str

class InferenceSession:
    def __init__(
        self, path_or_bytes: str, sess_options: SessionOptions | None = None, providers: list[str] | None = None
    ) -> None: ...
    def get_outputs(self) -> list[NodeArg]: ...
