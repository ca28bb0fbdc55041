from selfalign.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Layout(_message.Message):
    __slots__ = ("chat_template",)
    CHAT_TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    chat_template: ChatTemplate
    def __init__(self, chat_template: _Optional[_Union[ChatTemplate, _Mapping]] = ...) -> None: ...

class ChatTemplate(_message.Message):
    __slots__ = ("text", "special_tokens", "end_tokens", "adds_bos")
    class SpecialTokensEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SPECIAL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    END_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ADDS_BOS_FIELD_NUMBER: _ClassVar[int]
    text: str
    special_tokens: _containers.ScalarMap[str, str]
    end_tokens: _containers.RepeatedScalarFieldContainer[str]
    adds_bos: bool
    def __init__(self, text: _Optional[str] = ..., special_tokens: _Optional[_Mapping[str, str]] = ..., end_tokens: _Optional[_Iterable[str]] = ..., adds_bos: _Optional[bool] = ...) -> None: ...

class RefinePromptRequest(_message.Message):
    __slots__ = ("prompt", "layout")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    prompt: _common_pb2.Prompt
    layout: Layout
    def __init__(self, prompt: _Optional[_Union[_common_pb2.Prompt, _Mapping]] = ..., layout: _Optional[_Union[Layout, _Mapping]] = ...) -> None: ...

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
    layout: Layout
    def __init__(self, prompt: _Optional[_Union[_common_pb2.Prompt, _Mapping]] = ..., layout: _Optional[_Union[Layout, _Mapping]] = ...) -> None: ...

class RefinePromptsResponse(_message.Message):
    __slots__ = ("row",)
    ROW_FIELD_NUMBER: _ClassVar[int]
    row: _common_pb2.Row
    def __init__(self, row: _Optional[_Union[_common_pb2.Row, _Mapping]] = ...) -> None: ...
