#!/bin/sh
# pachctl for a container whose image has none: it hands a call to the daemon's side of the folder
# that it lies in, and shows what comes back. It needs a shell and cat. See client.py.
set -u
home=/pach-bin

fail() {
  printf 'pachctl: %s\n' "$*" >&2
  exit 1
}

can='next datum [--error TEXT], put file REPO@BRANCH[:PATH] [-a] -f FILE, get file REPO@COMMIT:PATH [-o FILE], list file and list commit [--raw]'
verb="${1-} ${2-}"
case $verb in
  'next datum' | 'put file' | 'get file' | 'list file' | 'list commit') shift 2 ;;
  *) fail "here it can $can; for more, an image has to bring Pachyderm's own" ;;
esac

target='' error='' project='' flags='' source='' output=''
while [ $# -gt 0 ]; do
  case $1 in
    --*=*)
      name=${1%%=*} value=${1#*=}
      shift
      set -- "$name" "$value" "$@"
      ;;
  esac
  case $1 in
    --error | --project | -f | --file | -o | --output)
      [ $# -gt 1 ] || fail "$1 needs a value"
      case $1 in
        --error) error=$2 ;;
        --project) project=$2 ;;
        -o | --output) output=$2 ;;
        *)
          [ -z "$source" ] || fail 'here it puts one file a call'
          source=$2
          ;;
      esac
      shift 2
      ;;
    -a | --append) flags="$flags --append"; shift ;;
    --raw) flags="$flags --raw"; shift ;;
    -*) fail "$1 is not known here; it can $can" ;;
    *)
      [ -z "$target" ] || fail "one argument too many: $1"
      target=$1
      shift
      ;;
  esac
done
if [ "$verb" = 'put file' ]; then
  source=${source:--}
  case $source in
    *://*) fail 'here it puts no URLs' ;;
    -) ;;
    *)
      [ -f "$source" ] || fail "$source: no such file"
      case $target in *:*) ;; *) target=$target:/${source##*/} ;; esac
      ;;
  esac
fi

slot=
for number in 1 2 3 4; do
  if (set -C && : >"$home/$number/taken") 2>/dev/null; then
    slot=$home/$number
    break
  fi
done
[ -n "$slot" ] || fail 'four other calls are at work; try again'
trap 'printf "free %s\n" "$number" >"$home/door"' EXIT
trap 'exit 130' INT TERM

printf '%s\0%s\0%s\0%s\0%s\0' "$verb" "$target" "$error" "$project" "$flags" >"$slot/call"
if [ "$verb" = 'put file' ]; then
  if [ "$source" = - ]; then cat; else cat <"$source"; fi >"$slot/in" || exit 1
fi
printf 'call %s\n' "$number" >"$home/door"
read -r code <"$slot/done"
if [ -n "$output" ] && [ "$code" = 0 ]; then cat "$slot/out" >"$output"; else cat "$slot/out"; fi
cat "$slot/err" >&2
exit "$code"
