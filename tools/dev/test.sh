# shellcheck shell=bash
# ./dev test: the steps, in order. One step is one function test_<name>, dashes as underscores.

# tier  step        what it checks
STEPS='
base    build       development build of everything
base    lint        format, house rules, static analysis of what changed
base    unit        unit tests
base    floors      what every file really includes
base    golden      the API, as text
base    service     the program as a black box, with real clients
base    postgres    contract of the store, the API as text, and a server that goes away
base    docs        examples of the guides, and that generated pages are current
base    asan        modules that parse, with address and undefined-behaviour sanitizers
base    tsan        modules that share state between threads, with the thread sanitizer
full    kafka       events over a real Kafka broker (needs Java 17 and Maven)
full    lint-all    static analysis of every file
full    asan-all    all modules with address and undefined-behaviour sanitizers
full    asan-api    the API, hostile requests and hostile logs, the same way
full    tsan-all    all modules with the thread sanitizer
'
ASAN_MODULES=(base config crypto events exec http identity inference json models native net objects redis store telemetry)
TSAN_MODULES=(base events exec http identity limits models objects redis store telemetry)

test_build() { build dev; }
test_lint() { lint; }
test_unit() {
  CORBEL_EQUALITY_DIR=$(equality_models)
  export CORBEL_EQUALITY_DIR
  unit_tests dev
}
test_floors() { "$VENV/python" tools/floors_test.py build/dev; }
test_golden() { needs tests/api/run.py build/dev/corbel; "$VENV/python" tests/api/run.py; }
test_service() { needs tests/service/run.py build/dev/corbel; "$VENV/python" tests/service/run.py; }
test_postgres() {
  needs tests/support/postgres.py build/dev/corbel build/dev/store_test
  "$VENV/python" tests/support/postgres.py run build/dev/store_test --gtest_brief=1 --gtest_filter='*Postgres*'
  "$VENV/python" tests/support/postgres.py run "$VENV/python" tests/api/run.py
}
test_docs() {
  needs tests/docs/run.py build/dev/corbel
  "$VENV/python" tools/diagram.py --check build/dev
  env -i build/dev/corbel config --output markdown | diff docs/settings.md - >&2 ||
    hint 'docs/settings.md is not current: build/dev/corbel config --output markdown >docs/settings.md'
  "$VENV/python" tests/docs/run.py
}
test_asan() { build asan "${ASAN_MODULES[@]/%/_test}"; unit_tests asan '^Equality'; }
test_tsan() { build tsan "${TSAN_MODULES[@]/%/_test}"; unit_tests tsan '^Equality'; }
test_kafka() {
  needs tests/peers/kafka_test.py build/dev/corbel
  command -v java mvn >/dev/null || { say "Java 17 or Maven is missing" && exit $SKIPPED; }
  CORBEL_KAFKA_JARS=$(kafka_jars) "$VENV/python" tests/peers/kafka_test.py
}
test_lint_all() { lint all; }
test_asan_all() { build asan; unit_tests asan '^Equality'; }
test_asan_api() {
  build asan corbel
  export CORBEL_BINARY=$ROOT/build/asan/corbel
  "$VENV/python" tests/api/run.py
  "$VENV/python" tests/service/run.py wire logs
}
test_tsan_all() { build tsan; unit_tests tsan '^Equality'; }

step_names() { awk 'NF { printf " %s", $2 }' <<<"$STEPS"; }

# Programs that were not built because their module was not chosen are no tests; one that was chosen and does not build
# has failed before.
unit_tests() {
  local preset=$1 but=${2:-} log=$ROOT/build/test/ctest-$1.log
  ctest --preset "$preset" --exclude-regex "_NOT_BUILT\$${but:+|$but}" | tee "$log" | grep -vE '^ +Start |Passed +[0-9.]+ sec$'
  if grep -q 'tests did not run:' "$log"; then return $SKIPPED; fi
}

# Models of the frameworks, and their answers, made once for each state of the script and of the frameworks.
equality_models() {
  local folder
  folder=$CACHE/equality-$({ cat tests/equality/make_models.py && readlink -f build/deps/venv; } | sha256sum | cut -c1-16)
  if [[ ! -e $folder/.complete ]]; then
    rm -rf "$folder"
    "$VENV/python" tests/equality/make_models.py "$folder" >&2
    touch "$folder/.complete"
  fi
  say "$folder"
}

# Kafka and what it needs, fetched once for each state of the list.
kafka_jars() {
  local folder
  folder=$CACHE/kafka-$(sha256sum <tests/peers/kafka/pom.xml | cut -c1-16)
  if [[ ! -e $folder ]]; then
    rm -rf "$folder.new"
    mvn -q -B -f tests/peers/kafka/pom.xml dependency:copy-dependencies -DoutputDirectory="$folder.new" \
      -DincludeScope=runtime >&2
    mv "$folder.new" "$folder"
  fi
  say "$folder"
}

# A step whose files are not in the tree is skipped while developing; with CI=true that is a failure.
readonly SKIPPED=77
needs() {
  local file
  for file; do
    [[ -e $file ]] || { say "$file is missing" && exit $SKIPPED; }
  done
}

# The end of a failed step's output; before it the compiler's errors, which notes would push out.
show_log() {
  { grep -E '(^|[^a-z])(fatal )?error: ' "build/test/$1.log" || true; } | head -n 10 | sed 's/^/    ! /'
  tail -n 60 "build/test/$1.log" | sed 's/^/    | /'
  say "    all of it: build/test/$1.log"
}

# tests [base | full | STEP...]
tests() {
  local wanted=${*:-base} tier name text passed=0 failed=0 skipped=0 table='' start=$EPOCHREALTIME
  local logs=$ROOT/build/test broken='' result code begin
  mkdir -p "$logs"
  setup
  while read -r tier name text; do
    [[ $name ]] || continue
    [[ " $wanted " == *" $name "* || $wanted == full || $wanted == "$tier" ]] || continue
    begin=$EPOCHREALTIME
    printf '%-9s %s\n' "$name" "$text"
    if [[ $broken ]]; then
      code=1
      say "not run: the build failed" >"$logs/$name.log"
    else
      set +e   # inside a condition set -e would be off in the step, too
      (set -e; "test_${name//-/_}") >"$logs/$name.log" 2>&1 </dev/null
      code=$?
      set -e
    fi
    case $code in
      0) result=passed && passed=$((passed + 1)) ;;
      "$SKIPPED") result=skipped && skipped=$((skipped + 1)) ;;
      *) result=failed && failed=$((failed + 1)) && [[ $name == build ]] && broken=yes ;;
    esac
    [[ $result == passed ]] || show_log "$name"
    table+=$(printf '%-9s %-8s %8s s' "$name" "$result" "$(elapsed "$begin")")$'\n'
  done <<<"$STEPS"
  [[ $table ]] || { warn "dev: no test \"$wanted\"; there are: base full$(step_names)"; return 64; }
  printf '\n%s%-18s %8s s\n\n' "$table" total "$(elapsed "$start")"
  if ((skipped > 0)) && [[ ${CI:-} == true ]]; then
    say "skipped tests count as failed here"
    failed=$((failed + skipped)) skipped=0
  fi
  printf '%d passed, %d failed%s\n' "$passed" "$failed" "$( ((skipped == 0)) || printf ', %d skipped' "$skipped")"
  ((failed == 0))
}
