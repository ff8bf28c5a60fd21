# shellcheck shell=bash
# Common to the benchmarks: what is served, by whom, how it is started and stopped. Source it, set `servers`,
# read the options with read_options, then call prepare.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
bench_d=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)

# Set by read_options from --NAME N. A benchmark sets the defaults of those it takes beforehand.
declare -A option=()
servers=()
known_servers=(return static proxy_cache varnish edge)

# read_options ARGUMENT...: whole numbers 1 to 1000000 into `option`, --only into `servers`.
read_options() {
    local name server
    while [ $# -gt 0 ]; do
        case $1 in
            -h | --help)
                usage
                exit 0
                ;;
            --*) name=${1#--} ;;
            *) fail "unknown argument '$1'; see scripts/bench --help" ;;
        esac
        if [ $# -lt 2 ]; then fail "--$name needs a value; see scripts/bench --help"; fi
        if [ "$name" = only ]; then
            IFS=, read -ra servers <<<"$2"
            for server in "${servers[@]}"; do
                case " ${known_servers[*]} " in
                    *" $server "*) ;;
                    *) fail "there is no server '$server' here; there are: ${known_servers[*]}" ;;
                esac
            done
        elif ! [[ -v option[$name] ]]; then
            fail "unknown argument '--$name'; see scripts/bench --help"
        elif ! [[ $2 =~ ^[1-9][0-9]{0,5}$ ]]; then
            fail "--$name: '$2' is not a number from 1 to 999999"
        else
            # shellcheck disable=SC2034  # read by the benchmark
            option[$name]=$2
        fi
        shift 2
    done
}

declare -A ports=() measured=()
next_port=${EDGE_BENCH_PORT:-20300}
port_for() { # NAME...: a port each
    local name
    for name in "$@"; do
        ports[$name]=$next_port
        port_free "$next_port" || fail "port $next_port is in use: set EDGE_BENCH_PORT to the first of some 16 free ones"
        next_port=$((next_port + 1))
    done
}

dir=
load=
module=
pids=()
forget() { # PID...: these are no more
    local pid left=()
    for pid in "${pids[@]}"; do
        case " $* " in *" $pid "*) ;; *) left+=("$pid") ;; esac
    done
    pids=("${left[@]}")
}
stop() { # PID: ends it and waits for that, at most 10 s
    local tries
    for tries in {1..200}; do
        # Once a second again: an nginx without a master misses what comes just before it waits for events.
        if ((tries % 20 == 1)); then kill -TERM "$1" 2>/dev/null || true; fi
        if ! kill -0 "$1" 2>/dev/null; then break; fi
        if [ "$tries" = 200 ]; then kill -KILL "$1" 2>/dev/null || true; fi
        sleep 0.05
    done
    wait "$1" 2>/dev/null || true
    forget "$1"
}
finish() {
    local rc=$? i
    trap '' INT TERM
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do stop "${pids[i]}"; done
    if declare -F clean_up >/dev/null; then clean_up; fi # what a benchmark has made beside processes and files
    if [ -n "$dir" ]; then rm -rf "$dir"; fi
    exit "$rc"
}

# prepare: builds, makes the directory, and sees to it that all is gone at the end.
prepare() {
    "$repo/scripts/setup" build bench || exit 1
    "$repo/scripts/build" || exit 1
    module=$repo/build/ngx_http_edge_module.so
    trap finish EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    dir=$(mktemp -d /dev/shm/nginx-edge-bench.XXXXXX 2>/dev/null) || dir=
    if [ -n "$dir" ] && [ "$(df --output=avail -k "$dir" | tail -n 1)" -lt 400000 ]; then
        rm -rf "$dir"
        dir=
    fi
    if [ -z "$dir" ]; then
        dir=$(mktemp -d "${TMPDIR:-/tmp}/nginx-edge-bench.XXXXXX")
        say "note: /dev/shm has no 400 MB to spare; files are in $dir, which may be a disk"
    fi
    chmod 755 "$dir"
    load=$dir/load
    c++ -std=c++20 -O2 -Wall -Wextra -o "$load" "$bench_d/load.cpp" || fail "the load generator does not compile, see above"
    # shellcheck disable=SC2034  # read by the benchmarks
    {
        cores=$(nproc)
        server_core=0
        load_core=$((cores > 1 ? 1 : 0))
        origin_core=$((cores > 2 ? cores - 1 : load_core))
    }
}

