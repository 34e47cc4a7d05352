#!/usr/bin/env bats
# The counters of show are what a client says it did, and what the kernel saw.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

# Nobody else's requests between the two looks: no partition scan, no udev.
quiet() {
	udevadm settle --timeout=30
	# So that requests stay as they were made
	echo 2 >"/sys/block/${dev#/dev/}/queue/nomerges"
}

counters() { of_queues reads read_bytes writes write_bytes errors in_flight; }

# fio_adds OPTION...: run it; what it says it did is what show has more, exactly
fio_adds() {
	local before after fio says i
	read -ra before < <(counters)
	run_check fio --name=count --filename="$dev" --direct=1 --ioengine=io_uring --output-format=json \
		--output="$tmp/fio.json" --numjobs=2 --thread --cpus_allowed=0,1 --cpus_allowed_policy=split \
		--group_reporting "$@"
	read -ra after < <(counters)
	says=$(jq -r '.jobs | map([.read.total_ios * $parts, .read.io_bytes, .write.total_ios * $parts, .write.io_bytes]) |
		transpose | map(add) | join(" ")' --argjson parts "${parts:-1}" "$tmp/fio.json")
	read -ra fio <<<"$says"
	for i in 0 1 2 3; do same $((after[i] - before[i])) "${fio[i]}" "counter $i"; done
	((fio[0] + fio[2] > 500))
	same "${after[4]} ${after[5]}" "0 0" "errors and requests in flight"
}

counts() {
	local disk before after i
	quiet
	read -ra before < <(sysfs stat)
	fio_adds --rw=randrw --bsrange=4k-64k --iodepth=32 --size=16m --offset_increment=16m
	read -ra after < <(sysfs stat)
	# The kernel's own: reads and writes of the device, and in sectors
	shown "(.queues | length == 2 and all(.reads > 50 and .writes > 50)) and (.threads | map(.tid) | unique | length == 2)"
	disk=$((after[0] - before[0] + after[4] - before[4]))
	i=$(jq '[.jobs[] | .read.total_ios + .write.total_ios] | add' "$tmp/fio.json")
	same "$disk" "$i" "the kernel's count"
}

@test "ramdisk: the counters of two queues add up to what fio did" {
	add_device -t ramdisk --size 64M -q 2
	counts
}

@test "loop: the counters of two queues add up to what fio did" {
	truncate -s 64M "$tmp/image"
	add_device -t loop -f "$tmp/image" -q 2
	counts
}

@test "requests above the greatest size are counted in parts" {
	add_device -t ramdisk --size 64M -q 2 --max-io-size 64K
	quiet
	parts=4 fio_adds --rw=randrw --bs=256k --iodepth=8 --size=32m --offset_increment=32m --loops=3
}

busy() { read -r reads _ <"/sys/block/${dev#/dev/}/stat" && ((reads > 500)); }

@test "show answers under load, and what it shows only grows" {
	local client status=0 last=0 now
	add_device -t ramdisk --size 64M -q 2 -d 16
	fio --name=load --filename="$dev" --direct=1 --ioengine=io_uring --iodepth=16 --rate_iops=1000 --rw=randrw --bs=4k \
		--time_based --runtime=1000 >"$tmp/fio" 2>&1 3>&- &
	client=$!
	defer sh -c "kill $client 2>/dev/null; true"
	wait_until 30 busy
	for _ in 1 2 3; do
		within 10 ublkctl show --json "$id"
		jq -e '.queues | length == 2 and all(.in_flight <= 16 and .errors == 0)' <<<"$output"
		now=$(jq '[.queues[] | .reads + .writes] | add' <<<"$output")
		((now > last))
		last=$now
	done
	kill "$client"
	wait "$client" || status=$?
	wait_until 30 shown '.queues | all(.in_flight == 0)'
}

@test "errors are counted" {
	head -c 4M /dev/urandom >"$tmp/image"
	add_device -t loop -f "$tmp/image"
	truncate -s 1M "$tmp/image"
	must_fail 1 dd if="$dev" of=/dev/null bs=64K skip=32 count=1 iflag=direct
	shown '[.queues[].errors] | add > 0'
}

@test "show and list say what was asked for" {
	truncate -s 8M "$tmp/image"
	add_device -t loop -f "$tmp/image" -q 2 -d 64 --data-path copy
	same "$(ublkctl show --json "$dev")" "$(ublkctl show --json -n "$id")"
	shown '.schema_version == 1 and .target == "loop" and .backing == "'"$tmp"'/image" and .size == 8388608 and
		.nr_queues == 2 and .queue_depth == 64 and .data_path == "copy" and .read_only == false and .state == "LIVE"'
	listed '.[0] | .queues == 2 and .depth == 64 and .size == 8388608 and .ro == false'
	# Each queue's thread is the handler's, and where show says it may run.
	ublkctl show --json "$id" | jq -r '.threads[] | "\(.tid) \(.cpus)"' >"$tmp/threads"
	while read -r tid cpus; do
		grep -qx "Cpus_allowed_list:	$cpus" "/proc/$pid/task/$tid/status"
	done <"$tmp/threads"
	same "$(wc -l <"$tmp/threads")" 2 threads
}
