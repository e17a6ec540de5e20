"""Holds outputs against the schema: json_schema.py SCHEMA DIR, with outputs as DIR/NAME-NUMBER.json."""

import json
import sys
from pathlib import Path

from jsonschema import Draft202012Validator

schema = json.loads(Path(sys.argv[1]).read_text())
Draft202012Validator.check_schema(schema)
judges = {name: Draft202012Validator({**schema, "$ref": f"#/$defs/{name}"}) for name in schema["$defs"]}
counts = dict.fromkeys(judges, 0)
for path in sorted(Path(sys.argv[2]).glob("*.json")):
    name = path.stem.rpartition("-")[0]
    value = json.loads(path.read_text())
    for error in judges[name].iter_errors(value):
        sys.exit(f"{path}: {error.json_path}: {error.message}")
    counts[name] += 1
    # The schema must be able to refuse: the same output with a field more, and with one less.
    whole = judges[name]
    fields = dict(value)
    if whole.is_valid({**fields, "no_such_field": 1}) or whole.is_valid({}):
        sys.exit(f"{path}: the schema of {name} takes anything")
if sum(count > 0 for count in counts.values()) < 20:
    sys.exit(f"too few outputs: {counts}")
print(f"jsonschema agrees: {sum(counts.values())} outputs of {sum(count > 0 for count in counts.values())} kinds")
