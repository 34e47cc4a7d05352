#!/usr/bin/env bats
# stop and start, also killed in the middle; del --file and --lazy, also with users.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

state_is() { run_check ublkctl show --json "$id"; [[ $output == *"\"state\":\"$1\""* ]]; }
is_gone() { [[ ! -e /sys/class/ublk-char/ublkc$1 ]]; }

# fill: the first 64 KiB of the device get data, kept in $tmp/data
fill() {
	head -c 64K /dev/urandom >"$tmp/data"
	run_check dd if="$tmp/data" of="$dev" bs=64K count=1 oflag=direct
}
has_data() { cmp -n 65536 "$tmp/data" "$dev"; }

# comes_back: with the same settings, and once more
comes_back() {
	local before
	before=$(listed '.[0] | del(.pid) | tostring')
	within 20 ublkctl stop "$id"
	listed '.[0] | .state == "DEAD" and .pid == null and .record == "ok"'
	[[ ! -e $dev && ! -d /proc/$pid ]]
	within 20 ublkctl start "$id"
	same "$(listed '.[0] | del(.pid) | tostring')" "$before"
	within 20 ublkctl stop "$id"
	within 20 ublkctl start "$id"
}

@test "loop comes back" {
	truncate -s 16M "$tmp/image"
	add_device -t loop -f "$tmp/image" -q 2 -d 32 --logical-block-size 4096
	fill
	comes_back
	has_data
}
@test "ramdisk with recovery comes back" {
	add_device -t ramdisk --size 16M --recovery reissue
	fill
	comes_back
	has_data
}
@test "null with a name and --respawn comes back, and not by itself" {
	add_device -t null --name x --recovery queue --respawn -n 7
	ublkctl stop x
	sleep 1.2
	state_is DEAD
	ublkctl start x
	same "$(listed '.[0] | "\(.id) \(.name) \(.state)"')" '7 x LIVE'
	reads "$dev"
}

@test "stop: a device in use is refused, with --force its users get errors; then start" {
	add_device -t ramdisk --size 16M --recovery queue
	fill
	exec 8<>"$dev"
	refused 7 "opened by process $$" ublkctl stop "$id"
	reads "$dev"
	within 20 ublkctl stop --force "$id"
	must_fail 1 sh -c 'exec dd if=/dev/zero bs=4096 count=1 oflag=direct >&8'
	# The old device goes when its last user goes; its id is needed.
	refused 9 "DEL_DEV" ublkctl --timeout 2 start "$id"
	exec 8>&-
	wait_until 10 ublkctl start "$id"
	has_data
}
@test "stop: a ramdisk without a keeper only by --force" {
	add_device -t ramdisk --size 16M
	refused 1 "would be lost" ublkctl stop "$id"
	within 20 ublkctl stop --force "$id"
	within 20 ublkctl start "$id"
	cmp -n 65536 "$dev" /dev/zero
}
@test "kill -9 at 8 moments of stop and start: started again, or deleted" {
	local i what
	truncate -s 16M "$tmp/image"
	for i in {0..7}; do
		if ((i % 4 < 2)); then target=(-t ramdisk --size 16M --recovery reissue); else target=(-t loop -f "$tmp/image"); fi
		if ((i % 2 == 0)); then add_device "${target[@]}" -q 2 -n 5; fill; fi
		what=start
		if ((i % 2)); then what=stop; fi
		if [[ $what == start ]]; then within 20 ublkctl stop 5; else within 20 ublkctl start 5 || state_is LIVE; fi
		"$UBLKCTL" "$what" 5 >/dev/null 2>&1 3>&- &
		sleep "0.$(printf %03d $((i * 60)))"
		kill -KILL $! 2>/dev/null || true
		wait $! 2>/dev/null || true
		within 30 ublkctl gc
		[[ $output != *removed* || $output == *'.json.new: removed'* ]]
		wait_until 20 serves_its_data
		if ((i % 2)); then within 20 ublkctl del 5; fi
	done
}
# serves_its_data: by itself or when it is asked to. A killed stop may still be on its way in the driver.
serves_its_data() {
	ublkctl start 5 2>"$tmp/err" || grep -q 'is running already' "$tmp/err" || ublkctl recover 5 2>/dev/null || return 1
	has_data
}

@test "del --file: by another name of the same file or block device" {
	truncate -s 16M "$tmp/image"
	ln -s image "$tmp/link"
	add_device -t loop -f "$tmp/image"
	refused 6 "no device lies on" ublkctl del --file "$tmp"
	ublkctl del --file "$tmp/link"
	is_gone "$id"
	add_device -t loop -f /dev/ram0
	ln -s /dev/ram0 "$tmp/ram"
	ublkctl del --file "$tmp/ram"
	is_gone "$id"
}

@test "del --lazy: a mounted device works until it is unmounted, and nobody else gets to it" {
	add_device -t ramdisk --size 32M
	run_check mkfs.ext4 -q "$dev"
	mount_at "$dev" "$tmp/mnt"
	within 5 ublkctl del --lazy "$id"
	[[ ! -e $dev ]]
	echo text >"$tmp/mnt/file"
	sync "$tmp/mnt/file"
	sleep 1.5
	state_is LIVE
	umount "$tmp/mnt"
	wait_until 20 is_gone "$id"
}
@test "del --lazy: an open device, and one that nobody uses" {
	add_device -t null
	within 5 ublkctl del --lazy "$id"
	wait_until 20 is_gone "$id"
	add_device -t ramdisk --size 16M --recovery queue
	exec 8<>"$dev"
	within 5 ublkctl del --lazy "$id"
	sleep 1.2
	run_check sh -c 'exec dd if=/dev/zero bs=4096 count=1 oflag=direct >&8'
	exec 8>&-
	wait_until 20 is_gone "$id"
}
@test "del --lazy --force: its users get errors at once" {
	add_device -t ramdisk --size 16M
	exec 8<>"$dev"
	within 5 ublkctl del --lazy --force "$id"
	must_fail 1 sh -c 'exec dd if=/dev/zero bs=4096 count=1 oflag=direct >&8'
	[[ ! -e $dev ]]
	exec 8>&-
	wait_until 20 is_gone "$id"
}
