#!/bin/sh
# Runs the ProVerif models and their variants, and compares every result with expected.txt.
#   formal/run.sh [-w] [name ...]     names as in expected.txt (handshake, rekey.no-mac, ...); none: all
#   -w                                also writes formal/results/
# Exit: 0 all as expected; 1 some not; 2 usage or a broken model; 3 ProVerif is not on PATH, nothing was checked.
# PROVERIF_TIMEOUT: seconds for one model, 1800 by default.
set -u
cd "$(dirname "$0")" || exit 2
write=no
if [ "${1:-}" = -w ]; then write=yes; shift; fi
if ! command -v proverif >/dev/null 2>&1; then
  echo 'formal: proverif is not on PATH; no model was checked' >&2
  exit 3
fi
version=$(proverif -help 2>&1 | sed -n 's/^Proverif \([0-9.]*[0-9]\).*/\1/p' | head -n 1)
echo "ProVerif ${version:-of unknown version}"
temporary=$(mktemp -d) || exit 2
trap 'rm -rf "$temporary"' EXIT
trap 'exit 2' HUP INT TERM

# Leaves only the queries that a variant names in its `keep:` line; the model itself keeps all.
select_queries() {
  awk -v keep="$1" '
    BEGIN { n = split(keep, k, " "); for (i = 1; i <= n; i++) wanted[k[i]] = 1; on = 1 }
    /^\(\* @query / { name = $3; sub(/:$/, "", name); on = (n == 0 || name in wanted) }
    /^\(\* ---/ || /^process/ { on = 1 }
    on { print }'
}

names=${*:-$(awk '!/^#/ && NF { print $1 }' expected.txt | uniq)}
status=0
for name in $names; do
  model=${name%%.*}
  source=$temporary/$name.pv
  [ -f "$model.pv" ] || { echo "formal: no model $model.pv" >&2; exit 2; }
  if [ "$name" = "$model" ]; then
    cp "$model.pv" "$source"
  else
    rules=mutations/$name.sed
    [ -f "$rules" ] || { echo "formal: no $rules" >&2; exit 2; }
    sed -f "$rules" "$model.pv" >"$temporary/changed.pv"
    if cmp -s "$model.pv" "$temporary/changed.pv"; then
      echo "formal: $rules changes nothing in $model.pv" >&2
      exit 2
    fi
    select_queries "$(sed -n 's/^# keep: //p' "$rules")" <"$temporary/changed.pv" >"$source"
  fi
  timeout "${PROVERIF_TIMEOUT:-1800}" proverif "$source" >"$temporary/$name.out" 2>&1
  code=$?
  grep '^RESULT ' "$temporary/$name.out" >"$temporary/raw"
  # A false injective query has a second line, in parentheses, about the same without injectivity.
  grep -v '^RESULT (' "$temporary/raw" >"$temporary/results"
  sed -n 's/^(\* @query \([A-Za-z0-9-]*\).*/\1/p' "$source" >"$temporary/queries"
  if [ "$code" -ne 0 ] || [ "$(wc -l <"$temporary/queries")" -ne "$(wc -l <"$temporary/results")" ]; then
    echo "FAIL $name: exit $code, $(wc -l <"$temporary/results") results for $(wc -l <"$temporary/queries") queries"
    grep -A 1 -E '^(Error|File)' "$temporary/$name.out" | head -n 4
    status=1
    continue
  fi
  if [ $write = yes ]; then
    { echo "ProVerif $version, $name"; cat "$temporary/raw"; } >"results/$name.txt"
  fi
  # One line a query: name, and true, false or unknown (cannot be proved).
  paste -d ' ' "$temporary/queries" "$temporary/results" |
    awk '{ r = "unknown"; if ($0 ~ / is true\.$/) r = "true"; if ($0 ~ / is false\.$/) r = "false"; print $1, r }' >"$temporary/got"
  awk -v name="$name" '!/^#/ && $1 == name { print $2, $3 }' expected.txt >"$temporary/want"
  if cmp -s "$temporary/want" "$temporary/got"; then
    echo "ok   $name: $(wc -l <"$temporary/got") results as expected"
  else
    echo "FAIL $name (< expected, > got):"
    diff "$temporary/want" "$temporary/got"
    status=1
  fi
done
exit $status
