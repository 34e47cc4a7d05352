#!/usr/bin/env bats
# Devices of plain users, on the model: it knows whom a command comes from, and udev has always been there already.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, out, status ... are set by helpers
load helpers

# become UID: from here on this user, with a runtime directory; 0 is root again
become() {
	export UBLKCTL_MODEL_UID=$1 XDG_RUNTIME_DIR=$tmp/user-$1
	mkdir -p "$XDG_RUNTIME_DIR"
	chmod 700 "$XDG_RUNTIME_DIR"
}
teardown() {
	local status=0 file
	clean_up || status=1
	for UBLKCTL_MODEL_UID in 1001 1002 0; do
		export XDG_RUNTIME_DIR=$tmp/user-$UBLKCTL_MODEL_UID
		for file in "$XDG_RUNTIME_DIR"/ublkctl/*.json; do
			if [[ -f $file ]]; then file=${file##*/}; ublkctl del "${file%.json}" || status=1; fi
		done
	done
	unset UBLKCTL_MODEL_UID
	no_faults
	remove_all || status=1
	rm -rf "$root"
	if compgen -G "$tmp/report.*" >/dev/null; then cat "$tmp"/report.* >&2; status=1; fi
	return $status
}

@test "add --unprivileged: owner, record and name are the user's" {
	truncate -s 4M image
	become 1001
	works add -t loop -f image --unprivileged --name disk
	same "$out" "$root/dev/ublkb0"
	works list --raw --noheadings -o ID,NAME,OWNER,GROUP,UNPRIVILEGED,TARGET,RECORD
	same "$out" "0 disk 1001 1001 1 loop ok"
	same "$(shown '.features | index("unprivileged") != null')" true
	same "$(shown .queues[0].errors)" 0
	works set --cpus 0 disk
	works resize --size 8M disk
	works del disk
	same "$(cd "$XDG_RUNTIME_DIR" && echo ublkctl/*)" 'ublkctl/*'
}

@test "another user's device: not listed, and refused by name" {
	local command
	works add -t null
	become 1001
	works add -t null --unprivileged
	become 1002
	works list --noheadings
	same "$out" ''
	for command in list show del 'set --cpus 0' resize recover upgrade; do
		# shellcheck disable=SC2086
		for id in 0 1; do
			invoke $command $id
			one_line 4 "${command%% *}: device $id belongs to another user; run as that user, or as root (*)"
		done
	done
	refused 6 "show: there is no device 'disk'; 'ublkctl list' shows those that there are" show disk
	works gc
	same "$out" ''
}

@test "root: sees users' devices, believes none of their records, and deletes them" {
	become 1001
	works add -t null --unprivileged --name disk
	become 0
	works list --raw --noheadings -o OWNER,UNPRIVILEGED,NAME,TARGET,RECORD
	same "$out" "1001 1   none"
	refused 6 "show: there is no device 'disk'; 'ublkctl list' shows those that there are" show disk
	works del --force 0
	become 1001
	works list --noheadings
	same "$out" ''
	works gc
	same "$(sort <<<"$out")" "$XDG_RUNTIME_DIR/ublkctl/.0.json.spare: removed: there is no such device
$XDG_RUNTIME_DIR/ublkctl/0.json: removed: there is no such device
$XDG_RUNTIME_DIR/ublkctl/0.stats: removed: there is no such device"
}

@test "gc: a record for an id that is another user's now" {
	become 1001
	works add -t null --unprivileged
	become 0
	works del 0
	become 1002
	works add -t null --unprivileged
	become 1001
	works gc
	same "$(sort <<<"$out")" "$XDG_RUNTIME_DIR/ublkctl/.0.json.spare: removed: the device that has this id now is another user's
$XDG_RUNTIME_DIR/ublkctl/0.json: removed: the device that has this id now is another user's
$XDG_RUNTIME_DIR/ublkctl/0.stats: removed: the device that has this id now is another user's"
}

@test "a record of root's is not taken for a user's device, whatever its cookie" {
	become 1001
	works add -t null --unprivileged --name disk
	sed 's/"disk"/"root-disk"/' "$XDG_RUNTIME_DIR/ublkctl/0.json" >"$root/run/0.json"
	defer rm "$root/run/0.json"
	become 0
	works list --raw --noheadings -o NAME,RECORD
	same "$out" " none"
}

@test "add --unprivileged as root" {
	refused 2 "add: --unprivileged is for plain users, and this process has CAP_SYS_ADMIN: leave it out, or run as the user that shall own the device" \
		add -t null --unprivileged
}

@test "what a plain user is refused" {
	become 1001
	refused 4 'add: the driver refused ADD_DEV: this is a plain user to it (Operation not permitted); run as root, or see ublkctl-unprivileged(7)' add -t null
	refused 3 'add: the driver gives unprivileged devices no recovery; leave out --recovery' \
		add -t null --unprivileged --recovery queue
	refused 3 'add: data path user-copy needs user-copy, which unprivileged devices do not get; use --data-path auto' \
		add -t null --unprivileged --data-path user-copy
	works add -t null --unprivileged
	same "$(shown .data_path)" direct
}

@test "ublks_max" {
	rm -r "${root:?}"
	mkdir "$root"
	UBLKCTL_MODEL_UBLKS_MAX=1 "$program" --version >/dev/null
	become 1001
	mkdir -p "$root/sys/module/ublk_drv/parameters"
	echo 1 >"$root/sys/module/ublk_drv/parameters/ublks_max"
	works add -t null --unprivileged
	refused 4 "add: the driver's limit ublks_max is 1, and so many devices there are (Permission denied); run '*" \
		add -t null --unprivileged
	become 0
	works add -t null
}

@test "XDG_RUNTIME_DIR: not absolute, not there, others' too" {
	become 1001
	XDG_RUNTIME_DIR=here refused 1 "add: XDG_RUNTIME_DIR: 'here' is no absolute path; set it to a directory that only you have access to" \
		add -t null --unprivileged
	XDG_RUNTIME_DIR=/nonexistent refused 1 "add: XDG_RUNTIME_DIR: /nonexistent: No such file or directory" add -t null --unprivileged
	chmod 750 "$XDG_RUNTIME_DIR"
	refused 1 "add: XDG_RUNTIME_DIR: $XDG_RUNTIME_DIR is not a directory of yours with mode 0700; set it to one" \
		add -t null --unprivileged
	works list
	works features
	chmod 700 "$XDG_RUNTIME_DIR"
}

@test "add --unprivileged: the driver gives nothing of the kind" {
	rm -r "${root:?}"
	mkdir "$root"
	UBLKCTL_MODEL_UNGRANTED=32 "$program" --version >/dev/null
	become 1001
	refused 4 'add: the driver refused ADD_DEV: this is a plain user to it (Operation not permitted); run as root, or see ublkctl-unprivileged(7)' \
		add -t null --unprivileged
}

@test "a user's node that is to come is waited for, and one that does not is told of" {
	become 1001
	works add -t null --unprivileged
	become 0
	mv "$root/dev/ublkc0" "$root/dev/away"
	(sleep 0.2; mv "$root/dev/away" "$root/dev/ublkc0") &
	works list
	[[ $out == *ublkb0* ]]
	wait
	mv "$root/dev/ublkc0" "$root/dev/away"
	invoke list
	one_line 1 'list: GET_DEV_INFO2 for device 0: its ublkcN is not in this /dev (No such file or directory)'
	mv "$root/dev/away" "$root/dev/ublkc0"
}
