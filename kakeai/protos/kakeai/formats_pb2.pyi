from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Example(_message.Message):
    __slots__ = ("features",)
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    features: Features
    def __init__(self, features: _Optional[_Union[Features, _Mapping]] = ...) -> None: ...

class Features(_message.Message):
    __slots__ = ("feature",)
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    feature: _containers.RepeatedCompositeFieldContainer[FeatureEntry]
    def __init__(self, feature: _Optional[_Iterable[_Union[FeatureEntry, _Mapping]]] = ...) -> None: ...

class FeatureEntry(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: Feature
    def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Feature, _Mapping]] = ...) -> None: ...

class Feature(_message.Message):
    __slots__ = ("bytes_list",)
    BYTES_LIST_FIELD_NUMBER: _ClassVar[int]
    bytes_list: BytesList
    def __init__(self, bytes_list: _Optional[_Union[BytesList, _Mapping]] = ...) -> None: ...

class BytesList(_message.Message):
    __slots__ = ("value",)
    VALUE_FIELD_NUMBER: _ClassVar[int]
    value: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, value: _Optional[_Iterable[bytes]] = ...) -> None: ...

class NoteSequence(_message.Message):
    __slots__ = ("filename", "ticks_per_quarter", "time_signatures", "key_signatures", "tempos", "notes", "total_time")
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    TICKS_PER_QUARTER_FIELD_NUMBER: _ClassVar[int]
    TIME_SIGNATURES_FIELD_NUMBER: _ClassVar[int]
    KEY_SIGNATURES_FIELD_NUMBER: _ClassVar[int]
    TEMPOS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TIME_FIELD_NUMBER: _ClassVar[int]
    filename: str
    ticks_per_quarter: int
    time_signatures: _containers.RepeatedCompositeFieldContainer[TimeSignature]
    key_signatures: _containers.RepeatedCompositeFieldContainer[KeySignature]
    tempos: _containers.RepeatedCompositeFieldContainer[Tempo]
    notes: _containers.RepeatedScalarFieldContainer[bytes]
    total_time: float
    def __init__(self, filename: _Optional[str] = ..., ticks_per_quarter: _Optional[int] = ..., time_signatures: _Optional[_Iterable[_Union[TimeSignature, _Mapping]]] = ..., key_signatures: _Optional[_Iterable[_Union[KeySignature, _Mapping]]] = ..., tempos: _Optional[_Iterable[_Union[Tempo, _Mapping]]] = ..., notes: _Optional[_Iterable[bytes]] = ..., total_time: _Optional[float] = ...) -> None: ...

class TimeSignature(_message.Message):
    __slots__ = ("time", "numerator", "denominator")
    TIME_FIELD_NUMBER: _ClassVar[int]
    NUMERATOR_FIELD_NUMBER: _ClassVar[int]
    DENOMINATOR_FIELD_NUMBER: _ClassVar[int]
    time: float
    numerator: int
    denominator: int
    def __init__(self, time: _Optional[float] = ..., numerator: _Optional[int] = ..., denominator: _Optional[int] = ...) -> None: ...

class KeySignature(_message.Message):
    __slots__ = ("time", "key", "mode")
    TIME_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    time: float
    key: int
    mode: int
    def __init__(self, time: _Optional[float] = ..., key: _Optional[int] = ..., mode: _Optional[int] = ...) -> None: ...

class Tempo(_message.Message):
    __slots__ = ("time", "qpm")
    TIME_FIELD_NUMBER: _ClassVar[int]
    QPM_FIELD_NUMBER: _ClassVar[int]
    time: float
    qpm: float
    def __init__(self, time: _Optional[float] = ..., qpm: _Optional[float] = ...) -> None: ...

class GeneratorBundle(_message.Message):
    __slots__ = ("generator_details", "checkpoint_file", "metagraph_file")
    GENERATOR_DETAILS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FILE_FIELD_NUMBER: _ClassVar[int]
    METAGRAPH_FILE_FIELD_NUMBER: _ClassVar[int]
    generator_details: GeneratorDetails
    checkpoint_file: _containers.RepeatedScalarFieldContainer[bytes]
    metagraph_file: bytes
    def __init__(self, generator_details: _Optional[_Union[GeneratorDetails, _Mapping]] = ..., checkpoint_file: _Optional[_Iterable[bytes]] = ..., metagraph_file: _Optional[bytes] = ...) -> None: ...

class GeneratorDetails(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...
