#!/usr/bin/env bats
# What doctor says of a machine, on the model: its /proc, /etc and /lib/modules are those below $root.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, root, out ... are set by helpers
load helpers

release=$(uname -r)
# Whoever is not root gets commands for that.
sudo=''
if ((EUID)); then sudo='sudo '; fi

# has FILE [TEXT]: the machine has it
has() {
	if [[ $1 == */* ]]; then mkdir -p "$root/${1%/*}"; fi
	printf '%s' "${2+$2$'\n'}" >"$root/$1"
}

# says VERDICT CHECK TEXT [REMEDY]: doctor does, as lines and as JSON
says() {
	local want
	invoke doctor
	printf -v want '%-7s  %-9s  %s' "$1" "$2" "$3"
	if [[ ${4-} ]]; then want+=$'\n'"                    run: $sudo$4"; fi
	[[ $'\n'$out$'\n' == *$'\n'"$want"$'\n'* ]] || complain "it does not say: $want" || return
	invoke doctor --json
	jq -e --arg verdict "$1" --arg check "$2" --arg text "$3" --arg remedy "${4+$sudo$4}" '.checks | any(
		.verdict == $verdict and .check == $check and .text == $text and (.remedy // "") == $remedy)' <<<"$out" >/dev/null
}

# problem STATUS CHECK TEXT REMEDY LINE: doctor says so, and it and add fail with that line
problem() {
	local code=$1 line=$5
	shift
	says problem "${@:1:3}" || return
	same "$(jq .status <<<"$out")" "$code"
	same "$status $err" "$code ublkctl: doctor: $line"
	refused "$code" "add: $line" add -t null
}

without_driver() { export UBLKCTL_MODEL_DRIVER=missing; }

@test "doctor x" { refused 2 "doctor: unexpected argument 'x'"; }
@test "doctor: all is well" {
	works doctor
	[[ $out != *problem* && $out != *warning* && $out == *'ok       io_uring   rings can be made'* ]]
	works doctor --json
	jq -e '.schema_version == 1 and .status == 0 and (.checks | all(
		([keys[]] == ["advice", "check", "remedy", "text", "verdict"]) and
		(.verdict == "ok" or .verdict == "note")))' <<<"$out"
}
@test "doctor: changes nothing" {
	local before
	rmdir "$root/run"
	before=$(everything 2>/dev/null)
	works doctor
	same "$(everything 2>/dev/null)" "$before"
	[[ ! -e $root/run ]]
}

# --- the driver ---

@test "doctor: a module that is not loaded" {
	without_driver
	has "lib/modules/$release/modules.dep" 'kernel/drivers/block/ublk_drv.ko.xz: kernel/x.ko'
	has "lib/modules/$release/kernel/drivers/block/ublk_drv.ko.xz"
	problem 5 driver 'the ublk driver is not loaded' 'modprobe ublk_drv' \
		"the ublk driver is not loaded (No such file or directory); run '${sudo}modprobe ublk_drv'"
	has proc/sys/kernel/modules_disabled 1
	says problem driver 'the ublk driver is not loaded'
	same "$err" "ublkctl: doctor: the ublk driver is not loaded (No such file or directory); reboot: \
kernel.modules_disabled forbids to load any module"
	rm -r "$root/proc"
	has .dockerenv
	says problem driver 'the ublk driver is not loaded' 'modprobe ublk_drv'
	[[ $err == *', and do it outside of this container (docker)' ]]
}
@test "doctor: a module whose file is gone" {
	without_driver
	has "lib/modules/$release/modules.dep" 'kernel/drivers/block/ublk_drv.ko:'
	has etc/os-release 'ID=debian'
	problem 5 driver "the file of the module ublk_drv is missing for the running kernel $release" \
		"apt-get install --reinstall linux-image-$release" "the file of the module ublk_drv is missing for the \
running kernel $release (No such file or directory); run '${sudo}apt-get install --reinstall linux-image-$release', and \
reboot if another kernel was installed meanwhile"
	has etc/os-release 'ID=ubuntu'
	says problem driver "the file of the module ublk_drv is missing for the running kernel $release" \
		"apt-get install linux-modules-extra-$release"
}
# lacks CONFIG-FILE CONFIG [REMEDY]
lacks() {
	without_driver
	has "$1" "$2"
	if [[ $1 == *.gz ]]; then gzip <"$root/$1" >"$tmp/gz" && cp "$tmp/gz" "$root/$1"; fi
	says problem driver "the running kernel $release has no ublk driver" "${@:3}"
}
@test "doctor: a kernel without, by /proc/config.gz" {
	lacks proc/config.gz $'CONFIG_A=y\n# CONFIG_BLK_DEV_UBLK is not set'
	[[ $err == *'; boot Linux 6.0 or newer with CONFIG_BLK_DEV_UBLK' ]]
}
@test "doctor: a kernel without, by /boot" { lacks "boot/config-$release" '# CONFIG_BLK_DEV_UBLK is not set'; }
@test "doctor: a kernel without, by its modules" { lacks "lib/modules/$release/modules.dep" 'kernel/x/y.ko:'; }
@test "doctor: a kernel without, and Debian" {
	local arch=amd64
	if [[ $(uname -m) == aarch64 ]]; then arch=arm64; fi
	has etc/os-release $'ID=debian\nVERSION_ID="12"'
	lacks "boot/config-$release" '# CONFIG_BLK_DEV_UBLK is not set' "apt-get install linux-image-6.12-$arch"
	[[ $err == *', and boot the kernel that it brings' ]]
	has etc/os-release $'ID=debian\nVERSION_ID="13"'
	lacks "boot/config-$release" '# CONFIG_BLK_DEV_UBLK is not set' "apt-get install linux-image-$arch"
}
@test "doctor: part of the kernel, which has none" {
	without_driver
	has "lib/modules/$release/modules.builtin" 'kernel/drivers/block/ublk_drv.ko'
	problem 5 driver 'the ublk driver is part of this kernel, but did not start' '' \
		'the ublk driver is part of this kernel, but did not start (No such file or directory); see dmesg'
}
@test "doctor: no node" {
	rm "$root/dev/ublk-control"
	has sys/class/misc/ublk-control/dev 10:123
	problem 5 driver "the ublk driver is loaded, but there is no $root/dev/ublk-control" \
		"mknod -m 600 $root/dev/ublk-control c 10 123" "the ublk driver is loaded, but there is no \
$root/dev/ublk-control (No such file or directory); run '${sudo}mknod -m 600 $root/dev/ublk-control c 10 123'"
}

# --- io_uring, permissions ---

@test "doctor: io_uring is switched off" {
	has proc/sys/kernel/io_uring_disabled 2
	export UBLKCTL_MODEL_FAULT='RING_PROBE:EPERM:0:always;CTRL_OPEN:EPERM:0:always'
	problem 4 io_uring 'io_uring is switched off (kernel.io_uring_disabled is 2)' 'sysctl kernel.io_uring_disabled=0' \
		"io_uring is switched off (kernel.io_uring_disabled is 2) (Operation not permitted); run \
'${sudo}sysctl kernel.io_uring_disabled=0'"
	has proc/sys/kernel/io_uring_disabled 1
	has proc/sys/kernel/io_uring_group 100
	says problem io_uring 'io_uring is for root and group 100 only (kernel.io_uring_disabled is 1)' \
		'sysctl kernel.io_uring_disabled=0'
}
@test "doctor: io_uring is forbidden by a filter" {
	has proc/self/status $'CapEff:\t000001ffffffffff\nSeccomp:\t2'
	export UBLKCTL_MODEL_FAULT='RING_PROBE:ENOSYS:0:always;CTRL_OPEN:ENOSYS:0:always'
	problem 4 io_uring 'io_uring is forbidden by a seccomp filter' '' "io_uring is forbidden by a seccomp filter \
(Function not implemented); let the container's profile allow io_uring_setup, _enter and _register"
}
@test "doctor: the device rules of a container" {
	((EUID == 0)) || skip 'not root'
	has .dockerenv
	export UBLKCTL_MODEL_FAULT='CTRL_OPEN:EPERM:0:always'
	invoke doctor
	same "$err" "ublkctl: doctor: $root/dev/ublk-control may not be opened here (Operation not permitted); give the \
container this device (--device)"
	refused 4 "add: ${err#ublkctl: doctor: }" add -t null
	unset UBLKCTL_MODEL_FAULT
	says note container 'this is a container (docker): devices are made on the machine around it'
}
@test "doctor: without capabilities" {
	((EUID == 0)) || skip 'not root'
	has proc/self/status $'CapEff:\t0000000000000000'
	says problem root 'making devices: this process lacks CAP_SYS_ADMIN'
	UBLKCTL_MODEL_FAULT=ADD_DEV:EPERM:0:always refused 4 'add: the driver refused ADD_DEV: this process lacks CAP_SYS_ADMIN (*); *' \
		add -t null
	has proc/self/status $'CapEff:\t0000000000200000'
	says warning root 'without CAP_SYS_RESOURCE a handler may wait for itself when memory is short'
}
@test "doctor: root of a user namespace" {
	((EUID == 0)) || skip 'not root'
	has proc/self/uid_map '         0       1000          1'
	says problem root 'making devices: this is root of a user namespace only'
}
@test "doctor: everybody may write records" {
	chmod 777 "$root/run"
	problem 1 runtime "$root/run: not a directory that only its owner can write to" "rm -r $root/run" \
		"$root/run: not a directory that only its owner can write to; run '${sudo}rm -r $root/run'"
	eval "$(jq -r '.checks[] | select(.check == "runtime").remedy' <<<"$(ublkctl doctor --json 2>/dev/null)")"
	works add -t null
}
@test "doctor: no node for a device" {
	works add -t null
	has sys/block/ublkb0/dev 259:7
	mv "$root/dev/ublkb0" "$tmp/node"
	says warning nodes "$root/dev/ublkb0 is missing" "mknod -m 600 $root/dev/ublkb0 b 259 7"
	mv "$tmp/node" "$root/dev/ublkb0"
}
@test "complaint: EACCES unexplained: ublks_max" {
	local parameter=$root/sys/module/ublk_drv/parameters/ublks_max
	has "${parameter#"$root/"}" 1
	works add -t null
	says note limit "the driver's limit ublks_max is 1, and so many devices there are" "echo 3 >$parameter"
	UBLKCTL_MODEL_FAULT=ADD_DEV:EACCES:0:always refused 4 "add: the driver's limit ublks_max is 1, and so many devices \
there are (Permission denied); run '*echo 3 >$parameter*'" add -t null
	eval "echo 3 >$parameter"
	says ok limit "fewer devices than the driver's ublks_max"
}

# --- the machine around ---

@test "doctor: udev" {
	says note udev 'udev is not running: devices get no links in /dev/disk or /dev/ublk'
	has run/systemd/system
	has run/udev/control
	local rules
	rules=$(basename "$top"/udev/*.rules.in .in)
	says note udev "$rules is not among udev's rules: names have no links in /dev/ublk/by-name"
	has "usr/lib/udev/rules.d/$rules"
	says ok udev "udev is running, with $rules"
	rm "$root/run/udev/control"
	says note udev 'udev is not running: devices get no links in /dev/disk or /dev/ublk' 'systemctl start systemd-udevd'
	rm -r "$root/run/systemd" "$root/run/udev"
}
@test "doctor: /dev is no devtmpfs" {
	has proc/mounts "tmpfs $root/dev tmpfs rw 0 0"
	says warning dev "$root/dev is no devtmpfs: nodes of devices may not come by themselves"
	has proc/mounts "udev $root/dev devtmpfs rw 0 0"
	says ok dev "nodes come and go by themselves in $root/dev"
}

# --- features, devices ---

@test "doctor: what the driver of Linux 6.12 lacks" {
	old_driver
	says note feature 'update-size is not in this driver; it is for resize'
	says ok feature 'user-copy: for --data-path user-copy'
	says note kernel 'a recovery that was cut short cannot be tried again, since this kernel would crash; 6.16 and newer do not'
}
@test "doctor: kernels that a device would crash" {
	local bad
	while read -r bad; do
		has proc/sys/kernel/osrelease "${bad%% *}"
		says warning kernel "Linux ${bad%% *}: making a device crashes ${bad#* }"
		same "$(jq .status <<<"$out")" 0
	done <<-END
		6.18.4 this kernel; 6.18.6 and newer do not
		6.18.5-arch1-1 this kernel; 6.18.6 and newer do not
		6.17.0-1015-azure some of Ubuntu's 6.17 kernels
		6.17.0-1017-aws some of Ubuntu's 6.17 kernels
	END
	for bad in 6.18.3 6.18.6 6.18.44-x 6.17.0 6.16.4 7.3.4+deb13-cloud-amd64; do
		has proc/sys/kernel/osrelease "$bad"
		says ok kernel "nothing bad is known of Linux $bad"
	done
}
@test "doctor: what died" {
	works add -t null
	works add -t null --recovery reissue
	kill -9 "$(listed '.[0].pid')" "$(listed '.[1].pid')"
	wait_until 10 states_are DEAD QUIESCED
	says warning leftovers "$root/dev/ublkb0: its handler is dead, and it cannot be started again" 'ublkctl gc'
	says warning leftovers "$root/dev/ublkb1: it has no handler, and can be recovered" "ublkctl recover $root/dev/ublkb1"
	same "$(jq .status <<<"$out")" 0
	works gc
	works recover "$root/dev/ublkb1"
	says ok leftovers 'nothing is left of what died'
}
states_are() { [[ $(listed 'map(.state) | join(" ")') == "$*" ]]; }
@test "doctor: the driver does not answer" {
	local line='the driver did not answer GET_FEATURES within 300 ms; see dmesg, then try again with a longer --timeout'
	export UBLKCTL_MODEL_FAULT=GET_FEATURES:never:0:always UBLKCTL_MODEL_TIMEOUT_MS=300
	problem 9 control "$line" '' "$line"
}
