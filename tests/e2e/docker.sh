#!/usr/bin/env bash
# docker/Dockerfile, unchanged: it builds, runs as it says without being root, and is an edge. No daemon is needed: the
# base is made by mmdebstrap from this machine's own mirror, buildah builds and runs.
#
# EDGE_IMAGE_SUITE: another Debian than the Dockerfile's, bookworm or later.
#
# Layers stay in XDG_CACHE_HOME/nginx-edge/images for the next run (about 3 GB; made anew when older than 30 days).
# timeout: 1200
. "$(dirname "$0")/lib/e2e.sh"
# shellcheck source=scripts/lib.sh
. "$EDGE_REPO/scripts/lib.sh"

cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/nginx-edge/images
suite=$(sed -nE 's/^ARG BASE=debian:([a-z]+)-slim$/\1/p' "$EDGE_REPO/docker/Dockerfile")
suite=${EDGE_IMAGE_SUITE:-$suite}
base=localhost/debian:$suite-slim
image=localhost/nginx-edge:test
log=$EDGE_DIR/build.log
driver=overlay
containers=()
edge=$(port 0)
origin=$(port 1)

buildah() { command buildah --root "$cache/$driver" --runroot "$EDGE_DIR/run" --storage-driver "$driver" "$@"; }

clean_up() {
    local rc=$? name
    for name in "${containers[@]}"; do buildah rm "$name" >/dev/null 2>&1 || true; done
    (exit "$rc")
    e2e_finish
}
trap clean_up EXIT

# works_with DRIVER: whether buildah can store and mount with it here; the reason is in $log.
works_with() {
    local name
    driver=$1
    name=$(buildah from scratch 2>>"$log") || return 1
    if buildah mount "$name" >>"$log" 2>&1; then
        buildah rm "$name" >/dev/null
        return 0
    fi
    buildah rm "$name" >/dev/null 2>&1 || true
    return 1
}

for tool in buildah mmdebstrap; do
    have "$tool" || { skip 'the image' "$tool is not installed: scripts/setup e2e" && exit 0; }
done
if [ "$(id -u)" != 0 ]; then skip 'the image' 'making its base needs root' && exit 0; fi
if [ -z "$suite" ]; then not_ok "the image" "its base is no Debian release" && exit 1; fi
mkdir -p "$cache"
exec 8>"$cache/.lock"
flock -w 600 8 || { skip 'the image' "another run uses $cache" && exit 0; }
if [ -n "$(find "$cache" -maxdepth 1 -name made -mtime +30)" ] || [ "$(du -xsm "$cache" | cut -f 1)" -gt 8000 ]; then
    # A mount that a killed run has left would be emptied, not removed.
    awk -v cache="$cache/" 'index($2, cache) == 1 { print $2 }' /proc/mounts | while read -r mounted; do umount -l "$mounted" || true; done
    rm -rf "${cache:?}"/overlay "${cache:?}"/vfs "${cache:?}"/made
fi
if ! works_with overlay && ! works_with vfs; then
    skip 'the image' "buildah does not run here: $(tail -n 1 "$log")"
    exit 0
fi

# --- the base ---
start=$(date +%s)
make_base() {
    local mirror options option name
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || { echo "apt has no Debian mirror in its sources" && return 1; }
    # As in the images that Debian makes for Docker: no documentation, no caches of apt's, no fsync.
    options=('--aptopt=Dir::Cache::pkgcache ""' '--aptopt=Dir::Cache::srcpkgcache ""' --dpkgopt=force-unsafe-io)
    for option in doc man locale info; do options+=("--dpkgopt=path-exclude=/usr/share/$option/*"); done
    options+=('--dpkgopt=path-include=/usr/share/doc/*/copyright')
    # What this machine has to say about dates of release files holds for the base too.
    if apt-config dump Acquire::Check-Valid-Until | grep -q false; then options+=('--aptopt=Acquire::Check-Valid-Until "false"'); fi
    mmdebstrap --mode=root --variant=minbase "${options[@]}" "$suite" "$EDGE_DIR/base.tar" "deb $mirror $suite main" >>"$log" 2>&1 &&
        name=$(buildah from scratch) && containers+=("$name") &&
        buildah add -q "$name" "$EDGE_DIR/base.tar" / >>"$log" 2>&1 &&
        buildah commit -q "$name" "$base" >>"$log" 2>&1 && touch "$cache/made"
}
if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
    if ! make_base; then
        not_ok 'a base is made' "$(grep -aE '^(E:|error)' "$log" | tail -n 1); its last line: $(tail -n 1 "$log")"
        exit 1
    fi
    rm -f "$EDGE_DIR/base.tar"
fi
echo "# base: $(seconds_since "$start") s, $driver"

# --- the image ---
start=$(date +%s)
layers=--layers
# Each layer is a whole copy there.
if [ "$driver" = vfs ]; then layers=--layers=false; fi
if ! buildah bud --format docker --isolation chroot --network host "$layers" --build-arg BASE="$base" -t "$image" \
    -f "$EDGE_REPO/docker/Dockerfile" "$EDGE_REPO" >>"$log" 2>&1 </dev/null; then
    not_ok 'the image builds' "$(tail -n 3 "$log")"
    exit 1
