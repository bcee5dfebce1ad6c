"""`job.json` is what its reference says, field by field."""

import json
import re
from pathlib import Path
from typing import Any, get_args

from attrs import fields
from session_kit import SECRET, document, image, png, world

from dreamina_async import ImageRequest, MediaFile, VideoRequest, request_from_dict
from dreamina_async._core.content import ContentFormat

PAGE = (Path(__file__).parent.parent / "docs/reference/job-json.md").read_text("utf-8")
SCHEMA: dict[str, Any] = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
TYPES |= {"null": type(None), "number": (int, float)}


def complaints(schema: dict[str, Any], value: Any, where: str = "$") -> list[str]:
    """The few words of JSON Schema that the page uses; what it does not name may not be there."""
    types = schema.get("type", [])
    allowed = tuple(TYPES[one] for one in ([types] if isinstance(types, str) else types))
    if allowed and not isinstance(value, allowed):
        return [f"{where}: {value!r} is no {types}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where}: {value!r}"]
    if "const" in schema and value != schema["const"]:
        return [f"{where}: {value!r}"]
    if isinstance(value, int | float) and value < schema.get("minimum", value):
        return [f"{where}: {value}"]
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        return [f"{where}: {value}"]
    return _inside(schema, value, where)


def _inside(schema: dict[str, Any], value: Any, where: str) -> list[str]:
    found: list[str] = []
    if isinstance(value, list):
        for number, one in enumerate(value):
            found += complaints(schema["items"], one, f"{where}[{number}]")
    if isinstance(value, dict) and "properties" in schema:
        missing = [one for one in schema["required"] if one not in value]
        found += [f"{where}.{one} is missing" for one in missing]
        for name, one in value.items():
            inner = schema["properties"].get(name)
            found += complaints(inner, one, f"{where}.{name}") if inner else [f"{where}.{name}"]
    return found


def rows(title: str) -> dict[str, str]:
    """Field to type, from one of the page's tables."""
    table = PAGE.partition(title)[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", table, re.MULTILINE))


def types_of(schema: dict[str, Any]) -> set[str]:
    if "enum" in schema:
        return {"string"}
    if "const" in schema:
        return {"integer"}
    return {schema["type"]} if isinstance(schema["type"], str) else set(schema["type"])


async def test_every_kind_of_document_fits_the_schema(tmp_path: Path) -> None:
    (tmp_path / "room.png").write_bytes(png(1, 320, 240))
    requests = [
        image("月下独酌", count=2, seed=7),
        ImageRequest("like this", references=(str(tmp_path / "room.png"), png(2, 320, 240))),
        VideoRequest("sea", first_frame=str(tmp_path / "room.png")),
    ]
    async with world(tmp_path / "run") as (_, session):
        for request in requests:
            result = await session.generate(request)
            data = document(result.media[0].path.parent)
            assert complaints(SCHEMA, data) == []
            assert [one["path"] for one in data["media"]] == [one.path.name for one in result.media]
            assert SECRET not in json.dumps(data)
            assert "://" not in json.dumps(data)
        attached = session.attach(history_id=result.history_id)
        await attached
    assert request_from_dict(document(tmp_path / "run" / str(result.submit_id))["request"])


def test_the_schema_notices_what_changes() -> None:
    data = dict.fromkeys(SCHEMA["required"]) | {"media": [{"path": 3}], "new": 1}
    found = " ".join(complaints(SCHEMA, data))
    for one in ("$.version", "$.saved_at", "$.media[0].path", "$.media[0].uri is", "$.new"):
        assert one in found


def test_the_page_names_every_field_with_its_type() -> None:
    properties = SCHEMA["properties"]
    tables = {
        "# job.json": properties,
        "## media": properties["media"]["items"]["properties"],
        "## request": properties["request"]["properties"],
    }
    for title, expected in tables.items():
        told = {name: set(re.split(", | or ", text)) for name, text in rows(title).items()}
        assert told == {name: types_of(one) for name, one in expected.items()}, title


def test_the_fields_are_those_of_our_values() -> None:
    properties = SCHEMA["properties"]
    media = properties["media"]["items"]["properties"]
    assert list(media) == [one.name for one in fields(MediaFile) if one.name != "url"]
    assert media["format"]["enum"] == list(get_args(ContentFormat))
    asked = {one.name for kind in (ImageRequest, VideoRequest) for one in fields(kind)}
    assert set(properties["request"]["properties"]) == asked | {"kind"}
