#!/usr/bin/env bats
# Devices of plain users, with the udev rules as they are installed: alice and bob are in the group, carol is not.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid ... are set by helpers
load helpers
load users

alice=1001 bob=1002 carol=1003
setup_file() { let_in $alice $bob $carol; }
teardown_file() { shut_out $alice $bob $carol; }

# as USER COMMAND...: with nothing of root's but, for two of them, the group
as() {
	local user=$1 group=$ublk_gid
	shift
	if ((user == carol)); then group=$user; fi
	if [[ $1 == ublkctl ]]; then set -- "$theirs" "${@:2}"; fi
	XDG_RUNTIME_DIR=/run/user/$user setpriv --reuid "$user" --regid "$user" --groups "$group" --inh-caps=-all "$@"
}

# add_as USER OPTION...: sets dev, id and pid
add_as() {
	local out
	out=$(as "$1" ublkctl add --unprivileged --json "${@:2}")
	id=$(number_of id "$out")
	pid=$(number_of pid "$out")
	dev=/dev/ublkb$id
	defer remove_device "$id"
	defer remove_as "$1" "$id"
}

remove_as() { if [[ -e /sys/class/ublk-char/ublkc$2 ]]; then as "$1" ublkctl del "$2"; fi; }

# Nothing but the locks may stay in a user's directory.
no_records() { same "$(find /run/user/*/ublkctl ! -name '.lock*' -type f)" ''; }

