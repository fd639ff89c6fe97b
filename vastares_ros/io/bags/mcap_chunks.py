# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Messages of an MCAP file chunk by chunk, where chunks follow one another in time, as recorders write them.

`rosbags` opens the file, reads its index and decompresses. It then merges all messages by time one by one, which takes
ten times as long as decoding them. That is needed only where chunks overlap in time.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from itertools import pairwise

import numpy as np
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, ReaderError, storage_mcap
from rosbags.rosbag2.reader import DirectoryReader
from rosbags.rosbag2.storage_mcap import ChunkInfo, McapReader, decompress

LARGEST_CHUNK = 2**28  # bytes; recorders write some megabytes

_MESSAGE = 5
_RECORD = struct.Struct("<BQHIQQ")  # kind and size of a record; of a message channel, sequence, log and publish time
_HEAD = 9  # bytes of kind and size, which the size leaves out


def unpacked(packed: bytes, most: int) -> bytes:
    """What zstd packed, in one or more frames.

    Raises:
        ReaderError: it has more than `most` bytes, or is cut off.
    """
    data = bytearray()
    while packed:
        frame = storage_mcap.zstd.ZstdDecompressor()  # type: ignore[attr-defined]
        data += frame.decompress(packed, most + 1 - len(data))
        if len(data) > most:
            raise ReaderError(f"more than {most >> 20} MB are packed in one piece")
        if not frame.eof:
            raise ReaderError("packed data is cut off")
        packed = frame.unused_data
    return bytes(data)


# rosbags knows the size of a chunk, and unpacks without a limit all the same.
storage_mcap.DECOMPRESSORS["zstd"] = lambda packed, size: unpacked(packed, min(size, LARGEST_CHUNK))


def mcap_storages(reader: Reader, wanted: Collection[Connection]) -> list[tuple[McapReader, set[int]]] | None:
    """The MCAP files of an open bag, each with the channels that are wanted.

    Returns:
        None where a file is none, or has chunks that overlap in time or no index of them.
    """
    storage = reader.storage
    storages = storage.storages if isinstance(storage, DirectoryReader) else [storage]
    if isinstance(storage, DirectoryReader) and storage.metadata.compression_mode == "message":
        return None
    found = []
    for one in storages:
        if not isinstance(one, McapReader) or not one.chunks or not _in_order(one.chunks):
            return None
        alike = [(c.topic, c.msgtype, c.ext) for c in wanted]
        found.append((one, {c.id for c in one.connections if (c.topic, c.msgtype, c.ext) in alike}))
    return found


def chunk_messages(storage: McapReader, channels: Collection[int]) -> Iterator[tuple[list[int], list[bytes]]]:
    """Yield receive times [ns] and messages of some channels, in the order of the times, one chunk after the other.

    Raises:
        ReaderError: a chunk is damaged.
    """
    assert storage.bio
    for chunk in _by_time(storage.chunks):
        if not any(chunk.channel_count.get(channel, 0) for channel in channels):
            continue
        start = chunk.chunk_start_offset + _HEAD + 24
        storage.bio.seek(start)
        (crc,) = struct.unpack("<I", storage.bio.read(4))
        storage.bio.seek(start + 4 + 4 + len(chunk.compression) + 8)
        packed = storage.bio.read(chunk.compressed_size)
        data = decompress(packed, chunk.compression, chunk.uncompressed_size, crc)
        times, messages = _wanted(data, channels, chunk.message_start_time, chunk.message_end_time)
        if any(b < a for a, b in pairwise(times)):
            order = np.argsort(times, kind="stable").tolist()
            times, messages = [times[i] for i in order], [messages[i] for i in order]
        yield times, messages


def _wanted(data: bytes, channels: Collection[int], first: int, last: int) -> tuple[list[int], list[bytes]]:
    """Times and messages of some channels in the records of a chunk, in the order of the file."""
    times, messages = [], []
    end = len(data)
    data += bytes(_RECORD.size)  # so that a last record may be shorter than a message
    at = 0
    while at < end:
        kind, size, channel, _, time, _ = _RECORD.unpack_from(data, at)
        behind = at + _HEAD + size
        if behind > end or (kind == _MESSAGE and size < _RECORD.size - _HEAD):
            raise ReaderError("a record does not end within its chunk")
        if kind == _MESSAGE and channel in channels and first <= time <= last:
            times.append(time)
            messages.append(data[at + _RECORD.size : behind])
        at = behind
    return times, messages


def _by_time(chunks: Collection[ChunkInfo]) -> list[ChunkInfo]:
    return sorted(chunks, key=lambda chunk: (chunk.message_start_time, chunk.chunk_start_offset))


def _in_order(chunks: Collection[ChunkInfo]) -> bool:
    """Whether no message of a chunk comes before one of the chunk before it."""
    ends = ((a.message_end_time, a.chunk_start_offset) for a in _by_time(chunks))
    starts = ((b.message_start_time, b.chunk_start_offset) for b in _by_time(chunks)[1:])
    return all(end <= start for end, start in zip(ends, starts, strict=False))