fi
size=$(buildah images --format '{{.Size}}' "$image")
ok "the image builds ($(seconds_since "$start") s); it has $size"

# inspect EXPRESSION: a value of the image's configuration.
inspect() { buildah inspect --type image "$image" | node -p "JSON.parse(require('fs').readFileSync(0)).Docker.config$1"; }
equal 'its user is not root' "$(inspect .User)" 33:33
equal 'it exposes port 8080' "$(inspect '.ExposedPorts["8080/tcp"] !== undefined')" true
equal 'it has a health check' "$(inspect '.Healthcheck.Test.join(" ")')" 'CMD healthcheck'
equal 'it starts its entrypoint' "$(inspect '.Entrypoint.join(" ")')" entrypoint
equal 'it is stopped gracefully' "$(inspect .StopSignal)" SIGQUIT

# --- running ---
# A new container from the image; sets made.
container() {
    made=$(buildah from "$image")
    containers+=("$made")
}
# run_in CONTAINER [OPTION...] -- COMMAND...
run_in() {
    local name=$1
    shift
    local options=()
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    buildah run --isolation chroot --env PORT="$edge" "${options[@]}" "$name" "$@"
}
without_upstream() { ! run_in "$1" -- entrypoint >"$EDGE_DIR/without.log" 2>&1 && grep -q "give the app as http://host:port" "$EDGE_DIR/without.log"; }
with_tls() {
    local conf
    # shellcheck disable=SC2016  # expanded in the container
    conf=$(run_in "$1" --env UPSTREAM=https://127.0.0.1:1/ --env ZONE_SIZE=4m --env IMAGES=off -- bash -c '
        entrypoint >/dev/null 2>&1 &
        while kill -0 $! 2>/dev/null && ! [ -s /tmp/nginx.pid ]; do :; done
        kill $!; wait; cat /tmp/edge.conf')
    # shellcheck disable=SC2016  # nginx's variable
    grep -q 'proxy_ssl_server_name on; proxy_set_header Host $proxy_host;' <<<"$conf" &&
        grep -q 'proxy_pass https://127.0.0.1:1;' <<<"$conf" && grep -q 'edge_zone main size=4m;' <<<"$conf" &&
        grep -q 'edge_image off;' <<<"$conf"
}
healthy() { run_in "$1" -- healthcheck; }

mkdir "$EDGE_DIR/pictures"
cp "$EDGE_REPO"/docker/demo/public/photos/dogs.jpg "$EDGE_REPO"/tests/render/images/{zstack-8p-grey16.tif,anim.gif,palette.bmp,alpha.png,photo.heic} "$EDGE_DIR/pictures/"
start_nginx origin <<CONF
    types { image/jpeg jpg; image/tiff tif; image/gif gif; image/bmp bmp; image/png png; image/heic heic; }
    server {
        listen 127.0.0.1:$origin;
        add_header Cache-Control max-age=60;
        location / { return 200 "\$request_id \$http_host\n"; }
        location /pictures/ { alias $EDGE_DIR/pictures/; }
    }
CONF

# shape TARGET FORMAT: of the picture that a client gets who accepts that: "webp 150x150".
shape() {
    curl -sS -H "Accept: image/$2" "http://127.0.0.1:$edge/pictures/$1" | node --input-type=module -e "
        import fs from 'node:fs';
        import { shape } from '$EDGE_REPO/tests/e2e/lib/picture.mjs';
        console.log(shape(fs.readFileSync(0)));"
}
# below PID: its children, and theirs, and so on.
below() {
    local child
    for child in $(pgrep -P "$1"); do
        echo "$child"
        below "$child"
    done
}
# title PID
title() { { tr '\0' ' ' <"/proc/$1/cmdline" && echo; } 2>/dev/null | sed 's/ *$//'; }

# makes_pictures HOW UID MASTER: of each format, in processes of the same user that can do nothing else. Sets renders.
makes_pictures() {
    local how=$1 as=$2 each
    equal "$how a photo becomes WebP" "$(shape 'dogs.jpg?preset=sm' webp)" 'webp 150x150'
    equal "$how a photo becomes AVIF" "$(shape 'dogs.jpg?preset=md' avif)" 'avif 300x300'
    equal "$how and a JPEG for others" "$(shape 'dogs.jpg?preset=lg' jpeg)" 'jpeg 600x600'
    equal "$how 16-bit TIFF becomes WebP" "$(shape zstack-8p-grey16.tif webp)" 'webp 64x64'
    equal "$how its last page too" "$(shape 'zstack-8p-grey16.tif?page=7' avif)" 'avif 64x64'
    equal "$how BMP, GIF and PNG do" "$(for each in palette.bmp anim.gif alpha.png; do shape "$each?preset=sm" webp; done | cut -d ' ' -f 1 | sort -u)" webp
    equal "$how HEIC does" "$(shape photo.heic webp)" 'webp 96x64'
    renders=()
    for each in $(below "$3"); do
        case $(title "$each") in 'nginx: edge render'*) renders+=("$each") ;; esac
    done
    equal "$how ps shows who makes them" "$(for each in "${renders[@]}"; do title "$each"; done | sort -u | paste -sd ,)" \
        'nginx: edge render,nginx: edge render supervisor'
    equal "$how they are that user's" "$(for each in "${renders[@]}"; do awk '/^Uid:/ { print $2 }' "/proc/$each/status"; done | sort -u)" "$as"
    equal "$how they are confined" "$(for each in "${renders[@]}"; do
        if [ "$(title "$each")" = 'nginx: edge render' ]; then awk '/^(Seccomp|NoNewPrivs):/ { printf "%s", $2 }' "/proc/$each/status"; fi
    done)" "$(for each in "${renders[@]:1}"; do printf 12; done)"
    echo "# $how memory of all, at rest (MB): $(for each in "$3" $(below "$3"); do awk '/^Pss:/ { print $2 }' "/proc/$each/smaps_rollup"; done |
        awk '{ sum += $1 } END { print sum / 1024 }')"
}
ended() { ! kill -0 "$@" 2>/dev/null; }

