#!/usr/bin/env bats
# What systemd's generator makes of /etc/ublktab, on the model: units are files here, and no systemd runs.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, root, out ... are set by helpers
load helpers

units=$BATS_TEST_TMPDIR/units

# generate LINE...: of a file of these lines; sets err, to be silent if there is nothing to say
generate() {
	rm -rf "$units"
	mkdir -p "$root/etc" "$units"
	printf '%s\n' "$@" >"$root/etc/ublktab"
	works_so ublktab generate "$units" "$tmp/early" "$tmp/late"
}
works_so() { invoke "$@"; if ((status)) || [[ $out ]]; then complain "it did not work: $*"; fi; }

drop_in() { cat "$units/ublkctl@$1.service.d/50-ublktab.conf"; }

# says NAME LINE...: its drop-in has these lines
says() {
	local line name=$1
	for line in "${@:2}"; do
		drop_in "$name" | grep -qxF -- "$line" || complain "not there: $line" "$(drop_in "$name")" || return
	done
}
says_not() { if drop_in "$1" | grep -E -- "$2"; then complain "there: $2"; fi; }

# links LIST: all that is pulled in, as BY.HOW/UNIT
links() { same "$(find "$units" -type l -printf '%P\n' | sort | paste -sd ' ')" "$1"; }

@test "a line: its device and the boot pull its unit in, and mounts come after it" {
	generate 'disk ramdisk - size=1M'
	same "$err" ''
	links 'dev-ublk-by\x2dname-disk.device.requires/ublkctl@disk.service sysinit.target.wants/ublk.target ublk.target.requires/ublkctl@disk.service'
	same "$(readlink "$units/ublk.target.requires/ublkctl@disk.service" | sed 's|.*/||')" 'ublkctl@.service'
	says disk "SourcePath=$root/etc/ublktab" Conflicts=umount.target Before=umount.target Before=ublk.target \
		'Before=blockdev@dev-ublk-by\x2dname-disk.target' 'Wants=blockdev@dev-ublk-by\x2dname-disk.target' \
		Wants=local-fs-pre.target Before=local-fs-pre.target
	says_not disk 'Requires|network|remote'
}

@test "noauto, nofail: nothing waits for them" {
	generate 'a ramdisk - size=1M,noauto' 'b ramdisk - size=1M,nofail'
	links 'dev-ublk-by\x2dname-a.device.requires/ublkctl@a.service dev-ublk-by\x2dname-b.device.requires/ublkctl@b.service sysinit.target.wants/ublk.target ublk.target.wants/ublkctl@b.service'
	says_not a '=ublk.target'
	says_not b '=ublk.target'
}

@test "_netdev" {
	generate 'a loop /srv/image _netdev'
	links 'dev-ublk-by\x2dname-a.device.requires/ublkctl@a.service multi-user.target.wants/remote-ublk.target remote-ublk.target.requires/ublkctl@a.service'
	says a Before=remote-ublk.target Wants=network-online.target 'After=network-online.target remote-fs-pre.target'
	says_not a 'local-fs-pre|=ublk.target'
}

@test "a file: below what fstab mounts, or a unit, it cannot be before that" {
	mkdir -p "$root"/etc/systemd/system
	printf '%s\n' '/dev/sda1 / ext4 defaults 0 1' '/dev/sda2 /srv\040x ext4 defaults 0 2' >"$root/etc/fstab"
	: >"$root/etc/systemd/system/mnt-a\\x2db.mount"
	generate 'a loop /srv/image' 'b loop /srv\040x/100%/image' 'c loop /mnt/a-b/c/image'
	same "$err" ''
	says a Before=local-fs-pre.target After=systemd-remount-fs.service 'RequiresMountsFor= "/srv/image" "/srv/image"'
	says b 'RequiresMountsFor= "/srv x/100%%/image" "/srv x/100%%/image"'
	says_not b local-fs-pre
	says_not c local-fs-pre
}