# make_files KEYS: 1, 16 and 256 KB below $dir/files, and 1 KB for each of KEYS below k/.
text=
make_files() {
    local size i
    mkdir -p "$dir/files/k"
    text=$(head -c 768 /dev/urandom | base64 -w 0)
    for size in 1 16 256; do
        for ((i = 0; i < size; i++)); do printf '%s' "$text"; done >"$dir/files/$size"
    done
    for ((i = 1; i <= $1; i++)); do printf '%s' "$text" >"$dir/files/k/$i"; done
    # 16 KB of JSON as lists are, and its precompressed twin.
    mkdir "$dir/files/json"
    awk 'BEGIN {
        srand(7)
        for (i = 1; n < 16384; i++) {
            line = sprintf("{\"id\":%d,\"project\":%d,\"name\":\"Spheroid %d.tiff\",\"status\":\"%s\",\"width\":%d,\"created_at\":\"2025-%02d-%02dT12:%02d:00.000Z\"},",
                rand() * 1e6, rand() * 40, rand() * 900, substr("completedqueued   failed   ", 1 + 9 * int(rand() * 3), 9), 1024 + rand() * 900, 1 + rand() * 12, 1 + rand() * 28, rand() * 60)
            printf "%s", substr(line, 1, 16384 - n)
            n += length(line)
        }
    }' >"$dir/files/json/16"
    gzip -9 -k "$dir/files/json/16"
    printf 'a secret of more than 32 bytes, for HS256' >"$dir/key"
    chmod 644 "$dir/key"
}

# A token of edge_cache_private, signed with $dir/key.
token() {
    local part head signature
    base64url() { base64 -w 0 | tr '+/' '-_' | tr -d '='; }
    head=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url)
    part=$(printf '{"iss":"bench","sub":"0f8fad5b-d9cb-469f-a165-70867728950e","exp":4102444800}' | base64url)
    signature=$(printf '%s' "$head.$part" | openssl dgst -sha256 -hmac "$(cat "$dir/key")" -binary | base64url)
    printf '%s' "$head.$part.$signature"
}

# What an app sends beside Content-Type, Content-Length, Date, Server, ETag and Last-Modified.
app_headers='add_header Cache-Control "public, max-age=86400";
    add_header Strict-Transport-Security "max-age=31536000; includeSubDomains";
    add_header X-Content-Type-Options nosniff;
    add_header X-Frame-Options SAMEORIGIN;
    add_header Referrer-Policy strict-origin-when-cross-origin;
    add_header Content-Security-Policy "default-src '"'self'"'; img-src '"'self'"' data:; object-src '"'none'"'";
    add_header Access-Control-Allow-Origin https://app.example;
    add_header X-Request-Id 5f2b1c9e-7d34-4a55-9a51-0c9f1f1d2e77;'
validators='add_header ETag "\"66a1f0c2-400\""; add_header Last-Modified "Mon, 01 Jul 2024 10:00:00 GMT";'

# nginx_conf NAME WORKERS < what goes into http {}. WORKERS 0: one process and no master.
nginx_conf() {
    local name=$1 workers=$2 kind
    mkdir -p "$dir/$name"
    {
        if [ "${name%%-*}" = edge ]; then echo "load_module $module;"; fi
        if [ "$workers" = 0 ]; then
            echo 'master_process off;'
        else
            echo "worker_processes $workers;"
        fi
        echo "daemon off; pid $dir/$name/nginx.pid; error_log $dir/$name/error.log warn;"
        echo 'worker_rlimit_nofile 30000; events { worker_connections 4096; }'
        echo 'http { access_log off; sendfile on; keepalive_requests 1000000000; keepalive_timeout 600s;'
        echo 'default_type application/json; gzip on; gzip_proxied any; gzip_vary on;'
        for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $dir/$name/$kind;"; done
        cat
        echo '}'
    } >"$dir/$name/nginx.conf"
}
forward='proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";'
upstream() { echo "upstream origin { server 127.0.0.1:${ports[origin]}; keepalive 16; }"; }
open_files='open_file_cache max=20000 inactive=1h; open_file_cache_valid 1h;'

