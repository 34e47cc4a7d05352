#!/usr/bin/env bats
# When a command says that it is done, it is: what it has made can be used at once, and what it has ended is nobody's.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # dev, id, pid, tmp are set by helpers
load helpers

# partitioned FILE: 16 MiB with a partition from 1 to 8 MiB, in an MBR
partitioned() {
	truncate -s 16M "$1"
	printf '\0\0\0\0\203\0\0\0\0\10\0\0\0\70\0\0' | dd of="$1" bs=1 seek=446 conv=notrunc status=none
	printf '\125\252' | dd of="$1" bs=1 seek=510 conv=notrunc status=none
}

# all_there: what whoever has just heard of the device may use
all_there() { [[ -b ${dev}p1 && /dev/ublk/by-name/x -ef $dev && /dev/ublk/by-name/x-part1 -ef ${dev}p1 ]]; }

@test "partitions and links are there when add or start is done, and del is not kept off by udev" {
	local i rounds
	rounds=$(rounds 20)
	install_rule
	partitioned "$tmp/image"
	for ((i = 0; i < rounds; i++)); do
		dev=$(ublkctl add -t loop -f "$tmp/image" --name x)
		all_there
		ublkctl stop x
		ublkctl start x
		all_there
		within 20 ublkctl del x
	done
}
@test "up: so are those of a line of ublktab" {
	install_rule
	partitioned "$tmp/image"
	printf 'x loop %s\n' "$tmp/image" >"$tmp/ublktab"
	within 20 ublkctl up --file "$tmp/ublktab" --all
	dev=$(readlink -f /dev/ublk/by-name/x)
	all_there
	within 20 ublkctl down --file "$tmp/ublktab" --all
}
# bats test_tags=long
@test "del right after add of a disk with partitions" {
	local i rounds
	rounds=$(rounds 10)
	partitioned "$tmp/image"
	for ((i = 0; i < rounds; i++)); do
		dev=$(ublkctl add -t loop -f "$tmp/image")
		echo change >"/sys/block/${dev#/dev/}/uevent"
		within 20 ublkctl del "$dev"
	done
}
@test "udev that does not come to it is waited for within the timeout, and told of" {
	udevadm control --stop-exec-queue
	defer udevadm control --start-exec-queue
	truncate -s 1M "$tmp/image"
	output=$(ublkctl --timeout 2 add -t loop -f "$tmp/image" 2>"$tmp/err")
	dev=$output
	[[ $(without_progress <"$tmp/err") == "ublkctl: $dev is there, but udev is not done with it after 2000 ms"* ]]
	reads "$dev"
	udevadm control --start-exec-queue
	within 20 ublkctl del "$dev"
}

# Who has locked the image gives it back when its server has ended, and no command says so before.
# bats test_tags=long
@test "the file is free when del --force, stop, SIGTERM or ublk del is done" {
	local i rounds how
	rounds=$(rounds 8)
	mkdir "$tmp/mnt"
	truncate -s 64M "$tmp/disk"
	mkfs.ext4 -q -F "$tmp/disk"
	ln -s "$UBLKCTL" "$tmp/ublk"
	for ((i = 0; i < rounds; i++)); do
		for how in force stop term ublk; do
			mount -o loop "$tmp/disk" "$tmp/mnt"
			truncate -s 4M "$tmp/mnt/image"
			dev=$(ublkctl add -t loop -f "$tmp/mnt/image")
			id=${dev#/dev/ublkb}
			reads "$dev"
			case $how in
			force) ublkctl del --force "$id" ;;
			stop) ublkctl stop "$id" ;;
			term)
				pid=$(handler)
				kill "$pid"
				wait_until 20 test ! -e "/proc/$pid"
				;;
			ublk) "$tmp/ublk" del -n "$id" ;;
			esac
			umount "$tmp/mnt" || { echo "$how, round $i" >&2; false; }
			[[ $how != stop ]] || ublkctl del "$id"
		done
	done
}
# bats test_tags=long
@test "add of a file right after its server was killed" {
	local i rounds
	rounds=$(rounds 8)
	truncate -s 4M "$tmp/image"
	for ((i = 0; i < rounds; i++)); do
		add_device -t loop -f "$tmp/image"
		kill -KILL "$(handler)"
		ublkctl del --force "$id"
		dev=$(ublkctl add -t loop -f "$tmp/image")
		ublkctl del "$dev"
	done
}

# Their owners open the node once more to give it up.
@test "del --lazy leaves the node to swap and to what is stacked on it" {
	truncate -s 16M "$tmp/image"
	add_device -t loop -f "$tmp/image"
	run_check mkswap "$dev"
	swapon "$dev"
	defer sh -c "swapoff $dev 2>/dev/null; true"
	within 20 ublkctl del --lazy "$id"
	[[ -b $dev ]]
	swapoff "$dev"
	wait_until 20 test ! -e "$dev"
	add_device -t loop -f "$tmp/image"
	dmsetup create stacked --table "0 8192 linear $dev 0"
	defer sh -c 'dmsetup remove stacked 2>/dev/null; true'
	within 20 ublkctl del --lazy "$id"
	[[ -b $dev ]]
	dmsetup remove stacked
	wait_until 20 test ! -e "$dev"
}

# bats test_tags=long
@test "del --all of 60 idle devices takes seconds" {
	local i began
	for ((i = 0; i < 60; i++)); do ublkctl add -t null >/dev/null; done
	began=${EPOCHREALTIME/./}
	within 20 ublkctl del --all
	echo "# $(((${EPOCHREALTIME/./} - began) / 1000)) ms" >&3
}
