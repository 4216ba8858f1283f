"""What is called of onnxruntime, whose members come from a compiled module without types."""

class SessionOptions:
    intra_op_num_threads: int
    log_severity_level: int
    def add_session_config_entry(self, key: str, value: str) -> None: ...

def get_available_providers() -> list[str]: ...
