# shellcheck shell=bash
# ./dev lint [all]: C++ format, rules of the house, Python, shell, and clang-tidy on what changed (or on everything).

lint() {
  local failed=() check code
  setup
  for check in format rules third_party python shell tidy; do
    # Not in a condition: set -e would be off inside.
    set +e
    (set -e; "lint_$check" "$@")
    code=$?
    set -e
    ((code == 0)) || failed+=("$check")
  done
  ((${#failed[@]} == 0)) && return
  warn "lint: failed: ${failed[*]}"
  return 1
}

# Files under version control, or about to be.
our_files() { git ls-files --cached --others --exclude-standard --deduplicate -- "$@" | existing; }
existing() { while read -r file; do if [[ -f $file ]]; then say "$file"; fi; done; }
cpp_files() { our_files '*.cpp' '*.h'; }

lint_format() {
  cpp_files | xargs -r -P2 -n40 clang-format-19 --dry-run -Werror --ferror-limit=3 || hint "./dev format puts it right"
}
lint_rules() { "$VENV/python" tools/tidy.py; }
lint_third_party() { "$VENV/python" tools/third_party.py --check; }

lint_python() {
  our_files '*.py' | xargs -r "$VENV/ruff" check --quiet
  our_files '*.py' | xargs -r "$VENV/ruff" format --check --quiet || hint "./dev format puts it right"
}

lint_shell() { { our_files '*.sh' .ci/run && say dev; } | xargs shellcheck -x; }

lint_tidy() {
  configure dev
  if [[ ${1:-} == all ]]; then
    our_files 'src/*.cpp' | "$VENV/python" tools/clang_tidy.py build/dev "$CACHE/tidy"
  else
    changed_files | sed -n 's/\.h$/.cpp/p; /\.cpp$/p' | sort -u | existing |
      "$VENV/python" tools/clang_tidy.py build/dev "$CACHE/tidy" --at-most 60
  fi
}

# What differs from main, committed or not; on main itself, the last step (what passed before is not analysed again).
changed_files() {
  local base main
  for main in origin/main main; do
    base=$(git merge-base HEAD "$main" 2>/dev/null) && [[ $base != $(git rev-parse HEAD) ]] && break
    base=
  done
  [[ $base ]] || base=$(git rev-parse -q --verify HEAD~1 || git rev-list --max-parents=0 HEAD | tail -1)
  { git diff --name-only "$base" -- src && git ls-files --others --exclude-standard -- src; } | sort -u
}

hint() { warn "$*"; return 1; }

# format: rewrites C++ and Python in the house format.
format() {
  setup
  cpp_files | xargs -r -P2 -n40 clang-format-19 -i
  our_files '*.py' | xargs -r "$VENV/ruff" format --quiet
  our_files '*.py' | xargs -r "$VENV/ruff" check --quiet --select I --fix
}