# is_an_edge CONTAINER [USER]: starts it, as its own user or another, asks it, and stops it.
is_an_edge() {
    local name=$1 as=${2:-33} how mount pid tries first second each renders=()
    how="as user $as"
    mount=$(buildah mount "$name")
    start "container-$as" command buildah --root "$cache/$driver" --runroot "$EDGE_DIR/run" --storage-driver "$driver" \
        run --isolation chroot --env PORT="$edge" --env UPSTREAM="http://127.0.0.1:$origin" --env ZONE_SIZE=8m \
        ${2:+--user "$2"} "$name" -- entrypoint
    if ! wait_port "$edge" 30; then
        not_ok "$how it starts" "$(tail -n 2 "$EDGE_DIR/container-$as.log")"
        return
    fi
    # It listens before it writes that file.
    for tries in {1..200}; do
        if [ -s "$mount/tmp/nginx.pid" ]; then break; fi
        sleep 0.05
    done
    pid=$(cat "$mount/tmp/nginx.pid")
    equal "$how all of nginx runs" "$(for each in "$pid" $(pgrep -P "$pid"); do awk '/^Uid:/ { print $2, $3 }' "/proc/$each/status"; done | sort -u)" "$as $as"
    check "$how its health check succeeds" healthy "$name"
    first=$(curl -sS -D - "http://127.0.0.1:$edge/a" | tr -d '\r')
    second=$(curl -sS -D - "http://127.0.0.1:$edge/a" | tr -d '\r')
    equal "$how it stores what it has to ask for" "$(sed -nE 's/^Cache-Status: //p' <<<"$first")" 'edge; fwd=uri-miss; fwd-status=200; stored; ttl=60'
    check "$how it sends that again" grep -qE '^Cache-Status: edge; hit; ttl=[0-9]+$' <<<"$second"
    equal "$how without asking the app" "$(tail -n 1 <<<"$second")" "$(tail -n 1 <<<"$first")"
    check "$how the app sees the host that was asked for" grep -q " 127.0.0.1:$edge\$" <<<"$first"
    equal "$how it does not say its version" "$(sed -nE 's/^Server: //p' <<<"$first")" nginx
    makes_pictures "$how" "$as" "$pid"
    check "$how its output is the access log" grep -qE '"GET /a HTTP/1.1" 200 [0-9]+ HIT' "$EDGE_DIR/container-$as.log"
    kill -QUIT "$pid"
    for tries in {1..200}; do
        if ! kill -0 "$pid" 2>/dev/null && ! kill -0 "$started_pid" 2>/dev/null; then break; fi
        sleep 0.05
    done
    check "$how it ends when told to" [ "$tries" -lt 200 ]
    for tries in {1..100}; do
        if ended "${renders[@]}"; then break; fi
        sleep 0.05
    done
    equal "$how nothing of it is left" "$(for each in "${renders[@]}"; do ps -o args= -p "$each" || true; done)" ''
    # buildah allows 1024 open files, and no more.
    equal "$how nothing in its log is wrong" "$(grep -aE '\[(warn|error|crit|alert|emerg)\]' "$EDGE_DIR/container-$as.log" | grep -v 'exceed open file resource limit')" ''
    buildah umount "$name" >/dev/null
}
not() { ! "$@"; }

container
own=$made
check 'without UPSTREAM it says what to do' without_upstream "$own"
check 'before an app behind TLS it asks for it by its name' with_tls "$own"
check 'nothing that builds is in it' run_in "$own" -- bash -c '! command -v g++ cc make && ! test -e /usr/share/nginx/src'
check 'its health check fails while nothing runs' not healthy "$own"
is_an_edge "$own"
container
is_an_edge "$made" 12345
