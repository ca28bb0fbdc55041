"""Stage tables: Parquet parts of rows, written once, read by column."""

import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from selfalign.errors import DataError, ObjectMissing, VerificationError
from selfalign.storage.columns import fill_added
from selfalign.storage.manifest import PartInfo, read_manifest
from selfalign.storage.rows import ROW_COLUMNS, ROW_SCHEMA, Row, RowStatus
from selfalign.storage.store import Store

PART_NAME = re.compile(r"part-(?P<unit>\d{5})(?:\.retry-(?P<attempt>\d+))?\.parquet")
# zstd level 1: 440 MB/s at the ratio of level 3; see benchmarks.
COMPRESSION_LEVEL = 1


def part_name(unit: int, attempt: int = 1) -> str:
    """part-00007.parquet, or part-00007.retry-2.parquet for the second try of its failed rows."""
    retry = "" if attempt == 1 else f".retry-{attempt}"
    return f"part-{unit:05d}{retry}.parquet"


def to_table(rows: Iterable[Row]) -> pa.Table:
    """Rows as a table of ROW_SCHEMA, in the order given."""
    rows = list(rows)
    columns = [
        pa.array([getattr(row, name) for row in rows], type=ROW_SCHEMA.field(name).type)
        for name in ROW_SCHEMA.names
    ]
    return pa.Table.from_arrays(columns, schema=ROW_SCHEMA)


def to_rows(table: pa.Table) -> Iterator[Row]:
    """The rows of a table, batch by batch; columns that it lacks keep the defaults of Row."""
    columns = [column for column in ROW_COLUMNS if column.name in table.column_names]
    enums = [(column.name, column.enum) for column in columns if column.enum]
    repeated = [column.name for column in columns if column.repeated]
    selected = table.select([column.name for column in columns])
    for batch in selected.to_batches(max_chunksize=4096):
        for record in batch.to_pylist():
            for name, enum in enums:
                record[name] = enum(record[name])
            for name in repeated:
                record[name] = tuple(record[name] or ())
            yield Row(**record)


def create_part(store: Store, key: str, rows: Iterable[Row]) -> PartInfo:
    """Writes a part that must not exist yet.

    Raises:
        ObjectExists: another writer has finished the same unit.
    """
    table = to_table(rows)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", compression_level=COMPRESSION_LEVEL)
    data = sink.getvalue()
    store.create(key, data)
    return part_info(key, data, table.num_rows)


def part_info(key: str, data: bytes, rows: int) -> PartInfo:
    """What the manifest says of a part."""
    return PartInfo(
        name=key.rsplit("/", 1)[-1],
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        rows=rows,
    )


def list_parts(store: Store, stage_prefix: str) -> list[str]:
    """Names of the stage's finished parts, sorted; parts of sub-folders are not among them."""
    names = (info.key.removeprefix(f"{stage_prefix}/") for info in store.list(stage_prefix))
    return sorted(name for name in names if PART_NAME.fullmatch(name))


def parse_part(key: str, data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """Decodes a part.

    Args:
        columns: The columns wanted, of which those that were added after the part was written have
            their defaults; by default what the part holds.

    Raises:
        DataError: it is no Parquet table of ours.
    """
    try:
        # From memory and in this thread: a thread of Arrow that lets go of a Python file while the
        # interpreter ends aborts the process (apache/arrow#33975).
        file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
        if not columns:
            return file.read(use_threads=False)
        table = file.read(list(columns), use_threads=False)
        wanted = (column for column in ROW_COLUMNS if column.name in columns)
        return fill_added(table, wanted).select(list(columns))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, KeyError) as error:
        raise DataError(f"{key}: not a readable part: {error}") from error


def schema_of(columns: Sequence[str]) -> pa.Schema:
    """The schema of a selection of columns."""
    return pa.schema([ROW_SCHEMA.field(name) for name in columns])


def read_rows(
    store: Store,
    stage_prefix: str,
    *,
    columns: Sequence[str] | None = None,
    status: RowStatus | None = None,
) -> pa.Table:
    """A stage's table: for every row_id the row of its highest attempt, sorted by row_id.

    Of a finished stage, the parts that its manifest names and nothing else; of an open one, those
    that are there.

    Args:
        columns: The columns wanted; all by default.
        status: Only rows that ended so.

    Raises:
        VerificationError: a part of a finished stage is not there, or holds other bytes.
        DataError: a part is no table of ours.
    """
    wanted = list(columns) if columns else ROW_SCHEMA.names
    needed = list(dict.fromkeys([*wanted, "row_id", "attempt", "status"]))
    schema = schema_of(needed)
    tables = [schema.empty_table()]
    for key, data in _parts(store, stage_prefix):
        tables.append(parse_part(key, data, needed).cast(schema))
    table = latest_attempts(pa.concat_tables(tables))
    if status is not None:
        table = table.filter(pc.equal(table["status"], status.value))
    return table.select(wanted)


def _parts(store: Store, stage_prefix: str) -> Iterator[tuple[str, bytes]]:
    """Key and bytes of each part of a stage."""
    manifest = read_manifest(store, stage_prefix)
    if manifest is None:
        for name in list_parts(store, stage_prefix):
            yield (key := f"{stage_prefix}/{name}"), store.get(key)
        return
    for part in sorted(manifest.parts, key=lambda one: one.name):
        key = f"{stage_prefix}/{part.name}"
        try:
            data = store.get(key)
        except ObjectMissing as error:
            raise VerificationError(
                f"{store.url}/{key}: is not there, and the stage's manifest names it"
            ) from error
        if hashlib.sha256(data).hexdigest() != part.sha256:
            raise VerificationError(f"{store.url}/{key}: other bytes than the manifest says")
        yield key, data


def latest_attempts(table: pa.Table) -> pa.Table:
    """Drops the rows that a later attempt replaced; sorts by row_id."""
    table = table.sort_by([("row_id", "ascending"), ("attempt", "descending")])
    if table.num_rows == 0:
        return table
    ids = table["row_id"].combine_chunks()
    same_as_previous = pc.equal(ids[1:], ids[:-1])
    first = pa.concat_arrays([pa.array([True]), pc.invert(same_as_previous)])
    return table.filter(first)