# serve NAME [access log path]: the server {} block with which a peer is measured.
# NAME-coded: with compressed answers; NAME-private: for a user each.
serve() {
    local name=$1 log=${2:-off} more=
    case $name in
        static-coded) more='gzip_static on;' ;;
        proxy_cache-coded) more='gzip_types application/json;' ;;
        edge-coded) more='edge_cache_encode br=5 gzip=6;' ;;
        edge-private) more="edge_cache_private jwt key_file=$dir/key max_ttl=1d;" ;;
    esac
    case ${name%%-*} in
        origin)
            echo "server { listen 127.0.0.1:${ports[$name]}; root $dir/files; $app_headers"
            echo "location /nostore/ { alias $dir/files/; ${app_headers/public, max-age=86400/no-store} }"
            echo "location /vary/ { alias $dir/files/; $app_headers add_header Vary Accept-Encoding; }"
            echo 'location = /requests { stub_status; } }'
            ;;
        return)
            echo "server { listen 127.0.0.1:${ports[$name]}; access_log $log; $app_headers $validators"
            echo "location / { return 200 \"$text\"; } }"
            ;;
        static) echo "$open_files server { listen 127.0.0.1:${ports[$name]}; access_log $log; root $dir/files; $app_headers $more }" ;;
        proxy_cache)
            echo "$open_files proxy_cache_path $dir/$name/store levels=1:2 keys_zone=bench:32m max_size=1g inactive=1h"
            echo "use_temp_path=off; $(upstream) server { listen 127.0.0.1:${ports[$name]}; access_log $log;"
            echo "$more location / { proxy_cache bench; $forward } }"
            ;;
        plain) echo "$(upstream) server { listen 127.0.0.1:${ports[$name]}; access_log $log; location / { $forward } }" ;;
        edge)
            echo "edge_zone bench size=256m; $(upstream) server { listen 127.0.0.1:${ports[$name]}; access_log $log;"
            echo "$more location / { edge_cache bench; $forward } }"
            ;;
    esac
}

# wait_for NAME PID: until it listens, at most 30 s.
wait_for() {
    local tries
    for tries in {1..600}; do
        if ! port_free "${ports[$1]}"; then return; fi
        if [ "$tries" = 600 ] || ! kill -0 "$2" 2>/dev/null; then
            tail -n 5 "$dir/$1/output.log" "$dir/$1/error.log" >&2 2>/dev/null || true
            fail "$1 did not start, see above"
        fi
        sleep 0.05
    done
}

# start NAME CORES: its configuration is in place. Sets started (a process) and measured[NAME] (those whose
# CPU counts).
started=
start() {
    local name=$1 cores_of=$2 command
    if [ "${name%%-*}" = varnish ]; then
        mkdir -p "$dir/$name"
        # It stores compressed what is to be sent so.
        cat >"$dir/$name/vcl" <<END
vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "${ports[origin]}"; }
sub vcl_backend_response { if (bereq.url ~ "^/json/") { set beresp.do_gzip = true; } }
END
        command=(varnishd -F -j none -n "$dir/$name/work" -a "127.0.0.1:${ports[$name]}"
            -f "$dir/$name/vcl" -s 'malloc,256m' -t 86400 -p thread_pools=1 -p vsl_mask=-SessOpen)
    else
        command=(nginx -p "$dir/$name" -e "$dir/$name/error.log" -c "$dir/$name/nginx.conf")
    fi
    taskset -c "$cores_of" "${command[@]}" >"$dir/$name/output.log" 2>&1 </dev/null &
    started=$!
    pids+=("$started")
    wait_for "$name" "$started"
    measured[$name]=$(cat "/proc/$started/task/$started/children")
}

# cpu_ns_of PID...: user and system time they and their threads have used so far, in nanoseconds.
cpu_ns_of() {
    local pid
    # nginx's cache loader has done its work after a while.
    for pid; do cat "/proc/$pid/task/"*/schedstat 2>/dev/null || true; done | awk '{ sum += $1 } END { printf "%.0f", sum }'
}
# cpu_ns NAME: that of a server's processes.
cpu_ns() {
    # shellcheck disable=SC2086  # numbers
    cpu_ns_of ${measured[$1]}
}

# until_coded NAME PATH: asks until the answer comes as it will from then on, encoded.
until_coded() {
    local tries
    for tries in {1..100}; do
        if curl -s -o /dev/null -D - -H 'Accept-Encoding: gzip, deflate, br, zstd' "http://127.0.0.1:${ports[$1]}$2" |
            grep -qi '^content-encoding'; then
            if ((tries > 10)); then return; fi
        fi
        sleep 0.05
    done
    fail "$1 does not encode $2"
}

# A request for the number counts itself; the caller subtracts.
origin_requests() { curl -s "http://127.0.0.1:${ports[origin]}/requests" | awk 'NR == 3 { print $3 }'; }

machine() {
    printf '%s, nginx %s, %s core(s)' "$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)" \
        "$(nginx -v 2>&1 | sed 's|.*/||')" "$cores"
}

# For awk programs: the median of a list separated by blanks.
# shellcheck disable=SC2034  # used by the benchmarks
awk_median='
    function median(list,    n, part, i, j, t) {
        n = split(list, part, " ")
        for (i = 2; i <= n; i++) for (j = i; j > 1 && part[j - 1] + 0 > part[j] + 0; j--) {
            t = part[j]; part[j] = part[j - 1]; part[j - 1] = t }
        return n % 2 ? part[(n + 1) / 2] : (part[n / 2] + part[n / 2 + 1]) / 2
    }'
