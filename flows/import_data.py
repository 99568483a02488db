"""`import-data`: customers, entitlements and purchases that arrived as files, each through its gate."""

from typing import Annotated, Any, Literal

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.outcomes import finish
from flows.run_names import about
from tasks.importing import artifact_key, for_people, import_file, listed, look_for_files, wrong
from tasks.retrying import FLOW_SECONDS

Place = Annotated[str, Field(max_length=500)]
Feed = Annotated[str, Field(max_length=100)]


@flow(name="import-data", flow_run_name=about("files that arrived"), timeout_seconds=FLOW_SECONDS)
async def import_data(
    place: Place = "",
    data_set: Literal["", "customers", "entitlements", "purchases"] = "",
    feed: Feed = "",
    again: bool = False,
) -> State[Any]:
    """Import every file that was not taken yet. What a gate halts changes nothing, and this run fails and says why.

    Args:
        place: A folder, or an https address of one file at a host in HANDRAIL_IMPORT_HOSTS. Left empty: the folder
            where files arrive (HANDRAIL_IMPORT_FOLDER).
        data_set: What the files hold. Left empty: their names say it, as in `entitlements-2026-11-28.csv`.
        feed: What they are compared with: the batches of this name. Left empty: the file's name without its dates.
        again: Judge once more what was halted before; something it needs, as its customers, may have come since.
    """
    found = await look_for_files(place, data_set=data_set, feed=feed, again=again)
    imported = []
    for file in found.to_import:
        one = await import_file(file)
        imported.append(one)
        if one.story:
            await acreate_markdown_artifact(one.story, key=artifact_key("verdict", one))
            await acreate_table_artifact(one.questions, key=artifact_key("questions", one))
    rows = listed(found, imported)
    if rows:
        await acreate_table_artifact(rows, key="import-data", description="The files that are there")
    return await finish(
        f"imported: {len(imported) or 'nothing'}; left alone: {len(found.left_alone) or 'nothing'}",
        late=wrong(found, imported),
        needs_people=for_people(found, imported),
    )
