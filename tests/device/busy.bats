#!/usr/bin/env bats
# A device in use is not deleted, and nothing about it changes; --force deletes it, and its users get errors.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

# is_kept TEXT: del refuses with TEXT, and the device works as before, under the same handler
is_kept() {
	refused 7 "$1" ublkctl del "$id"
	refused 7 "in use" ublkctl del --all
	listed "length == 1 and .[0].state == \"LIVE\" and .[0].pid == $pid and .[0].record == \"ok\""
	reads "$dev"
}

# is_forced: --force deletes it, in bounded time
is_forced() {
	within 30 ublkctl del --force "$dev"
	[[ ! -e $dev ]]
}

# id_gets_free: when its last user is gone
id_gets_free() {
	wait_until 20 test ! -e "/sys/class/ublk-char/ublkc$id"
	wait_until 20 ublkctl add -t null -n "$id"
	reads "$dev"
}

@test "a mounted device" {
	add_device -t ramdisk --size 32M
	run_check mkfs.ext4 -q "$dev"
	mount_at "$dev" "$tmp/mnt"
	is_kept "mounted on $tmp/mnt"
	echo text >"$tmp/mnt/file"
	sync "$tmp/mnt/file"
	is_forced
	must_fail any dd if=/dev/zero of="$tmp/mnt/new" bs=64K count=16 conv=fsync
	umount "$tmp/mnt"
	id_gets_free
}

@test "a mounted partition" {
	add_device -t ramdisk --size 32M
	addpart "$dev" 1 2048 32768
	wait_until 20 test -b "${dev}p1"
	run_check mkfs.ext4 -q "${dev}p1"
	mount_at "${dev}p1" "$tmp/mnt"
	is_kept "mounted on $tmp/mnt"
	umount "$tmp/mnt"
	ublkctl del "$dev"
	[[ ! -e ${dev}p1 && ! -e $dev ]]
}

@test "a device mounted in another mount namespace" {
	add_device -t ramdisk --size 32M
	run_check mkfs.ext4 -q "$dev"
	mkdir "$tmp/mnt"
	unshare --mount sh -c "mount $dev $tmp/mnt && touch $tmp/mounted && exec sleep 1000" 3>&- &
	defer kill $!
	wait_until 20 test -e "$tmp/mounted"
	is_kept "mounted on $tmp/mnt by process $! (sleep), in another mount namespace"
}

@test "an open device" {
	add_device -t ramdisk --size 16M
	exec 8<>"$dev"
	is_kept "opened by process $$"
	is_forced
	must_fail 1 sh -c 'exec dd if=/dev/zero bs=4096 count=1 oflag=direct >&8'
	[[ $output == *"error writing"* ]]
	# Reading is an error or the end, as the kernel likes; no data in any case.
	same "$(dd bs=4096 count=1 iflag=direct status=none <&8 2>/dev/null | wc -c)" 0 "bytes read"
	exec 8>&-
	id_gets_free
}

@test "a device that is written to" {
	local fio status=0
	add_device -t ramdisk --size 16M -q 2
	fio --name=load --filename="$dev" --direct=1 --ioengine=io_uring --iodepth=16 --rw=randrw --bs=4k --time_based \
		--runtime=200 >"$tmp/fio" 2>&1 3>&- &
	fio=$!
	wait_until 30 in_flight 1
	is_kept "opened by process"
	is_forced
	wait_until 30 gone "$fio"
	wait "$fio" || status=$?
	((status && status != 127))
	id_gets_free
}

@test "a device held by device mapper" {
	add_device -t ramdisk --size 16M
	run_check dmsetup create held --table "0 32768 linear $dev 0"
	defer sh -c "! dmsetup info held >/dev/null 2>&1 || dmsetup remove held"
	wait_until 20 test -b /dev/mapper/held
	is_kept "held by dm-*(held)"
	is_forced
	must_fail 1 dd if=/dev/mapper/held of=/dev/null bs=4096 count=1 iflag=direct
	run_check dmsetup remove --retry held
	id_gets_free
}

@test "a device that is swapped to" {
	add_device -t ramdisk --size 16M
	run_check mkswap "$dev"
	run_check swapon "$dev"
	defer sh -c "! grep -q ^$dev /proc/swaps || swapoff $dev"
	is_kept "used as swap; swapoff $dev"
	swapoff "$dev"
	ublkctl del "$dev"
}

@test "a device under a kernel loop device" {
	add_device -t ramdisk --size 16M
	# This one holds it without a claim and without a process that has it open.
	disk=$(losetup --show -f "$dev")
	defer sh -c "! losetup $disk >/dev/null 2>&1 || losetup -d $disk"
	is_kept "$disk lies on it"
	losetup -d "$disk"
	wait_until 20 ublkctl del "$dev"
}

@test "an opener that passes does not make del fail" {
	add_device -t ramdisk --size 16M
	exec 8<"$dev"
	(sleep 1) 8<&8 3>&- &
	exec 8<&-
	ublkctl del "$dev"
}

@test "after del has answered, a delay by force or not, a new device has none of the old data" {
	add_device -t ramdisk --size 16M -n 3
	run_check dd if=/dev/urandom of="$dev" bs=1M count=16
	ublkctl del "$dev"
	add_device -t ramdisk --size 16M -n 3
	cmp -n $((16 << 20)) "$dev" /dev/zero
}
