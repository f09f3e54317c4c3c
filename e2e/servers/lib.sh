# What the build scripts of this folder share: programs are built from a module that pins them, once, into a folder whose stamp says from what.
# It is sourced by a script that has set `name`, as which it speaks, and `here`, the folder of its module.

say() { printf '%s: %s\n' "$name" "$*" >&2; }

# A go.work or GOFLAGS of the surrounding machine must not change what is built; go.sum says what it has to be.
export GOWORK=off GOFLAGS=-mod=readonly CGO_ENABLED=0

need_go() {
  if ! command -v go >/dev/null; then
    say "Go is not installed, and it builds what these tests need."
    say "Install Go 1.26 or later (https://go.dev/dl/).$*"
    exit 1
  fi
}

# into FOLDER PROGRAM...: ends the script, with the folder on standard output, when these programs are there and up to date. Else `out` is the
# folder, and `building` one inside of it: a build that is interrupted, or one that runs beside another, never leaves half a program under its
# final name.
into() {
  out=$1
  shift
  programs=("$@")
  mkdir -p "$out"
  out=$(cd "$out" && pwd)
  stamp=$({ cat "$here"/{go.mod,go.sum,build}; go version; } | cksum)
  local program missing=
  for program in "${programs[@]}"; do
    [ -x "$out/$program" ] || missing=$program
  done
  if [ -z "$missing" ] && [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
    say "up to date in $out"
    printf '%s\n' "$out"
    exit 0
  fi
  building=$(mktemp -d "$out/building.XXXXXX")
  trap 'rm -rf "$building"' EXIT
}

# compile LDFLAGS PACKAGE...: builds these commands, together, so that what they share is compiled once.
compile() {
  local flags=$1
  shift
  nice -n 10 go build -trimpath -buildvcs=false -ldflags "-s -w $flags" -o "$building/" "$@"
}

# Puts what was built where it belongs, and says where that is.
finish() {
  local program
  rm -f "$out/stamp"
  for program in "${programs[@]}"; do
    mv "$building/$program" "$out/"
  done
  printf '%s\n' "$stamp" >"$out/stamp"
  say "built into $out"
  printf '%s\n' "$out"
}
