#!/usr/bin/env bats
# FLUSH and FUA reach the storage: counted by us, and by the kernel at the disk below.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

tracing=/sys/kernel/tracing

# The disk that scsi_debug makes: it has a write cache and takes FUA.
setup() {
	local model
	deferred=() tmp=$BATS_TEST_TMPDIR
	for model in /sys/block/sd*/device/model; do
		[[ $(<"$model") == scsi_debug* ]] || continue
		disk=${model#/sys/block/} disk=${disk%%/*}
	done
	same "$(cat "/sys/block/$disk/queue/write_cache")" "write back" "cache of the disk"
}

# record: from here on, note each request that the disk is given
record() {
	local number
	number=$(cat "/sys/block/$disk/dev")
	echo >"$tracing/trace"
	echo "dev == $((${number%:*} << 20 | ${number#*:}))" >"$tracing/events/block/block_rq_issue/filter"
	defer sh -c "echo 0 >$tracing/events/block/block_rq_issue/enable"
	echo 1 >"$tracing/events/block/block_rq_issue/enable"
}

# issued FLAGS: how many requests whose flags begin so, since `record`: FF is a flush, WF a write with FUA
issued() { grep -cE "block_rq_issue: [0-9,]+ $1" "$tracing/trace" || true; }

flushes() { local counters; read -ra counters <"/sys/block/$disk/stat"; echo "${counters[15]}"; }

@test "FLUSH reaches the disk below" {
	local before
	add_device -t loop -f "/dev/$disk"
	before=$(flushes)
	record
	run_check dd if=/dev/urandom of="$dev" bs=64K count=4 oflag=direct
	same "$(of_queues flushes fua)" "0 0" "flushes and fua without a reason"
	same "$(issued FF)" 0 "flushes without a reason"
	for _ in 1 2 3 4 5; do sync -d "$dev"; done
	same "$(of_queues flushes)" 5 "our count"
	same "$(issued FF)" 5 "count of the trace"
	same "$(flushes)" $((before + 5)) "the disk's statistics"
}

@test "a FUA write reaches the disk below as one" {
	add_device -t loop -f "/dev/$disk"
	record
	run_check dd if=/dev/urandom of="$dev" bs=4K count=5 oflag=direct,dsync
	same "$(of_queues fua)" 5 "our count"
	same "$(issued WF)" 5 "count of the trace"
	# Linux sends a FLUSH of its own after each.
	(($(issued FF) >= $(of_queues flushes)))
}

@test "FUA is durable without FUA below, too" {
	echo "write through" >"/sys/block/$disk/queue/write_cache"
	defer sh -c "echo 'write back' >/sys/block/$disk/queue/write_cache"
	add_device -t loop -f "/dev/$disk"
	run_check dd if=/dev/urandom of="$dev" bs=4K count=5 oflag=direct,dsync
	same "$(of_queues fua errors)" "5 0"
}

# A file's fdatasync() ends in a flush of the disk. The file is written before, so that no journal gets in between.
file_syncs() {
	run_check mkfs.ext4 -q -F "/dev/$disk"
	mount_at "/dev/$disk" "$tmp/mnt"
	run_check dd if=/dev/urandom of="$tmp/mnt/image" bs=1M count=16 conv=fsync
	add_device -t loop -f "$tmp/mnt/image" --direct-io "$1"
	sync
	record
	run_check dd if=/dev/urandom of="$dev" bs=4K count=5 oflag=direct,dsync
	same "$(of_queues fua)" 5 "FUA writes"
	# One for each FUA write and one for each FLUSH that follows it
	same "$(of_queues flushes)" 5 "flushes"
	(($(issued FF) + $(issued WF) >= 10))
}

@test "FLUSH and FUA on a file sync it: direct I/O" { file_syncs on; }
@test "FLUSH and FUA on a file sync it: through the page cache" { file_syncs off; }

@test "a file system on our device flushes" {
	add_device -t loop -f "/dev/$disk"
	run_check mkfs.ext4 -q "$dev"
	mount_at "$dev" "$tmp/mnt"
	record
	echo text >"$tmp/mnt/file"
	sync "$tmp/mnt/file"
	(($(issued FF) + $(issued WF) >= 1))
	umount "$tmp/mnt"
}
