# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # variables of lib.bash
# loop where its file is not memory for good: a file of ext4's, through the page cache and past it, and a disk.

suite_ext4() {
	local group
	modprobe loop
	ext4_image
	group='loop, ext4, buffered'
	kernel_loop "$group"
	ours "$group" -t loop -f "$image" --direct-io off
	group='loop, ext4, direct'
	kernel_loop "$group" --direct-io=on
	ours "$group" -t loop -f "$image" --direct-io on
	shared "$group" -t loop -f "$image" --direct-io on
	no_image
}

suite_disk() {
	local group='loop, brd, direct'
	modprobe loop
	modprobe brd rd_nr=1 rd_size=$((400 * 1024))
	filled /dev/ram0
	image=/dev/ram0 kernel_loop "$group" --direct-io=on
	ours "$group" -t loop -f /dev/ram0 --direct-io on
	shared "$group" -t loop -f /dev/ram0 --direct-io on
	modprobe -r brd
}
