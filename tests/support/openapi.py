"""The program's own OpenAPI document, as tests need it: operations with their examples, and a check of answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
METHODS = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True)
class Operation:
    document: Json
    path: str
    method: str
    about: Json

    @property
    def id(self) -> str:
        return self.about["operationId"]

    @property
    def permission(self) -> str | None:
        """The word of the permission it needs; None: open to all."""
        return self.about.get("x-permission")

    @property
    def success(self) -> int:
        return next(int(status) for status in self.about["responses"] if status.startswith("2"))

    @property
    def parameters(self) -> list[Json]:
        return [resolve(self.document, parameter) for parameter in self.about["parameters"]]

    @property
    def path_examples(self) -> Json:
        """What the document would fill in for {…}; KeyError: a parameter without an example."""
        return {p["name"]: p["example"] for p in self.parameters if p["in"] == "path"}

    @property
    def query_examples(self) -> Json:
        """KeyError: a required parameter without an example."""
        query = [p for p in self.parameters if p["in"] == "query" and (p["required"] or "example" in p)]
        return {p["name"]: p["example"] for p in query}

    @property
    def takes_json(self) -> bool:
        return "application/json" in self.about.get("requestBody", {}).get("content", {}) and not self.takes_file

    @property
    def takes_file(self) -> bool:
        return "application/octet-stream" in self.about.get("requestBody", {}).get("content", {})

    @property
    def body_example(self) -> Any:
        return self.about["requestBody"]["content"]["application/json"]["example"]

    def difference(self, status: int, content_type: str, body: Any) -> str | None:
        """What an answer has that the document does not tell, if anything."""
        responses = self.about["responses"]
        response = resolve(self.document, responses.get(str(status), responses["default"]))
        content = response.get("content")
        if content is None:
            return None if not content_type else f"a body of type {content_type}, where none is documented"
        media = content_type.partition(";")[0]
        if media not in content:
            return f"content type {media!r}, not {sorted(content)}"
        if body is None or "json" not in media:  # lines of JSON are no document
            return None
        return mismatch(self.document, content[media]["schema"], body)


def operations(document: Json) -> list[Operation]:
    return [
        Operation(document, path, method, about)
        for path, item in document["paths"].items()
        for method, about in item.items()
        if method in METHODS
    ]


def resolve(document: Json, node: Json) -> Json:
    while "$ref" in node:
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def is_of(value: Any, name: str) -> bool:
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    return isinstance(value, kinds[name])


def mismatch(document: Json, schema: Json, value: Any, where: str = "") -> str | None:
    """Where `value` first breaks the schema; the words of JSON Schema that the document uses."""
    schema = resolve(document, schema)
    if "anyOf" in schema and all(mismatch(document, option, value, where) for option in schema["anyOf"]):
        return f"{where}: {value!r} fits no alternative"
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(is_of(value, name) for name in types):
        return f"{where}: {value!r} is no {' or '.join(types)}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where}: {value!r} is none of {schema['enum']}"
    if is_of(value, "number") and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return f"{where}: {value} is out of range"
    if isinstance(value, list):
        found = (mismatch(document, schema.get("items", {}), item, f"{where}/{i}") for i, item in enumerate(value))
        return next((problem for problem in found if problem), None)
    return object_mismatch(document, schema, value, where) if isinstance(value, dict) else None


def object_mismatch(document: Json, schema: Json, value: Json, where: str) -> str | None:
    properties = schema.get("properties", {})
    if missing := [name for name in schema.get("required", []) if name not in value]:
        return f"{where}: {missing} missing"
    others = schema.get("additionalProperties", True)
    for name, item in value.items():
        if name not in properties and others is False:
            return f"{where}/{name}: is not documented"
        inner = properties.get(name, others if isinstance(others, dict) else {})
        if problem := mismatch(document, inner, item, f"{where}/{name}"):
            return problem
    return None
