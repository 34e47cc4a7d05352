# shellcheck shell=bash
# A guest that is a process of this machine: the user-mode kernel in $kernel_dir, the root and --share over hostfs. Sourced
# by run, whose variables and functions (spawn, die, note) these are.
# shellcheck disable=SC2154,SC2034,SC2016,SC2054  # run sets and reads them; text for other shells; commas of the kernel's

# What init gets of it: the ports "ctl", "out" and "err", the terminal of --shell, how to mount --share
ports=(/dev/ttyS1 /dev/ttyS2 /dev/ttyS3)
terminal=/dev/tty1
share_options=(-t hostfs)

machine_tools() { echo 'unshare util-linux'; }

refuse_options() {
	local option
	for option in icount:"$icount" numa:"$numa" disk:"${disks[*]}" systemd:"$systemd"; do
		[[ -z ${option#*:} ]] || die "--${option%%:*} is not for -k native: take a kernel under QEMU"
	done
	((cpus <= 8)) || die "the native kernel has at most 8 CPUs, not $cpus"
}

# In a mount namespace of its own, so that "read-only" is the host kernel's promise and not the guest's, and this machine's
# mounts stay as they are. The root shows no other mounts, save those that the working directory and the repository lie on.
# The guest's memory is a file of a tmpfs of its own. A PID namespace ends all of the kernel's processes (it has one for each
# address space of the guest's) with the shell that is its first.
in_namespace='
	set -e -o pipefail
	scratch=$1 kernel=$2 cwd=$3 repo=$4 share=$5 memory=$6 root=$1/root
	shift 6
	'"$show_root"'
	if [[ -n $share ]]; then mount --bind "$share" "$scratch/share"; fi
	exec 7>"$scratch/ctl" 8>>"$scratch/console.log"
	mount -t tmpfs -o "size=$((memory + 64))M" run /run
	ulimit -c 0
	# All that the kernel writes goes to pipes: it polls them, which cannot be done with a file.
	mkfifo /run/ctl /run/log
	cat /run/ctl >&7 &
	cat /run/log >&8 &
	TMPDIR=/run "$kernel/linux" "$@" 3>/run/ctl 4>"$scratch/out" 5>"$scratch/err" 6>/run/log || true
	wait'

# panic=-1 and noreboot: a panic, the end of init and the end of the command all end the kernel at once. ignore_loglevel: no
# `dmesg -n` of a test's keeps a complaint from the log.
build_machine() {
	refuse_options
	if [[ -n $share ]]; then share_options+=(-o "$scratch/share"); fi
	: >"$scratch/ctl"
	machine=(${UBLKCTL_VM_HOST_CPU:+taskset -c "$UBLKCTL_VM_HOST_CPU"}
		unshare --mount --propagation private --pid --fork --kill-child bash -c "$in_namespace" native
		"$scratch" "$kernel_dir" "$cwd" "$repo" "$share" "$memory"
		"mem=${memory}M" "ncpus=$cpus" seccomp=auto uml_dir=/run/ umid=guest noreboot panic=-1
		root=root rootfstype=hostfs "rootflags=$scratch/root" ro init=/run/init
		con=null con0=null,fd:6 ssl=null ssl1=null,fd:3 ssl2=null,fd:4 ssl3=null,fd:5
		console=tty0 ignore_loglevel printk.devkmsg=on rcupdate.rcu_cpu_stall_timeout=60 ${isolated:+"$isolated"})
	if [[ -n $shell ]]; then machine+=(con1=fd:0,fd:1); fi
}