@test "a block device is waited for" {
	generate 'a loop /dev/disk/by-id/x-1_2.3'
	says a 'Requires=dev-disk-by\x2did-x\x2d1_2.3.device' 'After=dev-disk-by\x2did-x\x2d1_2.3.device' Before=local-fs-pre.target
	says_not a 'RequiresMountsFor|remount'
}

@test "x-initrd.attach: stays to the end; in an initramfs there is nothing else" {
	generate 'a ramdisk - size=1M,x-initrd.attach' 'b ramdisk - size=1M'
	says_not a umount
	says b Conflicts=umount.target
	: >"$root/etc/initrd-release"
	generate 'a ramdisk - size=1M,x-initrd.attach' 'b ramdisk - size=1M'
	links 'dev-ublk-by\x2dname-a.device.requires/ublkctl@a.service sysinit.target.wants/ublk.target ublk.target.requires/ublkctl@a.service'
}

@test "names with dashes and dots" {
	generate 'web-1.b_c ramdisk - size=1M'
	links 'dev-ublk-by\x2dname-web\x2d1.b_c.device.requires/ublkctl@web-1.b_c.service sysinit.target.wants/ublk.target ublk.target.requires/ublkctl@web-1.b_c.service'
	generate "a$(printf -- '-%.0s' {1..62}) ramdisk - size=1M" 'b ramdisk - size=1M'
	same "$err" "ublkctl: a$(printf -- '-%.0s' {1..62}): systemd has no room for a name with so many dashes"
	says b Before=ublk.target
}

@test "broken lines are told of and left out, and the others are not" {
	generate 'a ramdisk - size=nothing' 'b ramdisk - size=1M' 'c nosuch' 'b2 null' '1' 'b2 null'
	same "$(grep -c '; this line is left out$' <<<"$err")" 5
	same "${err%%$'\n'*}" "ublkctl: $root/etc/ublktab:1:13: --size: 'nothing' is not a size; write a number and perhaps K, M, G, T (1024) or KB, MB, GB, TB (1000); this line is left out"
	links 'dev-ublk-by\x2dname-b.device.requires/ublkctl@b.service sysinit.target.wants/ublk.target ublk.target.requires/ublkctl@b.service'
}

@test "no file: nothing to do; one that cannot be read, or no directory, is told of" {
	rm -f "$root/etc/ublktab"
	works ublktab generate "$units" "$tmp" "$tmp"
	invoke ublktab generate "$units" "$tmp"
	one_line 2 'ublktab: usage: ublkctl ublktab generate NORMAL EARLY LATE' || [[ $status == 2 ]]
	generate 'a ramdisk - size=1M'
	rm -r "$units"
	invoke ublktab generate "$units" "$tmp" "$tmp"
	same "$err" "ublkctl: $units/ublkctl@a.service.d: No such file or directory"
}

@test "systemd takes them, and finds no cycle" {
	[[ $(type -P systemd-analyze) ]] || skip 'no systemd-analyze'
	generate 'a-1 ramdisk - size=1M' 'b ramdisk - size=1M,nofail' 'c loop /srv/image _netdev' 'd loop /dev/sda noauto' \
		'e loop /srv/a%b\040"c\134d'
	same "$err" ''
	cp "$top"/systemd/*.target "$units"
	sed "s|^ExecStart=[^ ]*|ExecStart=$(type -P true)|" "$BUILD/systemd/ublkctl@.service" >"$units/ublkctl@.service"
	# shellcheck disable=SC2046
	SYSTEMD_UNIT_PATH=$units:/lib/systemd/system systemd-analyze verify --man=no --generators=no \
		$(cd "$units" && printf '%s\n' *.service.d | sed 's/\.d$//' | grep -v '@\.') ublk.target >"$tmp/out" 2>&1 || complain "$(<"$tmp/out")"
	# Whatever else it says is of other units.
	grep -E 'ublk|cycle' "$tmp/out" && complain "$(<"$tmp/out")"
	same "$(drop_in e | grep Requires)" 'RequiresMountsFor= "/srv/a%%b \"c\\d" "/srv/a%%b \"c\\d"'
}
