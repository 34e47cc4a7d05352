#!/usr/bin/env bats
# Discard and zeroing: exactly the range, it reads as zeroes, and what is given back is given back.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

# fill: random data on the device's first 8 MiB; $tmp/want always says what it must read as
fill() {
	head -c 8M /dev/urandom >"$tmp/want"
	run_check dd if="$tmp/want" of="$dev" bs=1M oflag=direct
}

# zeroed OFFSET LENGTH: those bytes must be zeroes now, and all others as before
zeroed() {
	run_check dd if=/dev/zero of="$tmp/want" bs=512 seek=$(($1 / 512)) count=$(($2 / 512)) conv=notrunc
	dd if="$dev" bs=1M count=8 iflag=direct status=none | cmp "$tmp/want" -
}

# memory_of_ramdisk: its file, as $store
memory_of_ramdisk() { store=$(find "/proc/$pid/fd" -lname '*/memfd:*'); }

# blocks: of 512 bytes, that $store takes
blocks() { sync && stat -Lc %b "$store"; }

# gives_back BYTES COMMAND...: that much less is taken after it, give or take what udev reads of a ramdisk meanwhile
gives_back() {
	local bytes=$1 before now
	before=$(blocks)
	shift
	"$@"
	now=$(blocks)
	if ((before - now > bytes / 512 + 1200 || before - now < bytes / 512 - 1200)); then
		echo "$before blocks, then $now: not $bytes bytes, given back by $*" >&2
		return 1
	fi
}

ranges() {
	# A kernel loop device on tmpfs, which cannot zero in place, forgets that it can discard when it is asked to.
	if [[ $1 == sector ]]; then ext4_dir && below=$dir; fi
	make_data "$1" 48M
	add_device "${target[@]}"
	case $1 in
	ramdisk) memory_of_ramdisk ;;
	sector) store=$below/disk.img ;;
	*) store=$file ;;
	esac
	fill
	(($(blocks) * 512 >= 8 << 20))

	gives_back $((2 << 20)) blkdiscard -o 1M -l 2M "$dev"
	zeroed $((1 << 20)) $((2 << 20))
	shown '[.queues[].discard_bytes] | add == 2097152'
	gives_back $((1 << 20)) fallocate -p -o 4M -l 1M "$dev"
	zeroed $((4 << 20)) $((1 << 20))
	# These two keep their blocks.
	gives_back 0 blkdiscard -z -o 6M -l 1M "$dev"
	zeroed $((6 << 20)) $((1 << 20))
	gives_back 0 fallocate -z -o 7M -l 1M "$dev"
	zeroed $((7 << 20)) $((1 << 20))
	shown '[.queues[].write_zeroes] | add >= 3'
	# No whole page in it
	blkdiscard -z -o $((28 << 10)) -l 4K "$dev"
	zeroed $((28 << 10)) 4096
	if [[ $1 != sector ]]; then
		blkdiscard -z -o 512 -l 1536 "$dev"
		zeroed 512 1536
		blkdiscard -o 16896 -l 1024 "$dev"
		dd if="$dev" bs=512 skip=32 count=1 iflag=direct status=none | cmp - <(tail -c +16385 "$tmp/want" | head -c 512)
	fi
	blkdiscard "$dev"
	(($(blocks) <= 1200))
	zeroed 0 $((8 << 20))
	shown '.queues | all(.errors == 0)'
}

@test "ramdisk: ranges become zeroes, memory is given back" { ranges ramdisk; }
@test "loop on tmpfs: ranges become zeroes, blocks are given back" { ranges sparse; }
@test "loop on ext4, direct I/O: ranges become zeroes, blocks are given back" { ranges direct; }
@test "loop over 4096-byte sectors: ranges become zeroes, blocks are given back" { ranges sector; }

@test "a deleted ramdisk gives all its memory back" {
	local before after
	before=$(grep -oP 'Shmem: *\K\d+' /proc/meminfo)
	add_device -t ramdisk --size 64M --preallocate
	after=$(grep -oP 'Shmem: *\K\d+' /proc/meminfo)
	((after - before > 60000))
	ublkctl del "$dev"
	wait_until 15 no_processes
	after=$(grep -oP 'Shmem: *\K\d+' /proc/meminfo)
	((after - before < 4000))
}

# bats test_tags=emulated
@test "ramdisk on huge pages: data, and ranges that are given back" {
	local free
	defer sh -c 'echo 0 >/proc/sys/vm/nr_hugepages'
	echo 16 >/proc/sys/vm/nr_hugepages
	free=$(grep -oP 'HugePages_Free: *\K\d+' /proc/meminfo)
	((free >= 16)) || skip_loudly "this kernel has only $free huge pages to give"
	add_device -t ramdisk --size 32M --huge-pages
	same "$(sysfs queue/discard_granularity)" $((2 << 20)) granularity
	memory_of_ramdisk
	fill
	taken=$(blocks)
	blkdiscard -o 2M -l 4M "$dev"
	# Of the two pages udev may have read one into being: the one at the end of the device.
	(($(blocks) <= taken - (2 << 11)))
	zeroed $((2 << 20)) $((4 << 20))
	ublkctl del "$dev"
	wait_until 15 no_processes
	same "$(grep -oP 'HugePages_Free: *\K\d+' /proc/meminfo)" "$free" "free huge pages after del"
}

# on_nodes: how many pages of a ramdisk are on each NUMA node ("N0=2048 N1=5")
on_nodes() { grep ublkctl-ramdisk "/proc/$pid/numa_maps" | grep -oE 'N[0-9]+=[0-9]+' | paste -sd ' '; }

# bats test_tags=emulated
@test "ramdisk: memory of a NUMA node" {
	local node
	[[ -e /sys/devices/system/node/node1 ]] || skip_loudly 'this machine has one NUMA node'
	for node in 0 1; do
		add_device -t ramdisk --size 16M --numa-node "$node" --cpus "$((1 - node))"
		run_check dd if=/dev/zero of="$dev" bs=1M count=16 oflag=direct
		same "$(on_nodes)" "N$node=4096"
		ublkctl del "$dev"
	done
	refused 1 '--numa-node: this machine cannot take memory from node 7: Invalid argument' \
		ublkctl add -t ramdisk --size 16M --numa-node 7
}
