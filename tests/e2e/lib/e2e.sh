# shellcheck shell=bash
# For tests in bash; the environment is described in tests/e2e/run. Begin a test with
#
#   #!/usr/bin/env bash
#   . "$(dirname "$0")/lib/e2e.sh"
#
# Processes started with start and start_nginx end with the test.
set -euo pipefail
: "${EDGE_DIR:?run this by tests/e2e/run FILE}"
e2e_pids=()
e2e_failed=no

ok() { echo "ok $1"; }
not_ok() {
    e2e_failed=yes
    echo "not ok $1 - $2"
}
skip() { echo "skip $1 - $2"; }

# check NAME COMMAND...: ok when the command succeeds; its output is the reason otherwise.
check() {
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "${output:-$* failed}"; fi
}

# equal NAME GOT WANTED
equal() {
    if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "got '$2', not '$3'"; fi
}

# port N: the test's own port number N, 0 to 39.
port() { echo $((EDGE_PORT + $1)); }

# wait_port PORT [SECONDS]: until something accepts there (default: at most 10 s).
wait_port() {
    local tries=$((${2:-10} * 20))
    until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
        if ((--tries < 0)); then
            echo "nothing listens on port $1"
            return 1
        fi
        sleep 0.05
    done
}

# start NAME COMMAND...: in the background; output in $EDGE_DIR/NAME.log. Sets started_pid.
start() {
    local name=$1
    shift
    "$@" >"$EDGE_DIR/$name.log" 2>&1 </dev/null &
    started_pid=$!
    e2e_pids+=("$started_pid")
}

# write_conf NAME [MAIN_DIRECTIVES] <http-block-content: an nginx.conf for nginx_dir NAME.
nginx_dir() { echo "$EDGE_DIR/$1"; }
write_conf() {
    local dir kind
    dir=$(nginx_dir "$1")
    mkdir -p "$dir/temp" "$dir/logs" "$dir/html"
    {
        echo "load_module $EDGE_MODULE;"
        echo "daemon off; pid $dir/nginx.pid; error_log $dir/error.log notice;"
        # A main directive of the test's comes first of its kind, so that it may set these.
        case ${2:-} in *worker_processes*) ;; *) echo 'worker_processes 2;' ;; esac
        case ${2:-} in *'events '*) ;; *) echo 'events { worker_connections 1024; }' ;; esac
        printf '%s\nhttp {\n    access_log %s/access.log;\n' "${2:-}" "$dir"
        for kind in client_body proxy fastcgi uwsgi scgi; do
            echo "    ${kind}_temp_path $dir/temp/$kind;"
        done
        cat
        echo '}'
    } >"$dir/nginx.conf"
}

# start_nginx NAME [MAIN_DIRECTIVES] <http-block-content: returns when it runs.
# nginx_pid NAME tells its master; reload_nginx and stop_nginx act on it.
start_nginx() {
    local name=$1 dir tries
    dir=$(nginx_dir "$name")
    write_conf "$@"
    "$EDGE_NGINX" -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf" >"$dir/stderr.log" 2>&1 </dev/null &
    started_pid=$!
    e2e_pids+=("$started_pid")
    for tries in {1..200}; do
        if [ -s "$dir/nginx.pid" ]; then return 0; fi
        if ! kill -0 "$started_pid" 2>/dev/null; then break; fi
        sleep 0.05
    done
    not_ok "nginx '$name' starts" "$(grep -ah emerg "$dir/stderr.log" "$dir/error.log" | head -n 1)"
    exit 1
}
nginx_pid() { cat "$(nginx_dir "$1")/nginx.pid"; }

# reload_nginx NAME [MAIN_DIRECTIVES] [<http-block-content]: with a new conf when given by
# a file or here-document, and returns when workers of the new generation run.
reload_nginx() {
    local name=$1 dir before tries
    dir=$(nginx_dir "$name")
    if ! [ -t 0 ] && ! [ /dev/stdin -ef /dev/null ]; then write_conf "$@"; fi
    before=$(grep -c 'start worker process ' "$dir/error.log" || true)
    kill -HUP "$(nginx_pid "$name")"
    for tries in {1..200}; do
        if [ "$(grep -c 'start worker process ' "$dir/error.log" || true)" -gt "$before" ]; then return 0; fi
        if tail -n 3 "$dir/error.log" | grep -q '\[emerg\]'; then break; fi
        sleep 0.05
    done
    return 1
}

# stop_nginx NAME [SIGNAL]: default QUIT; returns when it is gone.
stop_nginx() {
    local pid tries
    pid=$(nginx_pid "$1")
    kill "-${2:-QUIT}" "$pid"
    for tries in {1..400}; do
        if ! kill -0 "$pid" 2>/dev/null; then return 0; fi
        sleep 0.05
    done
    return 1
}

e2e_finish() {
    local rc=$? pid tries
    # Newest first: servers before what they depend on.
    for ((i = ${#e2e_pids[@]} - 1; i >= 0; i--)); do
        pid=${e2e_pids[i]}
        kill -TERM "$pid" 2>/dev/null || continue
        for tries in {1..100}; do
            if ! kill -0 "$pid" 2>/dev/null; then break; fi
            if [ "$tries" = 100 ]; then kill -KILL "$pid" 2>/dev/null || true; fi
            sleep 0.05
        done
    done
    if [ "$rc" = 0 ] && [ "$e2e_failed" = yes ]; then exit 1; fi
    exit "$rc"
}
trap e2e_finish EXIT
trap 'exit 143' TERM
