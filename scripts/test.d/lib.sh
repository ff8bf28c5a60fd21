# shellcheck shell=bash
# What scripts/test and tests/e2e/run share; source scripts/lib.sh first.

# unannounced LOG TEST_FILE: the lines of an nginx error log that fail a suite, less those
# the test file announces with a line "# log-expects: REGEX" (also // in JavaScript).
unannounced() {
    local log=$1 test_file=$2 expected
    if ! [ -s "$log" ]; then return 0; fi
    expected=$(sed -nE 's,^(#|//) log-expects: *,,p' "$test_file")
    grep -aE '\[(alert|emerg)\]|exited on signal|AddressSanitizer|runtime error:' "$log" |
        if [ -n "$expected" ]; then grep -avE -f <(printf '%s\n' "$expected"); else cat; fi || true
}

# kill_nginx_of DIR: ends every nginx whose pid file is below DIR, and waits for it.
kill_nginx_of() {
    local file pid tries
    while read -r file; do
        pid=$(cat "$file" 2>/dev/null || true)
        # The file may be old and the number someone else's by now.
        if [ -z "$pid" ] || ! grep -qsa nginx "/proc/$pid/comm"; then continue; fi
        kill -TERM "$pid" 2>/dev/null || true
        for tries in {1..50}; do
            if ! kill -0 "$pid" 2>/dev/null; then break; fi
            if [ "$tries" = 50 ]; then kill -KILL "$pid" 2>/dev/null || true; fi
            sleep 0.1
        done
    done < <(find "$1" -name nginx.pid 2>/dev/null)
}
