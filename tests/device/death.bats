#!/usr/bin/env bats
# Processes that die or stand still at bad moments: nobody waits for ever, and nothing is left.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

# handler_killed RW OPTION...: kill -9 with requests that it has and will never answer
handler_killed() {
	add_device "${@:2}" -q 2
	load_device --rw="$1"
	kill -STOP "$pid"
	wait_until 30 stopped "$pid"
	wait_until 30 in_flight 1
	kill -KILL "$pid"
	client_fails
	wait_until 30 gone "$pid"
	within 20 ublkctl list --json
	jq -e --argjson id "$id" '.devices | length == 1 and .[0].id == $id and .[0].state == "DEAD"' <<<"$output"
	within 20 ublkctl show --json "$id"
	jq -e '.state == "DEAD" and .pid == null' <<<"$output"
	within 20 ublkctl show "$id"
	within 20 ublkctl del "$id"
	[[ ! -e $dev && ! -e /sys/class/ublk-char/ublkc$id ]]
	same "$(ublkctl add -t null -n "$id")" "$dev"
	reads "$dev"
}

@test "ramdisk: kill -9 of the handler with reads in flight" { handler_killed randread -t ramdisk --size 16M; }
@test "ramdisk: kill -9 of the handler with writes in flight" { handler_killed randwrite -t ramdisk --size 16M; }
@test "loop: kill -9 of the handler with reads and writes in flight" {
	truncate -s 16M "$tmp/image"
	handler_killed randrw -t loop -f "$tmp/image"
}

@test "kill -9 of a handler that nobody uses, five times" {
	for _ in 1 2 3 4 5; do
		add_device -t null
		kill -KILL "$pid"
		# At once, so that each meets another moment of its death.
		within 20 ublkctl list --json
		within 20 ublkctl del "$id"
		[[ ! -e /sys/class/ublk-char/ublkc$id ]]
	done
}

@test "a mounted device whose handler is killed: its users get errors, del cleans up" {
	add_device -t ramdisk --size 32M
	run_check mkfs.ext4 -q "$dev"
	mount_at "$dev" "$tmp/mnt"
	kill -KILL "$pid"
	wait_until 20 gone "$pid"
	must_fail any timeout 30 dd if=/dev/zero of="$tmp/mnt/new" bs=64K count=16 conv=fsync
	umount "$tmp/mnt"
	within 20 ublkctl del "$id"
}

@test "a handler that stands still: show and list answer, del gives up, del --force gets rid of it" {
	add_device -t ramdisk --size 16M -q 2
	load_device --rw=randrw
	kill -STOP "$pid"
	wait_until 30 stopped "$pid"
	wait_until 30 in_flight 1
	within 20 ublkctl --timeout 3 list --json
	jq -e '.devices | length == 1 and .[0].state == "LIVE"' <<<"$output"
	within 20 ublkctl --timeout 3 show --json "$id"
	refused 7 "opened by process" ublkctl --timeout 3 del "$id"
	within 40 ublkctl --timeout 3 del --force "$id"
	[[ ! -e $dev ]]
	wait_until 20 gone "$pid"
	client_fails
	wait_until 20 test ! -e "/sys/class/ublk-char/ublkc$id"
}

@test "a handler that stands still and has nothing to do: del --force gets rid of it" {
	add_device -t null
	kill -STOP "$pid"
	wait_until 30 stopped "$pid"
	within 40 ublkctl --timeout 3 del --force "$id"
	wait_until 20 gone "$pid"
}

# settled: as many handlers as devices, all live, and nothing else of ours is on its way
settled() {
	local devices handlers
	devices=(/sys/class/ublk-char/ublkc*)
	if [[ ! -e ${devices[0]} ]]; then no_processes; return; fi
	mapfile -t handlers < <(processes)
	((${#handlers[@]} == ${#devices[@]})) && [[ $(ublkctl list --json -o STATE) != *'"state":"'[!L]* ]]
}

# parent_killed SECONDS: kill -9 of add so long after its start; a device that works, or nothing
parent_killed() {
	local out=$tmp/out add status=0
	"$UBLKCTL" add -t ramdisk --size 8M -q 2 >"$out" 2>"$tmp/err" 3>&- &
	add=$!
	sleep "$1"
	kill -KILL "$add" 2>/dev/null || true
	wait "$add" || status=$?
	wait_until 45 settled
	for dev in /dev/ublkb*; do
		[[ -e $dev ]] || continue
		reads "$dev"
		within 20 ublkctl show "$dev"
		grep -q '^target: *ramdisk' <<<"$output"
		within 20 ublkctl del "$dev"
		survivors=$((survivors + 1))
	done
	# A path that was printed is one that works.
	if [[ -s $out && $status == 0 ]]; then same "$(<"$out")" "/dev/ublkb0"; fi
}

@test "kill -9 of add at 12 moments leaves a working device or nothing" {
	local begun=${EPOCHREALTIME/./} long i survivors=0
	defer ublkctl --timeout 3 del --all --force
	ublkctl add -t ramdisk --size 8M -q 2
	long=$((${EPOCHREALTIME/./} - begun))
	ublkctl del 0
	for ((i = 0; i < 12; i++)); do
		parent_killed "$(printf '%d.%06d' $((long * i / 10 / 1000000)) $((long * i / 10 % 1000000)))"
	done
	echo "# $survivors of 12 devices came up although add was killed within $((long * 11 / 10)) us"
}

# terminated SECONDS: SIGTERM to add so long after its start; a device whose path is printed, or nothing
terminated() {
	local add status=0
	"$UBLKCTL" add -t ramdisk --size 8M >"$tmp/out" 2>"$tmp/err" 3>&- &
	add=$!
	sleep "$1"
	kill -TERM "$add" 2>/dev/null || true
	wait "$add" || status=$?
	if ((status == 0)); then
		reads "$(<"$tmp/out")"
		ublkctl del "$(<"$tmp/out")"
	fi
	wait_until 45 settled
	same "$(ublkctl list --json | jq -c .devices)" "[]" "after SIGTERM at $1 s, with status $status"
}

@test "SIGTERM to add leaves nothing or a device that is told of" {
	for i in 0.03 0.1 0.2 0.3; do terminated "$i"; done
}
