#!/usr/bin/env bats
# What users of other ublk servers complain about most, each in its own words. More of each is in the files named behind.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid ... are set by helpers
load helpers

@test "add hangs or fails with no message" { # faults.bats of tests/cli
	refused 1 "$tmp/none: No such file or directory" timeout -k 5 20 "$UBLKCTL" add -t loop -f "$tmp/none"
	refused 2 "--file" timeout -k 5 20 "$UBLKCTL" add -t loop
	refused 3 "it gives at most one per CPU" timeout -k 5 20 "$UBLKCTL" add -t null -q 64
}

@test "meaningless exit codes" { # bad_input.bats, faults.bats
	add_device -t null --name taken
	must_fail 2 ublkctl add -t nothing
	must_fail 3 ublkctl add -t null -q 64
	must_fail 4 setpriv --reuid 65534 --regid 65534 --clear-groups "$UBLKCTL" add -t null
	must_fail 6 ublkctl show 999
	must_fail 8 ublkctl add -t null --name taken
	must_fail 8 ublkctl add -t null -n "$id"
	exec {opened}<"$dev"
	must_fail 7 ublkctl del "$id"
	exec {opened}<&-
}

@test "no way to find or remove orphans after a crash" { # gc.bats
	add_device -t null
	kill -KILL "$pid"
	wait_until 20 gone "$pid"
	wait_until 20 is DEAD
	ublkctl gc --dry-run | grep -q "^$dev: would be removed: "
	run_check ublkctl gc
	[[ ! -e /sys/class/ublk-char/ublkc$id ]]
}
is() { [[ $(ublkctl list --raw --noheadings -o STATE "$id") == "$1" ]]; }

@test "the id, not the backing file, is the only handle" { # names.bats
	truncate -s 16M "$tmp/image"
	add_device -t loop -f "$tmp/image" --name mine
	same "$(ublkctl list --raw --noheadings -o ID mine)" "$id"
	same "$(ublkctl add -t loop -f "$tmp/image" --name mine --if-absent)" "$dev"
	run_check ublkctl del --file "$tmp/image"
	[[ ! -e $dev ]]
}

# Others printed it when udev, or the node's size, was not there yet
@test "path printed before it is usable, so mkfs hit the wrong device" { # life.bats
	local i
	for ((i = 0; i < 5; i++)); do
		add_device -t ramdisk --size 16M
		run_check mkfs.ext4 -q -F "$dev"
		run_check ublkctl del "$id"
	done
}

@test "no bounded waits" { # hang.bats
	add_device -t ramdisk --size 16M
	kill -STOP "$pid"
	wait_until 10 stopped "$pid"
	refused 9 "stop" timeout -k 5 20 "$UBLKCTL" --timeout 1 del "$id"
	kill -CONT "$pid"
	run_check ublkctl del "$id"
}

@test "EACCES unexplained (node mode, module, io_uring_disabled, ublks_max)" { # doctor.bats
	refused 4 "user 65534 is not root" setpriv --reuid 65534 --regid 65534 --clear-groups "$UBLKCTL" add -t null
	echo 2 >/proc/sys/kernel/io_uring_disabled
	refused 4 "io_uring is switched off (kernel.io_uring_disabled is 2)" ublkctl add -t null
	[[ $output == *"; run 'sysctl kernel.io_uring_disabled=0'" ]]
	run_check sysctl kernel.io_uring_disabled=0
}

@test "ids above 128 or 254 missed" { # life.bats
	local high
	add_device -t null -n 129; high=$id
	add_device -t null -n 300
	same "$(ublkctl list --raw --noheadings -o ID)" $'129\n300'
	run_check ublkctl del 300
	same "$(ublkctl list --raw --noheadings -o ID)" 129
}

@test "no online resize" { # resize.bats
	add_device -t ramdisk --size 16M
	if [[ $(ublkctl list --raw --noheadings -o FEATURES "$id") == *update-size* ]]; then
		exec {opened}<"$dev"
		run_check ublkctl resize "$id" --size 32M
		same "$(blockdev --getsize64 "$dev")" $((32 << 20))
		exec {opened}<&-
	else
		refused 3 update-size ublkctl resize "$id" --size 32M
	fi
}

@test "no upgrade without kill -9" { # upgrade.bats
	add_device -t ramdisk --size 16M --recovery reissue
	exec {opened}<"$dev"
	run_check ublkctl upgrade "$id"
	gone "$pid"
	reads "$dev"
	exec {opened}<&-
}

@test "recovery hard to understand" { # recovery.bats
	add_device -t ramdisk --size 16M
	kill -KILL "$pid"
	wait_until 20 is DEAD
	refused 1 "was made without --recovery; delete it and make it anew" ublkctl recover "$id"
	run_check ublkctl del "$id"
	add_device -t ramdisk --size 16M --recovery queue
	refused 7 "is being served by process" ublkctl recover "$id"
	kill -KILL "$(handler)"
	run_check ublkctl recover "$id"
	reads "$dev"
}

@test "udev races" { # busy.bats, names.bats
	local i
	for ((i = 0; i < 10; i++)); do
		add_device -t ramdisk --size 16M
		run_check ublkctl del "$id"
	done
}

@test "4K-sector EINVAL" { # limits.bats
	sector_disk 16M 4096
	add_device -t loop -f "$disk"
	same "$(sysfs queue/logical_block_size)" 4096
	run_check dd if=/dev/zero of="$dev" bs=4096 count=16 oflag=direct
	run_check ublkctl del "$id"
	refused 2 "--logical-block-size: 512 is less than the 4096 that the data needs" ublkctl add -t loop -f "$disk" --logical-block-size 512
}

@test "list output that scripts parse by column number and that changed between releases" { # show.bats
	add_device -t null --name web
	same "$(ublkctl list --raw --noheadings -o STATE,NAME,ID)" "LIVE web $id"
	ublkctl list --json | jq -e ".schema_version == 1 and .devices[0].name == \"web\" and .devices[0].id == $id"
}
