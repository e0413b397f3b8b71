# shellcheck shell=bash
# What the server scripts share: sourced, never run. Everything is installed into one cache folder, nothing into the
# system. A running server's folder DIR has pid and log; every server listens on 127.0.0.1 only.
set -euo pipefail

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/cdcsync-test
ME=${0##*/}

die() { printf '%s: %s\n' "$ME" "$*" >&2; exit 1; }

# once NAME COMMAND...: COMMAND fills the folder given as its last argument, which is then kept as $CACHE/NAME.
# All or nothing, and one process at a time: a second caller waits for the first and finds its work.
once() {
  local dir=$CACHE/$1 lock
  shift
  [[ -e $dir ]] && return
  mkdir -p "$CACHE"
  exec {lock}>"$dir.lock"
  flock "$lock"
  if [[ ! -e $dir ]]; then
    printf '%s: installing %s\n' "$ME" "$dir" >&2
    rm -rf "$dir.part" && mkdir "$dir.part"
    "$@" "$dir.part" >&2
    mv "$dir.part" "$dir"
  fi
  exec {lock}>&- # a server started later must not inherit the lock
}

# maven GROUP:ARTIFACT:VERSION[:TYPE[:CLASSIFIER]] DIR: that one file, in DIR. A repository of our own, of which only
# Maven's plugins are kept: some of these files are half a gigabyte and of no use to any build. One at a time, because
# Maven's repositories are not made for several writers.
maven() {
  local group=${1%%:*} repo=$CACHE/m2 lock
  exec {lock}>"$CACHE/m2.lock"
  flock "$lock"
  mvn -q -B -Dmaven.repo.local="$repo" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
    -Dartifact="$1" -DoutputDirectory="$2"
  rm -rf "${repo:?}/${group//.//}"
  exec {lock}>&-
}

# listens PORT: something accepts connections there.
listens() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# running DIR: the server that DIR/pid names is still there, and is not a zombie or another program with its number.
running() {
  local pid
  pid=$(cat "$1/pid" 2>/dev/null) && grep -qsaF -- "$1" "/proc/$pid/cmdline"
}

# vacant DIR PORT: wait until nobody uses them: what was killed a moment ago, and its children, may do so for a while.
vacant() {
  local i
  for ((i = 0; i < 100; i++)); do
    if ! listens "$2" && ! grep -qxF "$1/data" <(readlink /proc/[0-9]*/cwd 2>/dev/null); then return; fi
    sleep 0.05
  done
  die "port $2 or folder $1 is in use"
}

# launch DIR PORT PROBE COMMAND...: start COMMAND with its output in DIR/log, wait until PROBE PORT succeeds, print the pid.
launch() {
  local dir=$1 port=$2 probe=$3 pid i
  shift 3
  vacant "$dir" "$port"
  setsid "$@" </dev/null >>"$dir/log" 2>&1 &
  pid=$!
  echo "$pid" >"$dir/pid"
  for ((i = 0; i < 1200; i++)); do
    if ! kill -0 "$pid" 2>/dev/null; then
      tail -n 20 "$dir/log" >&2
      die "server ended before it was ready, see $dir/log"
    fi
    if "$probe" "$port"; then echo "$pid" && return; fi
    sleep 0.05
  done
  kill -9 "$pid"
  die "not ready after a minute, see $dir/log"
}

# gone PID: it is no more, or a zombie all of whose threads have ended. Its command line goes before its ports do.
gone() {
  local threads=("/proc/$1/task/"*)
  [[ ! -e /proc/$1 ]] || { ((${#threads[@]} == 1)) && grep -qs '^State:.Z' "/proc/$1/status"; }
}

# halt DIR SIGNAL: end the server of DIR, and wait until it is gone; after half a minute by force.
halt() {
  local dir=$1 pid i
  if running "$dir"; then
    pid=$(cat "$dir/pid")
    kill -s "$2" "$pid"
    for ((i = 0; i < 600; i++)); do
      gone "$pid" && break
      sleep 0.05
    done
    gone "$pid" || kill -9 "$pid" 2>/dev/null || true # it may have gone just now
  fi
  rm -f "$dir/pid"
}
