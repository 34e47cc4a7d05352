#!/usr/bin/env bats
# A change of a device has one owner, survives its death, and changes the device that was meant: what the driver makes of
# it. What the commands say is in tests/cli/owner.bats.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # dev, id, pid, tmp are set by helpers
load helpers

# Linux 6.12 cannot resize.
new_kernel() { (($(uname -r | cut -d. -f1) >= 7)); }
state_is() { [[ $(listed ".[] | select(.id == $id).state") == "$1" ]]; }
# lost: the server is dead, and the driver knows it
lost() {
	kill -KILL "$(handler)"
	wait_until 20 state_is QUIESCED
}

# --- the file that is behind a device ---

# An image on a mounted device, and another that takes its name, as rsync, qemu-img and package managers do
replaced_image() {
	truncate -s 16M "$tmp/a.img" "$tmp/n.img"
	add_device -t loop -f "$tmp/a.img" --recovery reissue "$@"
	run_check mkfs.ext4 -q -F "$dev"
	mount_at "$dev" "$tmp/mnt"
	echo kept >"$tmp/mnt/file"
	sync -f "$tmp/mnt/file"
	ln "$tmp/a.img" "$tmp/kept.img"
	mv "$tmp/n.img" "$tmp/a.img"
}
# The mounted file system goes on, and the other file is as it was
goes_on_mounted() {
	echo 3 >/proc/sys/vm/drop_caches
	same "$(<"$tmp/mnt/file")" kept
	echo more >"$tmp/mnt/more"
	sync -f "$tmp/mnt/more"
	cmp -n 16777216 "$tmp/a.img" /dev/zero
}

@test "recover refuses a file that has taken the other's name, and serves the old one when that is back" {
	replaced_image
	same "$(listed '.[0].backing')" "$tmp/a.img (deleted)"
	lost
	refused 8 "$tmp/a.img is not what is behind the device: it is inode $(stat -c %i "$tmp/a.img")" ublkctl recover "$id"
	cmp -n 16777216 "$tmp/a.img" /dev/zero
	mv "$tmp/a.img" "$tmp/n.img"
	mv "$tmp/kept.img" "$tmp/a.img"
	within 20 ublkctl recover "$id"
	echo 3 >/proc/sys/vm/drop_caches
	same "$(<"$tmp/mnt/file")" kept
	umount "$tmp/mnt"
}
@test "--respawn, and recover by hand: the supervisor has the file, whatever has its name" {
	replaced_image --respawn
	pid=$(handler)
	kill -KILL "$pid"
	wait_until 20 eval "[[ \$(handler) != $pid ]]"
	goes_on_mounted
	within 20 ublkctl upgrade "$id"
	goes_on_mounted
	umount "$tmp/mnt"
}
@test "start refuses a file that has taken the other's name" {
	truncate -s 16M "$tmp/a.img" "$tmp/n.img"
	add_device -t loop -f "$tmp/a.img"
	within 20 ublkctl stop "$id"
	ln "$tmp/a.img" "$tmp/kept.img"
	mv "$tmp/n.img" "$tmp/a.img"
	refused 8 'is not what is behind the device' ublkctl start "$id"
	mv "$tmp/kept.img" "$tmp/a.img"
	within 20 ublkctl start "$id"
}
@test "a link that is put there meanwhile is not followed by recover" {
	truncate -s 16M "$tmp/a.img"
	head -c 16777216 /dev/zero | tr '\0' S >/root/secret
	defer rm -f /root/secret
	add_device -t loop -f "$tmp/a.img" --recovery reissue
	mv "$tmp/a.img" "$tmp/kept.img"
	ln -s /root/secret "$tmp/a.img"
	lost
	refused 8 "$tmp/a.img is not what is behind the device" ublkctl recover "$id"
}
@test "add --if-absent: another name of the same file is found, and another file of the same name is not" {
	local other
	truncate -s 4M "$tmp/a.img" "$tmp/n.img"
	add_device -t loop -f "$tmp/a.img"
	ln "$tmp/a.img" "$tmp/hard.img"
	ln -s a.img "$tmp/soft.img"
	same "$(ublkctl add --if-absent -t loop -f "$tmp/hard.img")" "$dev"
	same "$(ublkctl add --if-absent -t loop -f "$tmp/soft.img")" "$dev"
	mv "$tmp/n.img" "$tmp/a.img"
	same "$(ublkctl add --if-absent -t loop -f "$tmp/hard.img")" "$dev"
	other=$(ublkctl add --if-absent -t loop -f "$tmp/a.img")
	[[ $other != "$dev" ]]
	ublkctl del "$other"
}
@test "the path stays as it was given: a stable link of udev's, or what a descriptor leads to" {
	ln -s /dev/ram0 "$tmp/by-id"
	add_device -t loop -f "$tmp/by-id" --recovery reissue
	same "$(ublkctl show --json "$id" | jq -r .backing)" "$tmp/by-id"
	# After a renumbering it leads to another disk.
	ln -sfn /dev/ram1 "$tmp/by-id"
	lost
	refused 8 "$tmp/by-id is not what is behind the device: it is disk 1:1" ublkctl recover "$id"
	ln -sfn /dev/ram0 "$tmp/by-id"
	within 20 ublkctl recover "$id"
}

