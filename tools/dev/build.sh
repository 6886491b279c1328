# shellcheck shell=bash
# ./dev build, run, bench and fuzz.

# build [PRESET [TARGET...]]: everything it needs, then the program and its tests, or only the targets.
build() {
  local preset=${1:-dev} targets=()
  shift || true
  (($# == 0)) || targets=(--target "$@")
  setup
  configure "$preset"
  if [[ -t 1 ]]; then
    NINJA_STATUS='[%f/%t %es] ' cmake --build --preset "$preset" "${targets[@]}"
  else
    NINJA_STATUS='[%f/%t %es] ' cmake --build --preset "$preset" "${targets[@]}" | few_lines
  fi
}

# Ninja configures again by itself when a CMake file changes, but it does not see presets, and it compares times, not
# contents: a dependency that is older than the objects made with its predecessor would be taken for unchanged.
configure() {
  local preset=$1 folder state before options=()
  folder=$(build_dir "$preset")
  state="$(sha256sum <CMakePresets.json) $(readlink build/deps)"
  before=$(cat "$folder/.configured" 2>/dev/null || true)
  [[ $state == "$before" && -e $folder/build.ninja ]] && return
  # ThinLTO links use every core: one at a time.
  [[ $preset == release ]] && options=(-DCMAKE_JOB_POOLS=link=1 -DCMAKE_JOB_POOL_LINK=link)
  quietly cmake --preset "$preset" "${options[@]}"
  if [[ $before && ${before##* } != "${state##* }" ]]; then ninja -C "$folder" -t clean >/dev/null; fi
  say "$state" >"$folder/.configured"
}

# Of ninja's progress every 20th line and the last, to the terminal; whatever else the tools print stays.
# (Through cat: awk would open /dev/fd/3 anew and so truncate a file that stands behind it.)
few_lines() {
  awk '/^\[[0-9]+\/[0-9]+ / {
         split(substr($1, 2), n, "/")
         if (n[1] > 0 && (n[1] % 20 == 0 || n[1] == n[2])) { print "    " $0 | "cat >&3"; fflush("cat >&3") }
         next
       }
       /^ninja: no work to do/ { next }
       { print; fflush() }'
}

# run [OPTION...]: the release build with demo models; options go to `corbel serve`.
run() {
  local data=${CORBEL_DATA_DIR:-data} port=${CORBEL_SERVER_PORT:-3004} option
  for option; do
    [[ $option != *server.port=* ]] || port=${option##*=}
  done
  build release corbel
  (umask 077 && mkdir -p "$data")
  [[ -e $data/demo/manifest.json ]] || "$VENV/python" examples/demo.py train "$data/demo"
  [[ -e $data/demo/.registered ]] || register_demo "$data" "http://127.0.0.1:$port" &
  unset CORBEL_CACHE CORBEL_DATA_DIR   # ours, not the program's
  exec build/release/corbel serve --set "data.folder=$data" \
    --set "inference.onnxRuntimeLibrary=$ROOT/build/deps/onnxruntime/lib/libonnxruntime.so.1" "$@"
}

# Registers the demo models through the public API once the server is ready.
register_demo() {
  local data=$1 url=$2 status i
  for ((i = 0; i < 300; i++)); do
    kill -0 $$ 2>/dev/null || return 0   # the server did not start
    status=$(curl -s -o /dev/null -w '%{http_code}' "$url/health/ready" || true)
    if [[ -s $data/admin-key && $status != 000 && $status != 503 ]]; then
      "$VENV/python" examples/demo.py register "$data/demo" --url "$url" --key "$(cat "$data/admin-key")"
      touch "$data/demo/.registered"
      return
    fi
    sleep 0.1
  done
  warn "dev: no demo models: $url was not ready within 30 s"
}

# bench NAME [OPTION...]: bench/NAME.py, or the program NAME_bench of a module.
bench() {
  local name=${1:-} with=()
  mkdir -p build/bench
  [[ $name == writes ]] && with=("$VENV/python" tests/support/postgres.py run)
  if [[ $name && -e bench/$name.py ]]; then
    build release
    "$VENV/python" "bench/$name.py" "${@:2}"
  elif [[ " $(bench_names) " == *" $name "* ]]; then
    build release "${name}_bench"
    "${with[@]}" "build/release/${name}_bench" "${@:2}"
  else
    warn "dev: no bench \"$name\"; there are: $(bench_names)"
    return 64
  fi
}

bench_names() {
  git ls-files ':(glob)bench/*.py' 'src/*_bench.cpp' | sed 's|.*/||; s|\.py$||; s|_bench\.cpp$||' | sort -u | paste -sd' '
}

# fuzz NAME [SECONDS]: fuzz/NAME_fuzz.cpp with libFuzzer and sanitizers; what it learns stays in build/fuzz/corpus.
fuzz() {
  local name=${1:-} seconds=${2:-60} corpus=build/fuzz/corpus/${1:-}
  if [[ ! $name || ! -e fuzz/${name}_fuzz.cpp ]]; then
    warn "dev: no fuzzer \"$name\"; there are: $(fuzz_names)"
    return 64
  fi
  setup
  # As the presets have it.
  export CCACHE_DIR=$HOME/.cache/corbel-ccache CCACHE_BASEDIR=$ROOT CCACHE_NOHASHDIR=true
  export CCACHE_PCH_EXTSUM=true CCACHE_SLOPPINESS=pch_defines,time_macros
  quietly cmake --preset asan -B build/fuzz -DCORBEL_FUZZ=ON
  cmake --build build/fuzz --target "${name}_fuzz" | few_lines
  mkdir -p "$corpus"
  "build/fuzz/${name}_fuzz" -max_total_time="$seconds" -print_final_stats=1 -artifact_prefix=build/fuzz/ "$corpus"
}

fuzz_names() { git ls-files 'fuzz/*_fuzz.cpp' | sed 's|.*/||; s|_fuzz\.cpp$||' | paste -sd' '; }
