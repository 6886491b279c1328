# shellcheck shell=bash
# Words that every command of ./dev uses.
# shellcheck disable=SC2034  # used by the files that read this one

readonly EX_CONFIG=78   # sysexits: something about this machine has to change first

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() { warn "dev: $*"; exit 1; }

# Seconds since $1 (an earlier $EPOCHREALTIME), with one digit.
elapsed() {
  local tenths=$(((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}) / 100000))
  printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

# step TEXT COMMAND...: runs the command, then prints how long it took.
step() {
  local text=$1 start=$EPOCHREALTIME
  shift
  printf '  %-58s' "$text"
  "$@"
  printf '%6s s\n' "$(elapsed "$start")"
}

# Runs the command and shows its output only when it fails.
quietly() {
  local log
  log=$(mktemp)
  if "$@" >"$log" 2>&1; then rm "$log"; return; fi
  warn "" "failed: $*"
  tail -40 "$log" >&2
  rm "$log"
  return 1
}

# Folder of a CMake preset.
build_dir() { printf '%s' "$ROOT/build/$1"; }

VENV=$ROOT/build/deps/venv/bin
