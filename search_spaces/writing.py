"""From a plan back to a space file: what differs from the defaults, in the order of the documentation."""

from __future__ import annotations

import io
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.representer import SafeRepresenter

from search_spaces.parts.derived import Derived
from search_spaces.plan import PlanDraft

_WIDTH = 110


class _Representer(SafeRepresenter):
    """Quotes what ruamel.yaml writes plain and reads as something else: in a list, ``?A`` begins a map."""

    def represent_str(self, data: str) -> Any:
        """Return the node of a text."""
        style = "'" if data.startswith("?") else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Representer.add_representer(str, _Representer.represent_str)


def to_yaml(plan: PlanDraft) -> str:
    """Return the text of a space file that says what a plan says."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    # Short maps and lists, such as dimensions, on one line.
    yaml.default_flow_style = None
    yaml.width = _WIDTH
    yaml.allow_unicode = True
    yaml.representer.sort_base_mapping_type_on_output = False
    text = io.StringIO()
    yaml.dump(_stated(plan), text)
    return text.getvalue()


def _stated(value: Any) -> Any:
    """Return plain values, of models without the fields that are as by default."""
    if isinstance(value, Derived):
        return value.written
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        stated = {
            field.alias or name: _stated(getattr(value, name))
            for name, field in fields.items()
            if field.is_required()
            or name == "type"  # a space file has no class that tells the kind of a dimension
            or getattr(value, name) != field.get_default(call_default_factory=True, validated_data={})
        }
        # Limits on parameters, whose names no model knows.
        return stated | _stated(value.model_extra or {})
    if isinstance(value, dict):
        return {key: _stated(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_stated(inner) for inner in value]
    return value
