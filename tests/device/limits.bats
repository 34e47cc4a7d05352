#!/usr/bin/env bats
# Block sizes and limits follow the data and the options; read-only and full devices say so to who writes.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

# limits NAME=VALUE...: files of queue/ and what they must say
limits() {
	local limit
	for limit; do same "$(sysfs "queue/${limit%%=*}")" "${limit#*=}" "${limit%%=*}"; done
}

@test "4096-byte sectors below: the device has them, too" {
	make_data sector 64M
	add_device "${target[@]}"
	same "$(blockdev --getss "$dev")" 4096
	limits logical_block_size=4096 physical_block_size=4096 write_cache="write back" fua=1 max_hw_sectors_kb=512 \
		discard_granularity="$(cat "/sys/block/${disk#/dev/}/queue/discard_granularity")"
	shown '.params | .logical_block_size == 4096 and .discard_granularity >= 4096 and .volatile_cache and .fua'
	must_fail 1 dd if=/dev/zero of="$dev" bs=512 count=1 oflag=direct
}

@test "4096-byte sectors below: smaller blocks and odd offsets are refused" {
	make_data sector 64M
	must_fail any ublkctl add "${target[@]}" --logical-block-size 512
	refused 2 "multiple of the block size 4096" ublkctl add "${target[@]}" --offset 512
}

@test "limits of a disk are those of the device over it" {
	local model disk
	for model in /sys/block/sd*/device/model; do disk=${model#/sys/block/} disk=${disk%%/*}; done
	add_device -t loop -f "/dev/$disk"
	# run loads it with this one, which no other disk has.
	limits logical_block_size=512 discard_granularity=8192 write_cache="write back"
	same "$(sysfs size)" "$(cat "/sys/block/$disk/size")" size
}

@test "limits of a file and of memory" {
	make_data sparse 64M
	add_device "${target[@]}"
	limits logical_block_size=512 physical_block_size=4096 write_cache="write back" fua=1 discard_granularity=4096
	add_device -t ramdisk --size 16M
	limits logical_block_size=512 physical_block_size=4096 write_cache="write through" fua=0 discard_granularity=4096
}

@test "limits that options ask for" {
	add_device -t ramdisk --size 16M --max-io-size 64K --logical-block-size 4096 --physical-block-size 4096 -q 2 -d 7
	limits logical_block_size=4096 physical_block_size=4096 max_hw_sectors_kb=64
	same "$(find "/sys/block/${dev#/dev/}/mq" -mindepth 1 -maxdepth 1 -type d | wc -l)" 2 queues
	shown '.nr_queues == 2 and .queue_depth == 7 and .max_io_bytes == 65536 and .params.max_sectors == 128'
	run_check dd if=/dev/urandom of="$tmp/data" bs=1M count=2
	run_check dd if="$tmp/data" of="$dev" bs=1M oflag=direct
	cmp -n $((2 << 20)) "$tmp/data" "$dev"
}

@test "the greatest I/O, depth and sector count work" {
	add_device -t ramdisk --size 64M --max-io-size 32M -d 4096
	run_check dd if=/dev/urandom of="$tmp/data" bs=1M count=32
	run_check dd if="$tmp/data" of="$dev" bs=32M count=1 oflag=direct
	dd if="$dev" bs=32M count=1 iflag=direct status=none | cmp - "$tmp/data"
}

@test "a read-only device refuses writes" {
	head -c 4M /dev/urandom >"$tmp/image"
	cp "$tmp/image" "$tmp/before"
	add_device -t loop -f "$tmp/image" --read-only
	same "$(blockdev --getro "$dev")" 1
	must_fail 1 dd if=/dev/zero of="$dev" bs=4K count=1 oflag=direct
	must_fail 1 blkdiscard "$dev"
	must_fail any mkfs.ext4 -F -q "$dev"
	cmp "$dev" "$tmp/before"
	cmp "$tmp/image" "$tmp/before"
	listed 'length == 1 and .[0].ro == true'
	add_device -t ramdisk --size 4M --read-only
	must_fail 1 dd if=/dev/zero of="$dev" bs=4K count=1 oflag=direct
}

@test "a file on a read-only file system needs --read-only" {
	mkdir "$tmp/ro"
	mount -t tmpfs none "$tmp/ro"
	defer unmount "$tmp/ro"
	truncate -s 4M "$tmp/ro/image"
	mount -o remount,ro "$tmp/ro"
	refused 1 "--read-only" ublkctl add -t loop -f "$tmp/ro/image"
	add_device -t loop -f "$tmp/ro/image" --read-only
	reads "$dev"
	ublkctl del "$dev"
}

@test "a full file system under a sparse image is ENOSPC, and the device lives on" {
	mkdir "$tmp/small"
	mount -t tmpfs -o size=8M none "$tmp/small"
	defer unmount "$tmp/small"
	truncate -s 32M "$tmp/small/image"
	add_device -t loop -f "$tmp/small/image"
	run_check dd if=/dev/urandom of="$tmp/data" bs=1M count=2
	run_check dd if="$tmp/data" of="$dev" bs=1M oflag=direct
	run_check dd if=/dev/zero of="$tmp/small/filler" bs=1M count=5
	must_fail 1 dd if=/dev/zero of="$dev" bs=1M seek=4 count=8 oflag=direct
	[[ $output == *"No space left on device"* ]]
	shown '.state == "LIVE" and ([.queues[].errors] | add > 0)'
	dd if="$dev" bs=1M count=2 iflag=direct status=none | cmp - "$tmp/data"
	rm "$tmp/small/filler"
	run_check dd if="$tmp/data" of="$dev" bs=1M seek=16 oflag=direct
	dd if="$dev" bs=1M skip=16 count=2 iflag=direct status=none | cmp - "$tmp/data"
}
