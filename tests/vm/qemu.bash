# shellcheck shell=bash
# A guest under QEMU: Debian's kernel in $kernel_dir, the root and --share over virtiofs. Sourced by run, whose variables
# and functions (spawn, die, note) these are.
# shellcheck disable=SC2154,SC2034,SC2016,SC2054  # run sets and reads them; text for other shells; commas of QEMU's

virtiofsd=/usr/lib/qemu/virtiofsd
# What init gets of it: the ports "ctl", "out" and "err", the terminal of --shell, how to mount --share
ports=(/dev/vport0p1 /dev/vport0p2 /dev/vport0p3)
terminal=/dev/hvc0
share_options=(-t virtiofs)

machine_tools() {
	cat <<-END
		qemu-system-x86_64 qemu-system-x86
		$virtiofsd qemu-system-common
		${disks:+nbdkit nbdkit}
	END
}

# Run in a mount namespace of its own, so that "read-only" is the host kernel's promise and not the guest's, and this
# machine's mounts stay as they are. The root shows no other mounts (nothing of /proc, /sys, /dev), save those that
# the working directory and the repository lie on. A tmpfs on /run takes the lock files that virtiofsd leaves behind.
in_namespace='
	set -e -o pipefail
	scratch=$1 kernel=$2 cwd=$3 repo=$4 share=$5 socket=$6 virtiofsd=$7 root=$1/root cache=auto
	if [[ $socket == share ]]; then
		mount --bind "$share" "$scratch/share"
	else
		'"$show_root"'
		cache=always
	fi
	mount -t tmpfs run /run
	exec "$virtiofsd" --socket-path="$scratch/$socket.sock" -f -o "source=$scratch/$socket,cache=$cache,log_level=warn"'

# wait_for_socket NAME: until the server begun last listens there
wait_for_socket() {
	local tries=200
	until [[ -S $scratch/$1.sock ]]; do
		if ! kill -0 "${children[-1]}" 2>/dev/null || ! ((tries--)); then
			die "the server of $1 does not start: $(<"$scratch/$1.err")"
		fi
		sleep 0.02
	done
}

# serve NAME: the guest's virtiofs tag is NAME too
serve() {
	spawn unshare --mount --propagation private bash -c "$in_namespace" virtiofs \
		"$scratch" "$kernel_dir" "$cwd" "$repo" "$share" "$1" "$virtiofsd" </dev/null 2>"$scratch/$1.err"
	wait_for_socket "$1"
	machine+=(-chardev "socket,id=$1,path=$scratch/$1.sock"
		-device "vhost-user-fs-pci,chardev=$1,tag=$1,queue-size=1024")
}

# serve_disk FILE NUMBER: by nbdkit, whose cache is the disk's. A file that QEMU itself opens has this machine's page cache
# below it, which outlives the guest.
serve_disk() {
	spawn nbdkit -f -U "$scratch/disk$2.sock" --filter=cache file "$1" 2>"$scratch/disk$2.err"
	wait_for_socket "disk$2"
	machine+=(-drive "if=none,id=disk$2,format=raw,file=nbd+unix:///?socket=$scratch/disk$2.sock"
		-device "virtio-blk-pci,drive=disk$2,serial=${1##*/},write-cache=on")
}

# /dev/kvm can be there and open, and still run no kernel. So: does this one get as far as missing its root? A CPU that
# shows no virtualisation cannot, whatever the device says, and need not be tried for seconds.
kvm_works() {
	[[ -w /dev/kvm ]] && grep -qwE 'vmx|svm' /proc/cpuinfo || return
	timeout -s KILL 8 qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -accel kvm -cpu host \
		-m 512 -serial "file:$scratch/kvm.log" -kernel "$kernel_dir/vmlinuz" -append 'console=ttyS0 panic=-1' \
		</dev/null >/dev/null 2>&1
	grep -q 'Unable to mount root' "$scratch/kvm.log"
}

choose_accelerator() {
	local accel=${UBLKCTL_VM_ACCEL-}
	if [[ -n $icount ]]; then
		accel=icount
	elif [[ -z $accel ]]; then
		if kvm_works; then accel=kvm; else accel=tcg; fi
	fi
	case $accel in
	icount)	machine+=(-accel tcg,thread=single -icount 'shift=0,sleep=off' -cpu 'max,-erms,-fsrm') ;;
	tcg)	machine+=(-accel tcg,thread=multi -cpu max) ;;
	kvm)	machine+=(-accel kvm -cpu host) ;;
	*)	die "UBLKCTL_VM_ACCEL is kvm or tcg, not '$accel'" ;;
	esac
}

# A port of the guest's carries bytes as they are, which a console would not. QEMU writes the two streams to pipes: given
# our stdout itself it would truncate a file, and leave a pipe that others share in non-blocking mode.
port() { machine+=(-chardev "file,id=$2,path=$scratch/$2" -device "virtserialport,nr=$1,chardev=$2,name=$2"); }

# Shared, since virtiofsd writes to it.
give_memory() {
	local half=$((memory / 2)) node
	if [[ -z $numa ]]; then
		machine+=(-object "memory-backend-memfd,id=memory,size=${memory}M,share=on" -machine memory-backend=memory)
		return
	fi
	for node in 0 1; do
		machine+=(-object "memory-backend-memfd,id=memory$node,size=${half}M,share=on"
			-numa "node,nodeid=$node,memdev=memory$node,cpus=$((node ? 1 : 0))$( ((node && cpus > 2)) && echo "-$((cpus - 1))")")
	done
}

# panic=-1 and -no-reboot: a panic, the end of init and the end of the command all end QEMU at once. ignore_loglevel:
# no `dmesg -n` of a test's keeps a complaint from the log. norandmaps: a program is where it was last time, and QEMU needs
# not translate it anew, which would be two thirds of what a short process takes (/bin/true: 14 ms, not 37).
build_machine() {
	local i kernel_options='console=ttyS0 ignore_loglevel printk.devkmsg=on panic=-1 rcupdate.rcu_cpu_stall_timeout=60 norandmaps'
	if [[ -n $systemd ]]; then
		kernel_options+=' systemd.unit=vm.target systemd.show_status=0 systemd.journald.forward_to_kmsg=1'
		kernel_options+=' systemd.journald.max_level_kmsg=info'
	fi
	kernel_options+=${isolated:+ $isolated}
	machine=(qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -smp "$cpus${numa:+,sockets=$cpus}" -m "$memory" -machine pc
		-chardev "file,id=log,path=$scratch/console.log" -serial chardev:log -device virtio-serial-pci
		-kernel "$kernel_dir/vmlinuz"
		-append "$kernel_options rootfstype=virtiofs root=root ro init=/run/init")
	give_memory
	choose_accelerator
	port 1 ctl
	port 2 out
	port 3 err
	if [[ -n $shell ]]; then
		machine+=(-chardev stdio,id=terminal,signal=off -device virtconsole,nr=0,chardev=terminal)
	fi
	serve root
	if [[ -n $share ]]; then serve share; fi
	for ((i = 0; i < ${#disks[@]}; i++)); do serve_disk "${disks[i]}" "$i"; done
}
