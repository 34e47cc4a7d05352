#!/usr/bin/env bats
# The size of a device changes while it is in use.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

new_kernel() { (($(uname -r | cut -d. -f1) >= 7)); }

# Before 6.16 the driver cannot; then one line says so, and the test is done
resizable() {
	if new_kernel; then return 0; fi
	refused 3 'cannot be resized: the driver did not grant update-size*' ublkctl resize "$id" --size 128M
	return 1
}

has_size() { same "$(sysfs size)" $(($1 / 512)) "size of $dev"; }
client() { "${UBLKCTL%/cmd/*}/tests/client" "$@"; }

# ext4_grows OPTION...: of add, for a device of 64 MiB
ext4_grows() {
	add_device "$@"
	resizable || return 0
	run_check mkfs.ext4 -q "$dev"
	mount_at "$dev" "$tmp/mount"
	dd if=/dev/urandom of="$tmp/mount/file" bs=1M count=20 status=none
	before=$(md5sum <"$tmp/mount/file")
	within 20 ublkctl resize "$id" --size 160M
	has_size $((160 << 20))
	run_check resize2fs "$dev"
	# More than there was room for
	run_check dd if=/dev/urandom of="$tmp/mount/more" bs=1M count=80 oflag=direct
	same "$(md5sum <"$tmp/mount/file")" "$before"
	umount "$tmp/mount"
	run_check e2fsck -fn "$dev"
	same "$(listed '.[0].size')" $((160 << 20))
}
@test "ext4 grows online on a loop image" { truncate -s 64M "$tmp/image"; ext4_grows -t loop -f "$tmp/image"; }
@test "ext4 grows online on a loop image with an offset" {
	truncate -s 65M "$tmp/image"
	ext4_grows -t loop -f "$tmp/image" --offset 1M
	if new_kernel; then same "$(stat -c %s "$tmp/image")" $((161 << 20)); fi
}
@test "ext4 grows online on a ramdisk" { ext4_grows -t ramdisk --size 64M; }
@test "ext4 grows online on direct I/O" {
	ext4_dir
	truncate -s 64M "$dir/image"
	run_check truncate -s 64M "$dir/image"
	add_device -t loop -f "$dir/image" --direct-io on
	resizable || return 0
	within 20 ublkctl resize "$id" --size 96M
	client fill "$dev" A:$((95 << 20)):65536
	client peek "$dev" $((95 << 20)):65536 "65536 A65536"
}

@test "a file and a disk that have grown are followed; beyond a disk is refused" {
	truncate -s 16M "$tmp/image"
	add_device -t loop -f "$tmp/image"
	resizable || return 0
	truncate -s 24M "$tmp/image"
	has_size $((16 << 20))
	within 20 ublkctl resize "$id"
	has_size $((24 << 20))
	ublkctl del "$id"
	sector_disk 16M 512
	add_device -t loop -f "$disk"
	refused 1 "has only $((16 << 20)) bytes for the device, not $((32 << 20))" ublkctl resize "$id" --size 32M
	has_size $((16 << 20))
	truncate -s 32M "$tmp/disk.img"
	losetup -c "$disk"
	within 20 ublkctl resize "$id"
	has_size $((32 << 20))
	client fill "$dev" B:$((31 << 20)):4096
	client peek "$dev" $((31 << 20)):4096 "4096 B4096"
}

@test "odd sizes, less without --force, less of what is in use: refused, and nothing has changed" {
	truncate -s 64M "$tmp/image"
	add_device -t loop -f "$tmp/image" --logical-block-size 4096
	resizable || return 0
	refused 2 '--size: 1000 is not a multiple of the block size 4096' ublkctl resize "$id" --size 1000
	refused 2 'use --force if what is behind the new end may be lost' ublkctl resize "$id" --size 32M
	run_check mkfs.ext4 -q "$dev" 16M
	mount_at "$dev" "$tmp/mount"
	refused 7 "mounted on $tmp/mount" ublkctl resize "$id" --size 32M --force
	has_size $((64 << 20))
	same "$(stat -c %s "$tmp/image")" $((64 << 20))
	umount "$tmp/mount"
	within 20 ublkctl resize "$id" --size 32M --force
	has_size $((32 << 20))
	same "$(stat -c %s "$tmp/image")" $((32 << 20))
	run_check e2fsck -fn "$dev"
}

@test "a resized device is recovered at its new size" {
	local kind
	for kind in loop ramdisk; do
		make_data "$([[ $kind == loop ]] && echo sparse || echo ramdisk)" 16M
		add_device "${target[@]}" --recovery reissue --respawn
		resizable || return 0
		within 20 ublkctl resize "$id" --size 48M
		client fill "$dev" C:$((47 << 20)):4096
		kill -KILL "$pid"
		client peek "$dev" $((47 << 20)):4096 "4096 C4096"
		has_size $((48 << 20))
		# What the new handler has recorded is not what add was asked for.
		within 20 ublkctl stop "$id"
		within 20 ublkctl start "$id"
		client peek "$dev" $((47 << 20)):4096 "4096 C4096"
		pid=$(shown .pid)
		kill -KILL "$pid" "$(shown .keeper_pid)"
		if [[ $kind == loop ]]; then
			within 30 ublkctl recover "$id"
			client peek "$dev" $((47 << 20)):4096 "4096 C4096"
		fi
		within 30 ublkctl del --force "$id"
	done
}

@test "a resized null device is recovered at its new size" {
	add_device -t null --size 16M --recovery reissue --respawn
	resizable || return 0
	within 20 ublkctl resize "$id" --size 48M
	kill -KILL "$pid"
	wait_until 10 has_another_handler
	has_size $((48 << 20))
	reads "$dev"
}
has_another_handler() { listed ".[0] | .state == \"LIVE\" and .pid != $pid" >/dev/null; }

@test "a ramdisk that was made under ulimit -v cannot grow" {
	# The sanitizers take more than that for themselves.
	if [[ $UBLKCTL == *sanitized* ]]; then return 0; fi
	new_kernel || return 0
	ulimit -v 4000000
	add_device -t ramdisk --size 16M
	refused 1 "this ramdisk cannot grow: its handler has no address space for more" ublkctl resize "$id" --size 32M
	reads "$dev"
}