# her_directory DIRECTORY: alice's, which she can reach
her_directory() {
	mkdir "$1"
	chmod 755 "$1" "$tmp" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/*
	chown $alice "$1"
}

# image_with_partition DIRECTORY: alice's
image_with_partition() {
	her_directory "$1"
	truncate -s 16M "$1/image"
	printf '\0\0\0\0\x83\0\0\0\0\x08\0\0\0\x08\0\0%048d\x55\xaa' 0 | tr 0 '\0' |
		dd of="$1/image" bs=1 seek=446 conv=notrunc status=none
	chown $alice "$1/image"
}

@test "a file of alice's: made, written, read back, shown and deleted by her" {
	her_directory "$tmp/a"
	truncate -s 32M "$tmp/a/image"
	chown $alice "$tmp/a/image"
	add_as $alice -t loop -f "$tmp/a/image" --name disk
	same "$(stat -c '%u %g %a' "/dev/ublkc$id" "$dev" | uniq)" "$alice $alice 600"
	run_check as $alice fio --name=verify --filename="$dev" --direct=1 --rw=randwrite --bs=4k --size=2M --iodepth=16 \
		--ioengine=io_uring --verify=crc32c --output="$tmp/a/fio"
	same "$(as $alice ublkctl list --raw --noheadings -o ID,NAME,OWNER,GROUP,UNPRIVILEGED,TARGET,STATE,RECORD)" \
		"$id disk $alice $alice 1 loop LIVE ok"
	as $alice ublkctl show --json disk >"$tmp/shown"
	jq -e '.queues[0].writes >= 512 and .params.dev_sectors == 65536 and (.features | index("unprivileged"))' "$tmp/shown"
	run_check as $alice ublkctl set --cpus 0 "$dev"
	run_check as $alice ublkctl del disk
	no_records
	[[ ! -e $dev ]]
}

@test "two users do not see each other's devices, and root sees both" {
	local hers his
	add_as $alice -t ramdisk --size 16M; hers=$id
	add_as $bob -t null --size 1G; his=$id
	same "$(as $alice ublkctl list --noheadings --raw -o ID,TARGET)" "$hers ramdisk"
	same "$(as $bob ublkctl list --noheadings --raw -o ID,TARGET)" "$his null"
	refused 4 "device $hers belongs to another user; run as that user, or as root" as $bob ublkctl list "$hers"
	refused 4 "device $hers belongs to another user" as $bob ublkctl show "/dev/ublkb$hers"
	refused 4 "device $hers belongs to another user" as $bob ublkctl del --force "$hers"
	must_fail any as $bob dd if="/dev/ublkb$hers" of=/dev/null count=1 status=none
	chmod 666 "/dev/ublkb$hers"	# she may not share it, either: the driver sees to that
	must_fail any as $bob dd if="/dev/ublkb$hers" of=/dev/null count=1 status=none
	same "$(ublkctl list --noheadings --raw -o ID,OWNER,UNPRIVILEGED,RECORD)" "$hers $alice 1 none
$his $bob 1 none"
	# Who may not ask the driver is told so, and not that there are no devices.
	refused 4 '/dev/ublk-control: user ' as $carol ublkctl list
	refused 4 '/dev/ublk-control: user ' as $carol ublkctl del "$hers"
	run_check as $bob ublkctl del --all
	same "$(ublkctl list --noheadings --raw -o ID)" "$hers"
	ublkctl show "$hers" | grep -q unprivileged
	within 60 ublkctl del "$hers"
	as $alice ublkctl gc >"$tmp/gc"	# root has left her record alone
	grep -q "^/run/user/1001/ublkctl/$hers.json: removed: there is no such device" "$tmp/gc"
	no_records
}

@test "what is refused, and why" {
	local max=/sys/module/ublk_drv/parameters/ublks_max
	refused 2 '--unprivileged is for plain users, and this process has CAP_SYS_ADMIN' ublkctl add -t null --unprivileged
	refused 4 'the driver refused ADD_DEV: user *is not root *or see ublkctl-unprivileged' as $alice ublkctl add -t null
	refused 4 '/dev/ublk-control: user *is not root *or see ublkctl-unprivileged' \
		as $carol ublkctl add -t null --unprivileged
	refused 3 'the driver gives unprivileged devices no recovery; leave out --recovery' \
		as $alice ublkctl add -t null --unprivileged --recovery reissue
	chmod 755 /run/user/$alice
	refused 1 'there is no place for the record: set XDG_RUNTIME_DIR' \
		as $alice env -u XDG_RUNTIME_DIR "$theirs" add -t null --unprivileged
	chmod 700 /run/user/$alice
	defer sh -c "echo $(<$max) >$max"
	echo 1 >$max
	add_as $alice -t null
	refused 4 "the driver's limit ublks_max is " as $alice ublkctl add -t null --unprivileged
	same "$(ublkctl list --noheadings --raw -o ID)" "$id"
	as $alice env -u XDG_RUNTIME_DIR "$theirs" show "$id" | grep -q 'target: *null'
}

@test "without the rules: add says so in bounded time, and root deletes what is left" {
	udevadm settle
	mv "$rules" "$tmp/rules"
	udevadm control --reload
	udevadm settle
	defer sh -c "mv $tmp/rules $rules; udevadm control --reload"
	refused 4 'udev has not given you /dev/ublkc0 within 1000 ms (Permission denied): ublkctl'\''s udev rules are not installed' \
		as $alice ublkctl --timeout 1 add -t null --unprivileged
	same "$(as $alice ublkctl list --noheadings)" ''
	within 20 ublkctl del 0
	no_records
}

@test "kill -9 of her handler: gc is hers, and not root's" {
	add_as $alice -t ramdisk --size 16M
	kill -KILL "$pid"
	wait_until 20 eval "as $alice ublkctl list --noheadings --raw -o STATE $id | grep -q DEAD"
	must_fail any as $alice dd if="$dev" of=/dev/null count=1 status=none
	same "$(ublkctl gc)" "$dev: kept: it is a plain user's; --all-owners removes that, too"
	same "$(as $alice ublkctl gc)" "$dev: removed: its handler is dead, and it cannot be started again"
	no_records
}

@test "a handler that hangs is killed by the driver" {
	add_as $alice -t ramdisk --size 16M
	echo 1000 >"/sys/block/${dev#/dev/}/queue/io_timeout"
	kill -STOP "$pid"
	must_fail any as $alice timeout -k 5 30 dd if="$dev" of=/dev/null bs=4096 count=1 iflag=direct status=none
	wait_until 20 gone "$pid"
	run_check as $alice ublkctl del "$id"
	no_records
}

@test "udev: her name is not root's, and nothing of the system looks into her device" {
	image_with_partition "$tmp/a"
	add_as $alice -t loop -f "$tmp/a/image" --name web
	udevadm settle --timeout 30
	[[ ! -e ${dev}p1 ]]
	[[ ! -e /dev/ublk/by-name/web ]]
	udevadm info -q property "$dev" >"$tmp/properties"
	grep -qx UDEV_DISABLE_PERSISTENT_STORAGE_RULES_FLAG=1 "$tmp/properties"
	grep -qx SYSTEMD_READY=0 "$tmp/properties"
	cp "$tmp/a/image" "$tmp/image"
	add_device -t loop -f "$tmp/image" --name web
	wait_until 30 test -e "${dev}p1"
	udevadm settle --timeout 30
	same "$(readlink -f /dev/ublk/by-name/web)" "$dev"
	same "$(stat -c %u "/dev/ublkc$id" "$dev" | uniq)" 0
}

@test "resize by her, and the end of her handler" {
	add_as $alice -t ramdisk --size 16M
	if ublkctl show "$id" | grep -q update-size; then
		run_check as $alice ublkctl resize --size 32M "$id"
		same "$(sysfs size)" 65536
	else
		refused 3 "did not grant update-size" as $alice ublkctl resize --size 32M "$id"
	fi
	kill -TERM "$pid"
	wait_until 20 gone "$pid"
	[[ ! -e $dev ]]
	no_records
}

# contained COMMAND...: alice in a container with mounts and processes of its own, and the host's /dev
contained() { as $alice unshare --user --map-root-user --mount --pid --fork --mount-proc "$@"; }

@test "in a container: own users, processes and mounts, and the host's /dev; its end is that of its handlers" {
	contained bash -c "
		set -e
		'$theirs' add -t ramdisk --size 16M --unprivileged
		'$theirs' list --raw --noheadings -o DEVICE,OWNER,RECORD
		dd if=/dev/ublkb0 of=/dev/null bs=1M count=16 status=none
		'$theirs' del 0
		'$theirs' add -t null --unprivileged" >"$tmp/out"
	same "$(<"$tmp/out")" "/dev/ublkb0
/dev/ublkb0 $alice ok
/dev/ublkb0"
	wait_until 20 eval "as $alice ublkctl list --noheadings --raw -o STATE 0 | grep -q DEAD"
	run_check as $alice ublkctl gc
	no_records
}

# In a container with a /dev of its own: what of the host's is named is there, too; and then the rest of the arguments
# shellcheck disable=SC2016  # for the shell in there
own_dev='
	set -e
	mkdir "$1/dev"
	mount -t tmpfs -o mode=755 none "$1/dev"
	for node in null $2; do : >"$1/dev/$node"; mount --bind "/dev/$node" "$1/dev/$node"; done
	mount --rbind "$1/dev" /dev
	"${@:3}"'

@test "in a container with a /dev of its own: what there is in it can be used, and nothing made" {
	local made
	her_directory "$tmp/a"
	add_as $alice -t ramdisk --size 16M
	contained bash -c "$own_dev" - "$tmp/a" "ublk-control ublkc$id ublkb$id" bash -c "
		'$theirs' list --raw --noheadings -o ID,TARGET,RECORD
		dd if=$dev of=/dev/null bs=1M count=16 status=none" >"$tmp/out"
	same "$(<"$tmp/out")" "$id ramdisk ok"
	refused 4 "this /dev is not the machine's, in which device " \
		contained bash -c "${own_dev/mkdir/mkdir -p}" - "$tmp/a" ublk-control "$theirs" --timeout 1 add -t null --unprivileged
	# Not always the next id: that of a device that has just gone may not be free yet.
	made=${output##*in which device } made=${made%% *}
	[[ $output == *"there is no /dev/ublkc$made after 1000 ms"* ]]
	run_check as $alice ublkctl del "$made"
}