@test "what the kernel writes to by itself is not taken: a loop device, swap; nor what is write-protected" {
	local loop
	truncate -s 16M "$tmp/a.img"
	loop=$(losetup --show -f "$tmp/a.img")
	defer losetup -d "$loop"
	refused 7 "$tmp/a.img is in use: $loop lies on it" ublkctl add -t loop -f "$tmp/a.img"
	add_device -t loop -f "$tmp/a.img" --read-only
	ext4_dir
	run_check dd if=/dev/zero of="$dir/swap" bs=1M count=4
	run_check mkswap "$dir/swap"
	swapon "$dir/swap"
	defer swapoff "$dir/swap"
	refused 7 "$dir/swap is in use: as swap" ublkctl add -t loop -f "$dir/swap"
	blockdev --setro /dev/ram1
	defer blockdev --setrw /dev/ram1
	refused 1 '/dev/ram1 is write-protected; use --read-only' ublkctl add -t loop -f /dev/ram1
	add_device -t loop -f /dev/ram1 --read-only
	same "$(blockdev --getro "$dev")" 1
}

# --- the runtime directory is full ---

# full_run: from now on there is no room for records but where they are
full_run() {
	mkdir -p "$run_dir"
	mount -t tmpfs -o "size=$1,mode=755" none "$run_dir"
	defer umount "$run_dir"
}
fill_run() { head -c 1M /dev/zero >"$run_dir/ballast" 2>/dev/null || true; }

@test "a full runtime directory takes no working device away: upgrade, recover, stop, start, resize, set" {
	full_run 64K
	add_device -t ramdisk --size 16M --recovery reissue
	client=$(dirname "$UBLKCTL")/../tests/client
	"$client" fill "$dev" A:0:65536
	fill_run
	within 20 ublkctl upgrade "$id"
	within 20 ublkctl upgrade "$id"
	lost
	within 20 ublkctl recover "$id"
	within 20 ublkctl set --cpus 0 "$id"
	if new_kernel; then within 20 ublkctl resize --size 32M "$id"; fi
	within 20 ublkctl stop "$id"
	within 20 ublkctl start "$id"
	same "$(head -c 65536 "$dev" | tr -d A | wc -c)" 0
	refused 1 "No space left on device" ublkctl add -t null
	rm "$run_dir/ballast"
	ublkctl del "$id"
}

# --- processes that die ---

# at_rest KIND: only the server is there, and for a ramdisk the supervisor
at_rest() {
	local expected=1
	if [[ $1 == ramdisk ]]; then expected=2; fi
	(($(processes | wc -l) == expected))
}

# What `resize` has begun, the next change finishes or takes back.
@test "resize that is killed at any moment: the device can be used, upgraded, stopped and started" {
	local i size kind
	new_kernel || return 0
	for kind in ramdisk loop; do
		for i in {0..9}; do
			truncate -s 8M "$tmp/image"
			case $kind in
			ramdisk) add_device -t ramdisk --size 8M --recovery reissue ;;
			loop) add_device -t loop -f "$tmp/image" --recovery reissue ;;
			esac
			size=$((i % 2 ? 16 : 4))M
			"$UBLKCTL" resize --force --size "$size" "$id" >/dev/null 2>&1 3>&- &
			sleep "0.0$(printf %02d $((i * 3)))"
			kill -KILL $! 2>/dev/null || true
			wait $! 2>/dev/null || true
			# What its child has in the kernel comes to its end.
			wait_until 20 at_rest "$kind"
			size=$(<"/sys/block/${dev#/dev/}/size")
			within 20 ublkctl upgrade "$id"
			kill -KILL "$(handler)"
			wait_until 20 state_is QUIESCED
			within 20 ublkctl recover "$id"
			within 20 ublkctl stop "$id"
			within 20 ublkctl start "$id"
			same "$(<"/sys/block/${dev#/dev/}/size")" "$size" "$kind $i"
			reads "$dev"
			within 20 ublkctl del "$id"
		done
	done
}

# All at once: one of them does it, and the others find that it is done.
@test "recover by four processes at once: one server, one supervisor, one record" {
	local i j rounds
	rounds=$(rounds 20)
	truncate -s 16M "$tmp/image"
	add_device -t loop -f "$tmp/image" --recovery reissue --respawn
	for ((i = 0; i < rounds; i++)); do
		kill -KILL "$(handler)"
		for j in {1..4}; do "$UBLKCTL" recover "$id" >/dev/null 2>&1 3>&- & done
		wait
		wait_until 20 state_is LIVE
		wait_until 20 alone
		reads "$dev"
	done
}
# alone: a server and a supervisor, which the record names, and no other process of ours
alone() {
	local keeper server
	server=$(handler)
	keeper=$(shown .keeper_pid)
	same "$(processes | sed 's|[^0-9]||g' | sort -n | xargs)" "$(printf '%s\n' "$keeper" "$server" | sort -n | xargs)"
}

@test "del and add with the same id by two processes, again and again: never the other's device" {
	local i rounds mine=0
	rounds=$(rounds 50)
	(
		for ((i = 0; i < rounds; i++)); do
			"$UBLKCTL" add -t null -n 7 --name other >/dev/null 2>&1 && "$UBLKCTL" del other >/dev/null 2>&1
		done
		true
	) 3>&- &
	for ((i = 0; i < rounds; i++)); do
		if "$UBLKCTL" add -t ramdisk -n 7 --size 1M --name mine >/dev/null 2>"$tmp/err"; then
			mine=$((mine + 1))
			same "$(ublkctl show --json mine | jq -r '"\(.id) \(.target)"')" '7 ramdisk'
			within 20 ublkctl del mine
		fi
	done
	wait
	((mine > 0))
	echo "# mine in $mine of $rounds rounds" >&3
}
