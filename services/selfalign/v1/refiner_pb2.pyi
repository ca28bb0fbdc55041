from selfalign.v1 import common_pb2 as _common_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RefinePromptRequest(_message.Message):
    __slots__ = ("prompt", "layout")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    prompt: _common_pb2.Prompt
    layout: _common_pb2.Layout
    def __init__(self, prompt: _Optional[_Union[_common_pb2.Prompt, _Mapping]] = ..., layout: _Optional[_Union[_common_pb2.Layout, _Mapping]] = ...) -> None: ...

class RefinePromptResponse(_message.Message):
    __slots__ = ("row",)
    ROW_FIELD_NUMBER: _ClassVar[int]
    row: _common_pb2.Row
    def __init__(self, row: _Optional[_Union[_common_pb2.Row, _Mapping]] = ...) -> None: ...

class RefinePromptsRequest(_message.Message):
    __slots__ = ("prompt", "layout")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    prompt: _common_pb2.Prompt
    layout: _common_pb2.Layout
    def __init__(self, prompt: _Optional[_Union[_common_pb2.Prompt, _Mapping]] = ..., layout: _Optional[_Union[_common_pb2.Layout, _Mapping]] = ...) -> None: ...

class RefinePromptsResponse(_message.Message):
    __slots__ = ("row",)
    ROW_FIELD_NUMBER: _ClassVar[int]
    row: _common_pb2.Row
    def __init__(self, row: _Optional[_Union[_common_pb2.Row, _Mapping]] = ...) -> None: ...
