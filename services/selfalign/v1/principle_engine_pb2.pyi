from selfalign.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AlignPromptRequest(_message.Message):
    __slots__ = ("prompt", "layout")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    prompt: _common_pb2.Prompt
    layout: _common_pb2.Layout
    def __init__(self, prompt: _Optional[_Union[_common_pb2.Prompt, _Mapping]] = ..., layout: _Optional[_Union[_common_pb2.Layout, _Mapping]] = ...) -> None: ...

class AlignPromptResponse(_message.Message):
    __slots__ = ("row",)
    ROW_FIELD_NUMBER: _ClassVar[int]
    row: _common_pb2.Row
    def __init__(self, row: _Optional[_Union[_common_pb2.Row, _Mapping]] = ...) -> None: ...

class AlignPromptsRequest(_message.Message):
    __slots__ = ("prompt", "layout")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    prompt: _common_pb2.Prompt
    layout: _common_pb2.Layout
    def __init__(self, prompt: _Optional[_Union[_common_pb2.Prompt, _Mapping]] = ..., layout: _Optional[_Union[_common_pb2.Layout, _Mapping]] = ...) -> None: ...

class AlignPromptsResponse(_message.Message):
    __slots__ = ("row",)
    ROW_FIELD_NUMBER: _ClassVar[int]
    row: _common_pb2.Row
    def __init__(self, row: _Optional[_Union[_common_pb2.Row, _Mapping]] = ...) -> None: ...

class GetConstitutionRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Principle(_message.Message):
    __slots__ = ("id", "name", "text")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    id: int
    name: str
    text: str
    def __init__(self, id: _Optional[int] = ..., name: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class GetConstitutionResponse(_message.Message):
    __slots__ = ("digest", "principles", "prefix")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    PRINCIPLES_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    digest: str
    principles: _containers.RepeatedCompositeFieldContainer[Principle]
    prefix: str
    def __init__(self, digest: _Optional[str] = ..., principles: _Optional[_Iterable[_Union[Principle, _Mapping]]] = ..., prefix: _Optional[str] = ...) -> None: ...

class LintConstitutionRequest(_message.Message):
    __slots__ = ("yaml",)
    YAML_FIELD_NUMBER: _ClassVar[int]
    yaml: str
    def __init__(self, yaml: _Optional[str] = ...) -> None: ...

class LintFinding(_message.Message):
    __slots__ = ("severity", "place", "message")
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    severity: str
    place: str
    message: str
    def __init__(self, severity: _Optional[str] = ..., place: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class LintConstitutionResponse(_message.Message):
    __slots__ = ("findings",)
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    findings: _containers.RepeatedCompositeFieldContainer[LintFinding]
    def __init__(self, findings: _Optional[_Iterable[_Union[LintFinding, _Mapping]]] = ...) -> None: ...
