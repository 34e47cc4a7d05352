#!/usr/bin/env bats
# What cannot be done, and shows only with real devices: the message, the status, and nothing left behind.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

@test "more queues than CPUs" {
	refused 3 "use -q" ublkctl add -t null -q $(($(nproc) + 1))
	add_device -t null -q "$(nproc)"
}

@test "a mounted block device as backing" {
	run_check mkfs.ext4 -q -F /dev/ram0
	mount_at /dev/ram0 "$tmp/mnt"
	refused 7 "is in use" ublkctl add -t loop -f /dev/ram0
	umount "$tmp/mnt"
	add_device -t loop -f /dev/ram0
	# And the other way round
	must_fail any mount /dev/ram0 "$tmp/mnt"
	refused 7 "is in use" ublkctl add -t loop -f /dev/ram0
}

@test "a file that another device serves" {
	truncate -s 4M "$tmp/image"
	add_device -t loop -f "$tmp/image"
	refused 7 "is in use" ublkctl add -t loop -f "$tmp/image"
	refused 7 "is in use" ublkctl add -t loop -f "$tmp/image" --read-only
	ublkctl del "$dev"
	add_device -t loop -f "$tmp/image" --read-only
	add_device -t loop -f "$tmp/image" --read-only
	refused 7 "is in use" ublkctl add -t loop -f "$tmp/image"
}

@test "a partition of a disk that is used, and a disk whose partition is" {
	add_device -t ramdisk --size 32M
	addpart "$dev" 1 2048 16384
	wait_until 20 test -b "${dev}p1"
	run_check mkfs.ext4 -q "${dev}p1"
	mount_at "${dev}p1" "$tmp/mnt"
	refused 7 "is in use" ublkctl add -t loop -f "${dev}p1"
	refused 7 "is in use" ublkctl add -t loop -f "$dev"
	umount "$tmp/mnt"
}

@test "an empty file, a fifo, a character device, a dangling link" {
	: >"$tmp/empty"
	refused 1 "is empty" ublkctl add -t loop -f "$tmp/empty"
	mkfifo "$tmp/fifo"
	refused 1 "neither file nor disk" timeout 20 "$UBLKCTL" add -t loop -f "$tmp/fifo"
	refused 1 "neither file nor disk" ublkctl add -t loop -f /dev/zero
	ln -s none "$tmp/link"
	refused 1 "No such file" ublkctl add -t loop -f "$tmp/link"
}

@test "direct I/O where there is none" {
	truncate -s 4M "$tmp/image"
	refused 1 "--direct-io" ublkctl add -t loop -f "$tmp/image" --direct-io on
}

@test "output that cannot be written" {
	add_device -t null
	must_fail 1 sh -c "exec $UBLKCTL list >/dev/full"
	must_fail 1 sh -c "exec $UBLKCTL list --json >/dev/full"
	must_fail 1 sh -c "exec $UBLKCTL show $id >/dev/full"
	# add takes the device away again: nobody has heard of it.
	must_fail 1 sh -c "exec $UBLKCTL add -t null >/dev/full"
	listed "map(.id) == [$id]"
}

@test "a file that shrinks under a device is an error for who reads, and no end of the device" {
	head -c 4M /dev/urandom >"$tmp/image"
	add_device -t loop -f "$tmp/image"
	truncate -s 1M "$tmp/image"
	must_fail 1 dd if="$dev" of=/dev/null bs=64K skip=32 count=1 iflag=direct
	reads "$dev"
	truncate -s 4M "$tmp/image"
	dd if="$dev" of=/dev/null bs=64K skip=32 count=1 iflag=direct status=none
}

@test "without the right to" {
	add_device -t null
	# The binary may lie where others cannot reach it.
	cp "$UBLKCTL" /var/tmp/ublkctl-nobody
	defer rm -f /var/tmp/ublkctl-nobody
	refused 4 "user 65534 is not root (Permission denied); run 'sudo -s'" setpriv --reuid 65534 --clear-groups /var/tmp/ublkctl-nobody add -t null
	must_fail 4 setpriv --reuid 65534 --clear-groups /var/tmp/ublkctl-nobody del "$id"
	listed 'length == 1 and .[0].state == "LIVE"'
}
