# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # variables of lib.bash
# Every target and path beside what the kernel itself offers and a network peer.

suite_null() {
	null_blk
	row null null_blk /dev/nullb0
	modprobe -r null_blk
	ours null -t null --reads any
	ours 'null, zeroes' -t null
}

suite_ramdisk() {
	modprobe brd rd_nr=1 rd_size=$((400 * 1024))
	filled /dev/ram0
	row ramdisk brd /dev/ram0
	modprobe -r brd
	fill=1 ours ramdisk -t ramdisk --size 400M
	nbdkit_memory ramdisk
}

suite_loop() {
	local only=''
	modprobe loop
	tmpfs_image
	kernel_loop 'loop, tmpfs'
	ours 'loop, tmpfs' -t loop -f "$image"
	no_image
}
