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
	if [[ -e $hugepages ]]; then huge_ramdisk; fi
	nbdkit_memory ramdisk
}

# The native kernel has none.
hugepages=/proc/sys/vm/nr_hugepages
huge_ramdisk() {
	local out
	echo 200 >"$hugepages"
	if out=$(with_device 1 "$measure" ramdisk 'ublkctl --huge-pages' '' false -- -t ramdisk --size 400M --huge-pages); then
		printf '%s\n' "$out"
		passed 'ramdisk: ramdisk: ublkctl --huge-pages'
	else
		broken 'ramdisk: ramdisk: ublkctl --huge-pages' "$out"
	fi
	echo 0 >"$hugepages"
}

suite_loop() {
	local only=''
	modprobe loop
	tmpfs_image
	kernel_loop 'loop, tmpfs'
	ours 'loop, tmpfs' -t loop -f "$image"
	no_image
}
