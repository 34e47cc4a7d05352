#!/usr/bin/env bats
# What a crash leaves, on the model.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, root, out ... are set by helpers
load helpers

state_is() { [[ $(listed ".[$2].state") == "$1" ]]; }

# dead INDEX [OPTION...]: kills its handler and waits for the state
dead() {
	kill -9 "$(listed ".[$1].pid")"
	wait_until 10 state_is "$2" "$1"
}

items() { jq -r '.items[] | "\(.kind) \(.action) \(.what): \(.why)"' <<<"$out"; }

@test "gc x" { refused 2 "gc: unexpected argument 'x'"; }
@test "gc: nothing to do" {
	works gc
	same "$out" ''
	works add -t null
	works gc --json
	same "$(command jq -c . <<<"$out")" '{"schema_version":1,"changed":false,"dry_run":false,"status":0,"error":null,"items":[]}'
	same "$(listed length)" 1
}

@test "gc: a dead device goes, a live one and one to be recovered stay" {
	works add -t null
	works add -t null
	works add -t null --recovery reissue
	dead 0 DEAD
	dead 2 QUIESCED
	works gc --dry-run
	same "$out" "$root/dev/ublkb0: would be removed: its handler is dead, and it cannot be started again
$root/dev/ublkb2: kept: it has no handler, and can be recovered"
	same "$(listed length)" 3
	works gc --json
	same "$(items)" "device removed $root/dev/ublkb0: its handler is dead, and it cannot be started again
device kept $root/dev/ublkb2: it has no handler, and can be recovered"
	same "$(listed 'map(.id) | join(" ")')" '1 2'
	works recover 2
}

@test "gc: a ramdisk whose memory is gone" {
	works add -t ramdisk --size 1M --recovery reissue
	kill -9 "$(shown .keeper_pid)"
	dead 0 QUIESCED
	works gc
	same "$out" "$root/dev/ublkb0: removed: its handler is dead, and so is the process that kept its memory"
}

@test "gc: without a record" {
	works add -t null
	rm "$root/run/0.json"
	dead 0 DEAD
	works gc
	same "$out" "$root/dev/ublkb0: removed: its handler is dead, and it cannot be started again"
}

@test "gc: files without a device, and nothing else" {
	works add -t null
	cp "$root/run/0.json" "$root/run/7.json"
	echo x >"$root/run/8.json"
	echo x >"$root/run/9.stats"
	echo x >"$root/run/.0.json.new"
	echo x >"$root/run/.9.stats.new"
	echo x >"$root/run/README"
	echo x >"$root/run/0.json.bak"
	works gc
	same "$(sort <<<"$out")" "$root/run/.0.json.new: removed: its writer has died
$root/run/.9.stats.new: removed: there is no such device
$root/run/7.json: removed: there is no such device
$root/run/8.json: removed: there is no such device
$root/run/9.stats: removed: there is no such device"
	works show 0
	same "$(shown .target)" null
	rm "$root/run/README" "$root/run/0.json.bak"
}

@test "gc: a record of another device" {
	works add -t null
	jq '.cookie = "0000000000000001"' "$root/run/0.json" >"$tmp/record"
	cp "$tmp/record" "$root/run/0.json"
	works gc
	same "$out" "$root/run/0.json: removed: it tells of a device that had this id before"
	works del 0
}

@test "gc: a stray record does no harm to a live device" {
	works add -t ramdisk --size 1M --recovery reissue
	cp "$root/run/0.json" "$root/run/7.json"
	works gc
	same "$out" "$root/run/7.json: removed: there is no such device"
	[[ -d /proc/$(listed '.[0].pid') && -d /proc/$(shown .keeper_pid) ]]
}

@test "gc: a process that a record names, and one that only has its number" {
	local start
	works add -t null
	sleep 1000 &
	start=$(awk '{ print $22 }' "/proc/$!/stat")
	jq ".pid = $! | .pid_start = 1" "$root/run/0.json" >"$root/run/7.json"
	works gc
	same "$out" "$root/run/7.json: removed: there is no such device"
	kill -0 "$!"
	jq ".pid = $! | .pid_start = $start" "$root/run/0.json" >"$root/run/7.json"
	works gc
	same "$out" "process $! (sleep): removed: its device is gone
$root/run/7.json: removed: there is no such device"
	! kill -0 "$!" || wait "$!" || true
}

@test "gc: what cannot be removed" {
	mkdir "$root/run/7.json"
	invoke gc
	rmdir "$root/run/7.json"
	same "$status $out" "1 $root/run/7.json: not removed: $root/run/7.json cannot be removed: Is a directory"
	same "$err" "ublkctl: gc: $root/run/7.json cannot be removed: Is a directory"
}
