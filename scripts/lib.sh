# shellcheck shell=bash
# Common to all scripts; source it first. Sets: repo (the tree), me (the script's name).
set -euo pipefail
export LC_ALL=C.UTF-8

# shellcheck disable=SC2034  # used by the scripts that source this
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
me=${0##*/}

say() { printf '%s: %s\n' "$me" "$*"; }
fail() {
    printf '%s: %s\n' "$me" "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# Prints the comment block at the top of the calling script.
usage() { awk 'NR > 1 && /^#/ { sub(/^# ?/, ""); print; next } NR > 1 { exit }' "$0"; }

# as_root COMMAND...: runs it as root, by sudo when needed.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# The last lines of a log that look like an error, else its last lines.
show_errors() {
    local log=$1 lines=${2:-30} found
    found=$(grep -nE -m1 'error: |undefined reference|\*\*\* ' "$log" | cut -d: -f1 || true)
    if [ -n "$found" ]; then
        # Without the echoed compiler commands and the lines they continue on.
        tail -n "+$found" "$log" | awk '/ -c / { skip = 1 } !skip && !seen[$0]++; !/\\$/ { skip = 0 }' |
            head -n "$lines" >&2 || true
    else
        tail -n "$lines" "$log" >&2
    fi
}

# port_free PORT: true when nothing listens there on loopback.
port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# seconds_since START: whole seconds, for progress lines.
seconds_since() { echo $(($(date +%s) - $1)); }

# debian_mirror: the URI from which apt takes Debian itself, whatever format its sources have.
debian_mirror() {
    # shellcheck disable=SC2016  # apt expands these
    apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk '$1 ~ /^(bookworm|trixie|forky|sid|stable|testing|unstable)$/ { sub(/\/$/, "", $2); print $2; exit }'
}

# npm_packages DIR: installs what DIR/package-lock.json names, unless it is there.
# The output is in DIR/node_modules.log when it fails.
npm_packages() {
    local dir=$1 stamp
    # Renewed by npm itself with each change: what is newer than it has not been installed.
    stamp=$dir/node_modules/.package-lock.json
    if [ -f "$stamp" ] && ! [ "$dir/package-lock.json" -nt "$stamp" ]; then return 0; fi
    say "installing the packages of ${dir#"$repo"/} (once)"
    if ! (cd "$dir" && npm ci --no-audit --no-fund --no-update-notifier) >"$dir/node_modules.log" 2>&1 </dev/null; then
        rm -rf "$dir/node_modules"
        return 1
    fi
    rm -f "$dir/node_modules.log"
    touch "$stamp"
}

# npm_error DIR: why npm_packages failed, in one line.
npm_error() { grep -E '^npm (ERR!|error) ' "$1/node_modules.log" | sed -E 's/^npm (ERR!|error) //' | grep -v '^code ' | head -n 1; }
