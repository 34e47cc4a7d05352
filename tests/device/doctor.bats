#!/usr/bin/env bats
# What keeps devices from being made, one machine a test: doctor and add say the same of it, and what they tell to run
# mends it, run as it stands there.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, output ... are set by helpers
load helpers

modules=/lib/modules/$(uname -r)
installed=/usr/local/sbin/ublkctl

# Where anybody may run it, and sudo finds it
setup_file() { cp "$UBLKCTL" "$installed"; }
teardown_file() { rm "$installed"; }

# said STATUS TEXT REMEDY [PREFIX...]: so they must end, with the same line; PREFIX runs them in some other way. Sets
# remedy to what is to be run (REMEDY is a pattern), as doctor prints it.
said() {
	local code=$1 text=$2 want=$3 status=0 out line
	shift 3
	out=$("$@" "$installed" doctor 2>"$tmp/err") || status=$?
	same "$status" "$code" 'status of doctor'
	line=$(<"$tmp/err")
	line=${line#ublkctl: doctor: }
	must_fail "$code" "$@" "$installed" add -t null
	same "$line" "${output#ublkctl: add: }" 'what they say'
	[[ $line == *"$text"* && $line != *$'\n'* ]] || { echo "no '$text': $line" >&2; return 1; }
	remedy=''
	if [[ $out =~ \ run:\ ([^$'\n']*) ]]; then remedy=${BASH_REMATCH[1]}; fi
	# shellcheck disable=SC2053
	[[ $remedy == $want && ($line == *"; run '$remedy'"* || ! $remedy) ]] || { echo "remedy: $remedy" >&2; return 1; }
}

# mended [PREFIX...]: now doctor has nothing to say, and a device can be made
mended() {
	run_check "$@" "$installed" doctor
	run_check "$@" "$installed" add -t null
	run_check ublkctl del --all
}

driver_again() { if [[ ! -d /sys/module/ublk_drv ]]; then modprobe ublk_drv; fi; }

without_driver() {
	defer driver_again
	rmmod ublk_drv
}

@test "all is well" {
	add_device -t null
	run_check ublkctl doctor --json
	jq -e '.schema_version == 1 and .status == 0 and (.checks | all(.text != "" and .verdict != "problem")) and
		([.checks[] | select(.check != "feature" and .verdict == "warning")] == []) and
		(.checks | map(.check) | unique | length == 14)' <<<"$output" || { echo "$output" >&2; return 1; }
	ublkctl features --raw --noheadings -o FEATURE,DRIVER,ENABLES | sed -n 's/^\(.*\) 1 ..*/\1/p' | sort >"$tmp/features"
	jq -r '.checks[] | select(.check == "feature" and .verdict == "ok").text | sub(":.*"; "")' <<<"$output" | sort |
		diff "$tmp/features" -
	grep -qx user-copy "$tmp/features"
}

@test "complaint: EACCES unexplained: the module is not loaded" {
	without_driver
	said 5 'the ublk driver is not loaded' 'modprobe ublk_drv'
	eval "$remedy"
	mended
}

@test "no driver for this kernel: the package named is the one that the guest with 6.12 has" {
	local flavour=amd64
	if [[ $(uname -r) == *-cloud-* ]]; then flavour=cloud-amd64; fi
	without_driver
	mkdir "$tmp/none"
	grep -v ublk_drv "$modules/modules.dep" >"$tmp/dep"
	mount --bind "$tmp/none" "$modules/kernel/drivers/block"
	defer umount "$modules/kernel/drivers/block"
	said 5 "the file of the module ublk_drv is missing for the running kernel $(uname -r)" \
		"apt-get install --reinstall linux-image-$(uname -r)"
	mount --bind "$tmp/dep" "$modules/modules.dep"
	defer umount "$modules/modules.dep"
	said 5 "the running kernel $(uname -r) has no ublk driver" "apt-get install linux-image-6.12-$flavour"
	if [[ $flavour == cloud-amd64 ]]; then grep -qw "${remedy##* }" "$BATS_TEST_DIRNAME/../vm/fetch"; fi
	clean_up
	run_check ublkctl doctor
}

@test "no node" {
	rm /dev/ublk-control
	said 5 'the ublk driver is loaded, but there is no /dev/ublk-control' 'mknod -m 600 /dev/ublk-control c *'
	eval "$remedy"
	mended
}

@test "complaint: EACCES unexplained: node mode" {
	local confined=(setpriv --bounding-set "-dac_override,-dac_read_search")
	chmod 000 /dev/ublk-control
	defer chmod 600 /dev/ublk-control
	run_check ublkctl doctor
	[[ $output == *'warning  control'*'/dev/ublk-control has mode 0000'*'run: chmod 600 /dev/ublk-control'* ]]
	said 4 '/dev/ublk-control has mode 0000' 'chmod 600 /dev/ublk-control' "${confined[@]}"
	eval "$remedy"
	mended "${confined[@]}"
}

@test "complaint: EACCES unexplained: io_uring_disabled" {
	defer sysctl -q kernel.io_uring_disabled=0
	sysctl -q kernel.io_uring_disabled=2
	said 4 'io_uring is switched off (kernel.io_uring_disabled is 2)' 'sysctl kernel.io_uring_disabled=0'
	eval "$remedy"
	mended
	sysctl -q kernel.io_uring_disabled=1
	said 4 'io_uring is for root and group -1 only (kernel.io_uring_disabled is 1)' \
		'sudo sysctl kernel.io_uring_disabled=0' setpriv --reuid 65534 --clear-groups
}

@test "io_uring forbidden by seccomp" {
	said 4 'io_uring is forbidden by a seccomp filter (Operation not permitted); let the container' '' \
		"${UBLKCTL%/cmd/*}/tests/deny"
}

@test "not root" {
	local nobody=(setpriv --reuid 65534 --clear-groups)
	echo 'nobody ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/doctor
	defer rm /etc/sudoers.d/doctor
	said 4 '/dev/ublk-control: user 65534 is not root (Permission denied)' 'sudo -s' "${nobody[@]}"
	run_check env SHELL=/bin/bash "${nobody[@]}" bash -c "$remedy" \
		<<<'ublkctl doctor && ublkctl add -t null && ublkctl del --all'
	[[ $output == *$'\n'/dev/ublkb0 ]] || { echo "$output" >&2; return 1; }
}

@test "root of a user namespace" {
	must_fail 4 unshare -Ur "$installed" doctor
	[[ $output == *': this is root of a user namespace only'* ]]
	must_fail 4 unshare -Ur "$installed" add -t null
	[[ $output == *': this is root of a user namespace only'* ]]
}

# Of root there may be any number, but on kernels that are older than these: see tests/cli/doctor.bats.
@test "ublks_max" {
	local parameter=/sys/module/ublk_drv/parameters/ublks_max before
	before=$(<"$parameter")
	defer sh -c "echo $before >$parameter"
	add_device -t null
	echo 1 >"$parameter"
	run_check ublkctl doctor
	[[ $output == *"note     limit      the driver's limit ublks_max is 1, "*"run: echo 3 >$parameter"* ]]
	add_device -t null
	eval "echo 3 >$parameter"
	run_check ublkctl doctor
	[[ $output == *'ok       limit'* ]]
}

@test "complaint: EBUSY unexplained: who holds the device" {
	add_device -t null --recovery reissue
	kill -KILL "$pid"
	wait_until 20 ublkctl_sees QUIESCED
	sh -c 'exec sleep 1000' <"/dev/ublkc$id" 3>&- &
	defer sh -c "kill $! 2>/dev/null; true"
	wait_until 20 test -e "/proc/$!/fd/0"
	refused 7 "/dev/ublkc$id is held by process $! (sleep) (Device or resource busy); try again when that is gone" \
		ublkctl --timeout 1 recover "$id"
	kill $!
	run_check ublkctl recover "$id"
}

@test "what a crash has left" {
	add_device -t null
	kill -KILL "$pid"
	wait_until 20 ublkctl_sees DEAD
	run_check ublkctl doctor
	[[ $output == *"warning  leftovers  $dev: its handler is dead"*'run: ublkctl gc'* ]]
	eval 'ublkctl gc'
	id=$("${UBLKCTL%/cmd/*}/tests/foreign")
	defer remove_device "$id"
	run_check ublkctl doctor
	[[ $output == *"warning  leftovers  /dev/ublkb$id: it is another program's"*'run: ublkctl gc --all-owners'* ]]
	eval 'ublkctl gc --all-owners'
	run_check ublkctl doctor
	[[ $output == *'ok       leftovers'* ]]
}
ublkctl_sees() { [[ $(ublkctl list --noheadings -o STATE) == "$1"* ]]; }
