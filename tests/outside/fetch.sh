# To be read by the scripts beside it. `fetch COMMAND…` tries what downloads up to three times: one that breaks off is no failure of
# what is tested.
fetch() {
    local attempt
    for attempt in 1 2 3; do
        if "$@"; then
            return 0
        fi
        printf 'attempt %s of 3 failed: %s\n' "$attempt" "$*" >&2
        sleep "$((attempt * 5))"
    done
    return 1
}
