#!/usr/bin/env bats
# A handler keeps nothing of who started it: no file, no lock, no pipe, no directory, no mount.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

@test "a lock of the caller's is free again when the caller lets it go" {
	exec 8>"$tmp/lock"
	flock 8
	add_device -t null
	must_fail 1 flock -n "$tmp/lock" true
	exec 8>&-
	flock -n "$tmp/lock" true
}

@test "a pipe of the caller's ends with the caller" {
	within 30 bash -c "$UBLKCTL add -t null 2>&1 | cat"
	defer remove_device "${output#/dev/ublkb}"
	reads "$output"
}

@test "the files of a handler are its own" {
	local fd names
	truncate -s 4M "$tmp/image"
	exec 8</etc/hostname 9>"$tmp/other"
	add_device -t loop -f "$tmp/image" </etc/passwd
	exec 8<&- 9>&-
	# Its /dev is not mounted any more; so the names have lost that part.
	names=$(for fd in /proc/"$pid"/fd/*; do readlink "$fd"; done | grep -v ^anon_inode: |
		sed 's,^/dev,,; s/^pipe:.*/pipe/' | LC_ALL=C sort -u | tr '\n' ' ')
	same "$names" "/null $tmp/image /ublk-control /ublkc$id pipe "
	for fd in 0 1 2; do same "$(stat -Lc %t:%T "/proc/$pid/fd/$fd")" 1:3 "file $fd"; done
}

@test "a mount of before add can be unmounted, and its device is free" {
	run_check mkfs.ext4 -q -F /dev/ram0
	mount_at /dev/ram0 "$tmp/mnt"
	add_device -t ramdisk --size 16M
	must_fail any wipefs -a /dev/ram0
	umount "$tmp/mnt"
	run_check wipefs -a /dev/ram0
	reads "$dev"
}

@test "the directory that add was called in is not held" {
	run_check mkfs.ext4 -q -F /dev/ram0
	mount_at /dev/ram0 "$tmp/mnt"
	cd "$tmp/mnt"
	add_device -t null
	cd /
	umount "$tmp/mnt"
	run_check wipefs -a /dev/ram0
}

@test "the file system of a device under a device can be unmounted when both are deleted" {
	local lower
	add_device -t ramdisk --size 48M
	lower=$dev
	run_check mkfs.ext4 -q "$lower"
	mount_at "$lower" "$tmp/mnt"
	truncate -s 16M "$tmp/mnt/image"
	add_device -t loop -f "$tmp/mnt/image"
	run_check dd if=/dev/urandom of="$dev" bs=64K count=16 oflag=direct
	refused 7 "in use" ublkctl del "$lower"
	ublkctl del "$dev"
	umount "$tmp/mnt"
	ublkctl del "$lower"
}

@test "a handler is out of the way: session, memory killer, directory" {
	local session
	add_device -t null
	same "$(cat "/proc/$pid/oom_score_adj")" -1000 "OOM score"
	session=$(ps -o sid= -p "$pid")
	same "${session// /}" "$pid" session
	same "$(readlink "/proc/$pid/ns/mnt" | grep -cx "$(readlink /proc/$$/ns/mnt)" || true)" 0 "our mount namespace"
}
