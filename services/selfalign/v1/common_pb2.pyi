from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RowStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROW_STATUS_UNSPECIFIED: _ClassVar[RowStatus]
    ROW_STATUS_ACCEPTED: _ClassVar[RowStatus]
    ROW_STATUS_REJECTED: _ClassVar[RowStatus]
    ROW_STATUS_FAILED: _ClassVar[RowStatus]
ROW_STATUS_UNSPECIFIED: RowStatus
ROW_STATUS_ACCEPTED: RowStatus
ROW_STATUS_REJECTED: RowStatus
ROW_STATUS_FAILED: RowStatus

class Row(_message.Message):
    __slots__ = ("row_id", "prompt_id", "source", "question_type", "topic", "instruction", "input", "completion", "thoughts", "rules", "answer", "complete", "status", "reason", "evidence", "attempt", "seed", "model_id", "finish_reason", "prompt_tokens", "completion_tokens", "latency_ms", "score")
    ROW_ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    QUESTION_TYPE_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTION_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_FIELD_NUMBER: _ClassVar[int]
    THOUGHTS_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    row_id: str
    prompt_id: str
    source: str
    question_type: str
    topic: str
    instruction: str
    input: str
    completion: str
    thoughts: str
    rules: _containers.RepeatedScalarFieldContainer[int]
    answer: str
    complete: bool
    status: RowStatus
    reason: str
    evidence: str
    attempt: int
    seed: int
    model_id: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    latency_ms: float
    score: float
    def __init__(self, row_id: _Optional[str] = ..., prompt_id: _Optional[str] = ..., source: _Optional[str] = ..., question_type: _Optional[str] = ..., topic: _Optional[str] = ..., instruction: _Optional[str] = ..., input: _Optional[str] = ..., completion: _Optional[str] = ..., thoughts: _Optional[str] = ..., rules: _Optional[_Iterable[int]] = ..., answer: _Optional[str] = ..., complete: _Optional[bool] = ..., status: _Optional[_Union[RowStatus, str]] = ..., reason: _Optional[str] = ..., evidence: _Optional[str] = ..., attempt: _Optional[int] = ..., seed: _Optional[int] = ..., model_id: _Optional[str] = ..., finish_reason: _Optional[str] = ..., prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., latency_ms: _Optional[float] = ..., score: _Optional[float] = ...) -> None: ...

class Prompt(_message.Message):
    __slots__ = ("prompt_id", "instruction", "input", "seed", "attempt", "source", "question_type", "topic")
    PROMPT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTION_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    QUESTION_TYPE_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    prompt_id: str
    instruction: str
    input: str
    seed: int
    attempt: int
    source: str
    question_type: str
    topic: str
    def __init__(self, prompt_id: _Optional[str] = ..., instruction: _Optional[str] = ..., input: _Optional[str] = ..., seed: _Optional[int] = ..., attempt: _Optional[int] = ..., source: _Optional[str] = ..., question_type: _Optional[str] = ..., topic: _Optional[str] = ...) -> None: ...

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
