#!/usr/bin/env bats
# Names: udev's links, many adds at once, and one backing for several devices.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid ... are set by helpers
load helpers

links_to() { same "$(readlink -f "/dev/ublk/by-name/$1")" "$2"; }
no_link() { [[ ! -L /dev/ublk/by-name/$1 ]]; }

@test "udev: a link by name, for partitions too, that goes with the device" {
	install_rule
	truncate -s 64M "$tmp/image"
	add_device -t loop -f "$tmp/image" --name web-1
	udevadm settle --timeout 30
	links_to web-1 "$dev"
	ublkctl show /dev/ublk/by-name/web-1 | grep -q web-1
	addpart "$dev" 1 2048 4096
	udevadm settle --timeout 30
	links_to web-1-part1 "${dev}p1"
	delpart "$dev" 1
	ublkctl del web-1
	wait_until 30 no_link web-1
	no_link web-1-part1
	add_device -t null
	udevadm settle --timeout 30
	no_link ''
}

@test "udev: links by UUID and label, after mkfs too, which the disk below keeps" {
	local uuid=0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9
	install_rule
	truncate -s 16M "$tmp/image"
	mkfs.ext4 -q -F -U "$uuid" -L before "$tmp/image"
	add_device -t loop -f "$tmp/image"
	udevadm settle --timeout 30
	same "$(realpath "/dev/disk/by-uuid/$uuid" /dev/disk/by-label/before | uniq)" "$dev"
	run_check mkfs.ext4 -q -F -U "$uuid" -L behind "$dev"
	wait_until 30 test "/dev/disk/by-label/behind" -ef "$dev"
	[[ ! -e /dev/disk/by-label/before ]]
	sector_disk 16M 512
	run_check dd if="$tmp/image" of="$disk" bs=1M
	wait_until 30 test "/dev/disk/by-uuid/$uuid" -ef "$disk"
	run_check ublkctl del "$id"
	[[ ! -e $dev ]]
	add_device -t loop -f "$tmp/image"
	udevadm settle --timeout 30
	same "$(realpath "/dev/disk/by-uuid/$uuid")" "$disk"
}

@test "udev: where ublkctl cannot say whose a device is, nothing looks into it" {
	local UBLKCTL_IN_RULE=/bin/false
	install_rule
	truncate -s 16M "$tmp/image"
	mkfs.ext4 -q -F -L unknown "$tmp/image"
	add_device -t loop -f "$tmp/image"
	udevadm settle --timeout 30
	[[ ! -e /dev/disk/by-label/unknown ]]
	udevadm info -q property "$dev" >"$tmp/properties"
	if grep ID_FS_ "$tmp/properties"; then false; fi
}

@test "20 concurrent add --name x --if-absent: one device, 20 times the same path" {
	local i pids=()
	for ((i = 0; i < 20; i++)); do
		"$UBLKCTL" add -t ramdisk --size 16M --name x --if-absent >"$tmp/path.$i" 2>"$tmp/err.$i" 3>&- &
		pids+=($!)
	done
	defer within 30 ublkctl del --all
	for i in "${pids[@]}"; do wait "$i"; done
	same "$(cat "$tmp"/err.* | without_progress)" ""
	same "$(sort -u "$tmp"/path.*)" /dev/ublkb0
	same "$(cat "$tmp"/path.* | wc -l)" 20
	same "$(ublkctl list --noheadings -o ID,NAME | tr -s ' ')" " 0 x"
	reads /dev/ublkb0
}

@test "20 concurrent add --name x: one is made, the others are told" {
	local i made=0 pids=()
	for ((i = 0; i < 20; i++)); do
		"$UBLKCTL" add -t null --name x >"$tmp/path.$i" 2>"$tmp/err.$i" 3>&- &
		pids+=($!)
	done
	defer within 30 ublkctl del --all
	for i in "${pids[@]}"; do
		status=0
		wait "$i" || status=$?
		if ((status == 0)); then made=$((made + 1)); else same "$status" 8; fi
	done
	same "$made" 1
	same "$(cat "$tmp"/err.* | without_progress | sort -u)" "ublkctl: add: device 0 (/dev/ublkb0) has the name x; choose another, or use --if-absent"
}

@test "--share: two devices write one disk, and none by mistake" {
	local first
	add_device -t loop -f /dev/ram0 --share
	first=$dev
	refused 7 "/dev/ram0 is in use" ublkctl add -t loop -f /dev/ram0
	add_device -t loop -f /dev/ram0 --share
	client fill "$first" A:0:4096
	client fill "$dev" B:4096:4096
	client peek "$first" 4096:4096 "4096 B4096"
	client peek "$dev" 0:4096 "4096 A4096"
}
client() { "${UBLKCTL%/cmd/*}/tests/client" "$@"; }
