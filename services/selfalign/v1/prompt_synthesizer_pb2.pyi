from selfalign.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BrainstormTopicsRequest(_message.Message):
    __slots__ = ("question_type", "known_topics", "quota", "seed", "max_completions")
    QUESTION_TYPE_FIELD_NUMBER: _ClassVar[int]
    KNOWN_TOPICS_FIELD_NUMBER: _ClassVar[int]
    QUOTA_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    MAX_COMPLETIONS_FIELD_NUMBER: _ClassVar[int]
    question_type: str
    known_topics: _containers.RepeatedScalarFieldContainer[str]
    quota: int
    seed: int
    max_completions: int
    def __init__(self, question_type: _Optional[str] = ..., known_topics: _Optional[_Iterable[str]] = ..., quota: _Optional[int] = ..., seed: _Optional[int] = ..., max_completions: _Optional[int] = ...) -> None: ...

class BrainstormTopicsResponse(_message.Message):
    __slots__ = ("row",)
    ROW_FIELD_NUMBER: _ClassVar[int]
    row: _common_pb2.Row
    def __init__(self, row: _Optional[_Union[_common_pb2.Row, _Mapping]] = ...) -> None: ...

class TopicHint(_message.Message):
    __slots__ = ("question_type", "topic")
    QUESTION_TYPE_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    question_type: str
    topic: str
    def __init__(self, question_type: _Optional[str] = ..., topic: _Optional[str] = ...) -> None: ...

class SynthesizePromptsRequest(_message.Message):
    __slots__ = ("source", "completions", "hints", "seed", "user_turn_prefix", "user_turn_end", "openings")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    COMPLETIONS_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    USER_TURN_PREFIX_FIELD_NUMBER: _ClassVar[int]
    USER_TURN_END_FIELD_NUMBER: _ClassVar[int]
    OPENINGS_FIELD_NUMBER: _ClassVar[int]
    source: str
    completions: int
    hints: _containers.RepeatedCompositeFieldContainer[TopicHint]
    seed: int
    user_turn_prefix: str
    user_turn_end: str
    openings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, source: _Optional[str] = ..., completions: _Optional[int] = ..., hints: _Optional[_Iterable[_Union[TopicHint, _Mapping]]] = ..., seed: _Optional[int] = ..., user_turn_prefix: _Optional[str] = ..., user_turn_end: _Optional[str] = ..., openings: _Optional[_Iterable[str]] = ...) -> None: ...

class SynthesizePromptsResponse(_message.Message):
    __slots__ = ("row",)
    ROW_FIELD_NUMBER: _ClassVar[int]
    row: _common_pb2.Row
    def __init__(self, row: _Optional[_Union[_common_pb2.Row, _Mapping]] = ...) -> None: ...
