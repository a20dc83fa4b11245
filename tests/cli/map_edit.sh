# map_edit.sh -- changes to JSON files for the tests of maps and metadata. After lib.sh.
# json_edit FILE SQL: the file becomes the value of an SQL expression in which j is its text
json_edit() {
    sqlite3 :memory: "with t(j) as (select cast(readfile('$1') as text)) select ($2) from t" >"$1.new" && mv "$1.new" "$1"
}
FIELDS='$.legs[0].fieldMappings'
# field_at FILE SOURCE: position of the first field with that sourceField
field_at() { jsql "select key from json_each(j, '$FIELDS') where json_extract(value, '\$.sourceField') = '$2' limit 1" "$1"; }
# field_set FILE SOURCE MEMBER SQL-VALUE
field_set() { json_edit "$1" "json_set(j, '$FIELDS[$(field_at "$1" "$2")].$3', $4)"; }
field_drop() { json_edit "$1" "json_remove(j, '$FIELDS[$(field_at "$1" "$2")]')"; }
# field_add FILE JSON
field_add() { json_edit "$1" "json_insert(j, '$FIELDS[#]', json('$2'))"; }
# tenant FILE: a copy of the emulator's tenant, to be changed; column FILE TABLE COLUMN, entity_field FILE LABEL NAME: JSON paths
tenant() { cp "$DMFSYNC_ROOT/tests/emulator/tenant.json" "$1"; }
column() {
    jsql "select t.fullkey || '.columns[' || c.key || ']' from json_each(j, '\$.dataverse.tables') t, json_each(t.value, '\$.columns') c
          where json_extract(t.value, '\$.logical') = '$2' and json_extract(c.value, '\$.name') = '$3'" "$1"
}
entity_field() {
    jsql "select e.fullkey || '.fields[' || f.key || ']' from json_each(j, '\$.fno.entities') e, json_each(e.value, '\$.fields') f
          where json_extract(e.value, '\$.label') = '$2' and json_extract(f.value, '\$.name') = '$3'" "$1"
}
# found CODE [SOURCE]: how many findings of that code (at the field with that source) the last --json output has
found() {
    jsql "select count(*) from json_each(j, '\$.data.findings') where json_extract(value, '\$.code') = '$1'
          and not json_extract(value, '\$.ignored') and ('${2:-}' = '' or json_extract(value, '\$.source') = '${2:-}')"
}
