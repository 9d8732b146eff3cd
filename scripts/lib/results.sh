# Counts what the test programs report. Sourced by scripts/test, which owns passed, failed and skipped.

suite_status=0

# Runs one test program; what it prints is shown when it fails, its last lines otherwise.
run_suite() {
  local name=$1 log
  shift
  log=$results/$name.log
  suite_status=0
  timeout --kill-after=10 900 "$@" > "$log" 2>&1 < /dev/null || suite_status=$?
  if [ $suite_status -ne 0 ]; then cat "$log"; else tail -n 8 "$log"; fi
}

# Adds the counts; a program that fails without naming a failed test (it crashed, say) is one failure more.
add_counts() {
  local all=$1 bad=$2 left_out=$3
  if [ "$bad" -eq 0 ] && [ "$suite_status" -ne 0 ]; then bad=1 all=$((all + 1)); fi
  passed=$((passed + all - bad - left_out))
  failed=$((failed + bad))
  skipped=$((skipped + left_out))
}

# The first number after a key in a file; 0 where there is none.
first_number() {
  { grep -oE "$1" "$2" 2> /dev/null || true; } | head -n 1 | grep -oE '[0-9]+' || echo 0
}

count_googletest() {
  local skips
  skips=$(grep -c '"result": "SKIPPED"' "$1" 2> /dev/null || true)
  add_counts "$(first_number '"tests": [0-9]+' "$1")" "$(first_number '"failures": [0-9]+' "$1")" "${skips:-0}"
}

count_junit() {
  local cases failures skips
  cases=$(grep -oE '<testcase[ >]' "$1" 2> /dev/null | wc -l)
  failures=$(grep -oE '<(failure|error)[ />]' "$1" 2> /dev/null | wc -l)
  skips=$(grep -oE '<skipped[ />]' "$1" 2> /dev/null | wc -l)
  add_counts "$cases" "$failures" "$skips"
}
