#!/usr/bin/env bats
# File systems on our devices: made, filled, checked, and the same after another mount.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

setup_file() {
	local tree=$BATS_FILE_TMPDIR/tree
	mkdir "$tree"
	cp -r /usr/include/linux/{netfilter,can,byteorder,sched,[a-d]*.h} "$tree"
	(cd "$tree" && find . -type f -exec sha256sum {} + >../sums)
	tar -C "$tree" -cf "$BATS_FILE_TMPDIR/tree.tar" .
	# A test that has nothing to check would pass.
	(($(wc -l <"$BATS_FILE_TMPDIR/sums") > 100))
}

sums_match() { (cd "$mnt" && sha256sum --quiet -c "$BATS_FILE_TMPDIR/sums"); }

# tree_survives MKFS FSCK KIND
tree_survives() {
	mnt=$tmp/mnt
	make_data "$3" 320M
	add_device "${target[@]}" -q 2
	# shellcheck disable=SC2086
	run_check $1 "$dev"
	mount_at "$dev" "$mnt"
	tar -C "$mnt" -xf "$BATS_FILE_TMPDIR/tree.tar"
	umount "$mnt"
	# shellcheck disable=SC2086
	run_check $2 "$dev"
	mount "$dev" "$mnt"
	run_check sums_match
	umount "$mnt"
	shown '.queues | all(.errors == 0)'
}

ext4() { tree_survives "mkfs.ext4 -q" "e2fsck -fn" "$1"; }
xfs() { tree_survives "mkfs.xfs -q" "xfs_repair -n" "$1"; }

@test "ext4 on ramdisk" { ext4 ramdisk; }
@test "ext4 on loop over a sparse file" { ext4 sparse; }
@test "ext4 on loop over a full file" { ext4 full; }
@test "ext4 on loop at an offset" { ext4 offset; }
@test "ext4 on loop over 4096-byte sectors" { ext4 sector; }
@test "xfs on ramdisk" { xfs ramdisk; }
@test "xfs on loop over a sparse file" { xfs sparse; }
@test "xfs on loop over a full file" { xfs full; }
@test "xfs on loop at an offset" { xfs offset; }
@test "xfs on loop over 4096-byte sectors" { xfs sector; }
