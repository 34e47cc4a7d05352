#!/usr/bin/env bats
# Threads of a queue: they share its work, run where and as they may, and give back buffers that nobody uses.
# shellcheck disable=SC2154  # tmp, dev, id, pid ... are set by helpers
load helpers

new_kernel() { ublkctl features --json | jq -e '.features[] | select(.feature == "per-io-daemon") | .driver' >/dev/null; }

verify() {
	run_check fio --name=v --filename="$dev" --ioengine=io_uring --direct=1 --rw=randwrite --bsrange=4k-64k \
		--iodepth=32 --numjobs=2 --size=8m --offset_increment=8m --verify=crc32c --verify_fatal=1
}

# woken: how often each thread of the device has slept and been woken
woken() {
	local thread
	for thread in $(ublkctl show --json "$id" | jq '.threads[].tid'); do
		awk '/^voluntary/ { print $2 }' "/proc/$pid/task/$thread/status"
	done
}

# shares PATH OPTION...: two threads serve one queue, right, and both of them
shares() {
	local path=$1 before
	shift
	if ! new_kernel; then
		must_fail 3 ublkctl add "$@" --threads 2
		return
	fi
	add_device "$@" --threads 2 --data-path "$path"
	shown '(.queues | length == 1) and (.threads | map(.queue) == [0, 0]) and (.threads | map(.tid) | unique | length == 2)'
	before=$(woken)
	verify
	# In batches the driver gives a thread all that it can take. A thread may be woken for many requests at once, and for
	# nothing it is woken once or twice, to give buffers back.
	if [[ $path != batch-* ]]; then
		paste <(echo "$before") <(woken) | awk '{ print; if ($2 - $1 < 8) bad = 1 } END { exit bad || NR != 2 }'
	fi
	run_check ublkctl del "$id"
}

@test "two threads for a queue: loop, copy" { truncate -s 16M "$tmp/image"; shares copy -t loop -f "$tmp/image"; }
@test "two threads for a queue: loop, batch-copy" { truncate -s 16M "$tmp/image"; shares batch-copy -t loop -f "$tmp/image"; }
@test "two threads for a queue: loop, auto-reg" { truncate -s 16M "$tmp/image"; shares auto-reg -t loop -f "$tmp/image"; }
@test "two threads for a queue: ramdisk, direct" { shares direct -t ramdisk -s 16M; }
@test "two threads for a queue: ramdisk, batch-user-copy" { shares batch-user-copy -t ramdisk -s 16M; }

# policies: of the threads of the queues, one a line
policies() {
	local thread
	for thread in $(ublkctl show --json "$id" | jq '.threads[].tid'); do
		chrt -p "$thread" | sed -n 's/.*policy: //p'
	done
}

@test "threads are batch threads, unless their user has chosen" {
	add_device -t null -q 2
	same "$(policies)" $'SCHED_BATCH\nSCHED_BATCH' policies
	run_check ublkctl del "$id"
	defer chrt -o -p 0 $$
	chrt -r -p 5 $$
	add_device -t null
	same "$(policies)" SCHED_RR policies
}

@test "--cpus and set --cpus" {
	add_device -t null --cpus 1
	shown '.threads | map(.cpus) == ["1"]'
	run_check ublkctl set "$dev" --cpus 0
	shown '.threads | map(.cpus) == ["0"]'
	run_check ublkctl set --cpus 0-1 -n "$id"
	shown '.threads | map(.cpus) == ["0-1"]'
}

# Buffers are given back while requests come and go: no data may be lost with them.
# bats test_tags=long
@test "buffers are given back between requests, again and again" {
	truncate -s 16M "$tmp/image"
	add_device -t loop -f "$tmp/image" --data-path copy
	for _ in {1..3}; do
		run_check fio --name=v --filename="$dev" --ioengine=io_uring --direct=1 --rw=randwrite --bs=64k --iodepth=64 \
			--size=8m --thinktime=1300ms --thinktime_blocks=64 --verify=crc32c --verify_fatal=1
		sleep 4
	done
}
