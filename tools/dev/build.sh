# shellcheck shell=bash
# ./dev build, run and bench.

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
few_lines() {
  awk '/^\[[0-9]+\/[0-9]+ / {
         split(substr($1, 2), n, "/")
         if (n[1] % 20 == 0 || n[1] == n[2]) { print "    " $0 > "/dev/fd/3"; fflush("/dev/fd/3") }
         next
       }
       { print; fflush() }'
}

# run [OPTION...]: the release build with demo models; options go to `corbel serve`.
run() {
  local data=${CORBEL_DATA_DIR:-data}
  build release
  [[ -e $data/demo/manifest.json ]] || "$VENV/python" examples/demo.py train "$data/demo"
  [[ -e $data/demo/.registered ]] || register_demo "$data" &
  unset CORBEL_CACHE CORBEL_DATA_DIR CORBEL_URL   # ours, not the program's
  exec build/release/corbel serve --set "data.folder=$data" "$@"
}

# Registers the demo models through the public API once the server is ready.
register_demo() {
  local data=$1 url=${CORBEL_URL:-http://127.0.0.1:3004} i
  for ((i = 0; i < 300; i++)); do
    if [[ -s $data/admin-key ]] && curl -fsS -o /dev/null "$url/health/ready" 2>/dev/null; then
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
  local name=${1:?"./dev bench NAME"}
  shift
  mkdir -p build/bench
  if [[ -e bench/$name.py ]]; then
    build release
    "$VENV/python" "bench/$name.py" "$@"
  elif compgen -G "src/*/$name/*_bench.cpp" >/dev/null || compgen -G "src/$name/*_bench.cpp" >/dev/null; then
    build release "${name}_bench"
    "build/release/${name}_bench" "$@"
  else
    warn "dev: no bench \"$name\"; there are: $(bench_names)"
    return 64
  fi
}

bench_names() {
  { compgen -G 'bench/*.py' | sed 's|.*/||; s|\.py$||'
    git ls-files 'src/*_bench.cpp' | xargs -r -n1 dirname | sed 's|.*/||'; } | sort -u | paste -sd' '
}
