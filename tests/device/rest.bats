#!/usr/bin/env bats
# What a handler may cost without any requests: next to no memory, and no time.
# shellcheck disable=SC2030,SC2031,SC2154  # dev, id, pid, tmp are set by helpers
# bats file_tags=plain
load helpers
load paths

# Anonymous memory: a mapped file's pages, the data, are no cost of the handler's.
small() { (($(awk '/^Anonymous/ {print $2}' "/proc/$pid/smaps_rollup") < 1024)); }

# Times that its threads were given a CPU. The kernel keeps a worker of its own for what blocked, which looks every 5 s.
turns() {
	awk '/^Name:/ {worker = $2 ~ /^iou-wrk/} /ctxt_switches/ && !worker {n += $2} END {print n}' \
		/proc/"$pid"/task/*/status
}

# The timer that gives buffers back runs for 5 s, twice at most after the last request, and that may be udev's.
at_rest() {
	local before
	before=$(turns)
	sleep 6
	(($(turns) == before))
}

# rests OPTION...: with depth 128, small when new, and again some seconds after work with right data
rests() {
	add_device "$@" -d 128
	small
	run_check client verify "$dev"
	udevadm settle
	wait_until 40 at_rest
	small
	# Memory that was given back is taken again.
	run_check client verify "$dev"
}

@test "a handler at rest: loop, copy" { truncate -s 16M "$tmp/image"; rests -t loop -f "$tmp/image" --data-path copy; }
@test "a handler at rest: loop" { truncate -s 16M "$tmp/image"; rests -t loop -f "$tmp/image"; }
@test "a handler at rest: ramdisk" { rests -t ramdisk -s 16M; }
@test "a handler at rest: null" {
	add_device -t null -d 128
	small
}
