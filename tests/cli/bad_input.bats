#!/usr/bin/env bats
# Bad input, one case a line: the name is the command line, then come the exit status and the message. What else
# refused() sees to in each: one line on stderr, nothing on stdout, and no device, process, record or file more or less
# than before. Where the name is no command line, that follows the message.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154,SC2317  # tmp, root, out ... are set by helpers
load helpers

not_a_size='is not a size; write a number and perhaps K, M, G, T (1024) or KB, MB, GB, TB (1000)'
not_a_device='is not a ublk device: give an id (0 to 1048575), a name, or a path like */dev/ublkb0'
no_such_name="there is no device 'abc'; 'ublkctl list' shows those that there are"
no_driver="the ublk driver is not loaded (No such file or directory); run '*modprobe ublk_drv'"
not_ours="*/run: not a directory that only its owner can write to; run '*rm -r */run'"

# image [SIZE [NAME]]: a file to serve
image() { truncate -s "${1-1M}" "${2-image}"; }

# device ID [OPTION...]: there is one already
device() { works add -n "$@"; }

# many NUMBER TEXT
many() { printf "$2%.0s" $(seq "$1"); }

# --- the front door ---

@test "" { refused 2 'no command given'; }
@test "--" { refused 2 'no command given'; }
@test "''" { refused 2 "'' is not a command"; }
@test "frobnicate" { refused 2 "'frobnicate' is not a command"; }
@test "LIST" { refused 2 "'LIST' is not a command"; }
@test "--frob list" { refused 2 "option '--frob' is unknown, or its argument is missing or unwanted"; }
@test "-x list" { refused 2 "option '-x' is unknown, or its argument is missing or unwanted"; }
@test "--timeout" { refused 2 "option '--timeout' is unknown, or its argument is missing or unwanted"; }
@test "--version=3" { refused 2 "option '--version=3' is unknown, or its argument is missing or unwanted"; }
@test "--timeout 0 list" { refused 2 "--timeout: '0' is out of range; give a number from 1 to 3600"; }
@test "--timeout 3601 list" { refused 2 "--timeout: '3601' is out of range; give a number from 1 to 3600"; }
@test "--timeout=-1 list" { refused 2 "--timeout: '-1' is not a whole number from 1 to 3600"; }
@test "-t 1s list" { refused 2 "--timeout: '1s' is not a whole number from 1 to 3600"; }
@test "help frobnicate" { refused 2 "help: 'frobnicate' is not a command"; }
@test "help add del" { refused 2 "help: unexpected argument 'del'"; }
@test "help --frob" { refused 2 "help: unknown option '--frob'"; }
@test "a command with a newline and a terminal's escape" { refused 2 "'a?b?c' is not a command" $'a\nb\ec'; }
@test "a command of 5000 letters" { refused 2 "'*aaaaaaaaaa' is not a command" "$(many 5000 a)"; }

# --- add: the target and its options ---

@test "add" { refused 2 "add: no target: say -t TARGET; 'ublkctl targets' lists them"; }
@test "add null" { refused 2 "add: unexpected argument 'null'"; }
@test "add --size 1M" { refused 2 "add: no target: say -t TARGET; 'ublkctl targets' lists them"; }
@test "add -t" { refused 2 "add: option '-t' needs an argument"; }
@test "add -t ''" { refused 2 "add: there is no target ''; 'ublkctl targets' lists them"; }
@test "add -t nosuch" { refused 2 "add: there is no target 'nosuch'; 'ublkctl targets' lists them"; }
@test "add -t null --target=loop" { refused 2 'add: --target is given twice'; }
@test "add -t null extra" { refused 2 "add: unexpected argument 'extra'"; }
@test "add -t null --frob" { refused 2 "add: unknown option '--frob'"; }
@test "add -t null -Z" { refused 2 "add: unknown option '-Z'"; }
@test "add -t null -f image" { refused 2 'add: option --file belongs to target loop, not to null'; }
@test "add -t null -fimage" { refused 2 'add: option --file belongs to target loop, not to null'; }
@test "add -t null --file=image" { refused 2 'add: option --file belongs to target loop, not to null'; }
@test "add --offset 1M -t ramdisk" { refused 2 'add: option --offset belongs to target loop, not to ramdisk'; }
@test "add -t ramdisk --size 1M --numa-node x" { refused 2 "add: --numa-node: 'x' is not a whole number from 0 to 1023"; }
@test "add -t ramdisk --size 1M --numa-node 1024" {
	refused 2 "add: --numa-node: '1024' is out of range; give a number from 0 to 1023"
}
@test "add -t loop --huge-pages" { refused 2 'add: option --huge-pages belongs to target ramdisk, not to loop'; }
@test "add -t null --read-only=yes" { refused 2 "add: option '--read-only=yes' takes no argument"; }

# --- add: numbers ---

@test "add -t null -n 1048576" { refused 2 "add: --id: '1048576' is out of range; give a number from 0 to 1048575"; }
@test "add -t null -n -1" { refused 2 "add: --id: '-1' is not a whole number from 0 to 1048575"; }
@test "add -t null -n abc" { refused 2 "add: --id: 'abc' is not a whole number from 0 to 1048575"; }
@test "add -t null -n ''" { refused 2 "add: --id: '' is not a whole number from 0 to 1048575"; }
@test "add -t null -n 18446744073709551616" { refused 2 "add: --id: '18446744073709551616' is out of range; *"; }
@test "add -t null -n 7" {
	device 7 -t null
	refused 8 'add: ADD_DEV for device 7: the id is taken; choose another or leave out -n (File exists)'
}
@test "add -t null -q 0" { refused 2 "add: --queues: '0' is out of range; give a number from 1 to 4096"; }
@test "add -t null -q 4097" { refused 2 "add: --queues: '4097' is out of range; give a number from 1 to 4096"; }
@test "add -t null -q two" { refused 2 "add: --queues: 'two' is not a whole number from 1 to 4096"; }
@test "add -t null -q 5" {
	refused 3 'add: the driver grants 4 queues, not 5: it gives at most one per CPU; use -q 4'
}
@test "add -t null -d 0" { refused 2 "add: --depth: '0' is out of range; give a number from 1 to 4096"; }
@test "add -t null -d 4097" { refused 2 "add: --depth: '4097' is out of range; give a number from 1 to 4096"; }
@test "add -t null --threads 0" { refused 2 "add: --threads: '0' is out of range; give a number from 1 to 4096"; }
@test "add -t null -d 4 --threads 5" { refused 2 'add: --threads: 5 are more than the 4 requests of a queue (--depth)'; }
@test "add -t null -q 4096 --threads 2" { refused 2 'add: --threads: 2 for each of 4096 queues are more than 4096'; }
@test "add -t null --cpus all" { refused 2 "add: --cpus: 'all' is not a list of CPUs such as 0-3,6"; }
@test "add -t null --data-path fast" {
	refused 2 "add: --data-path: there is no path 'fast'; 'ublkctl help add' lists them"
}
@test "add -t null --data-path copy" {
	refused 3 'add: data path copy does not suit this null: it is for a file or a block device; use --data-path auto'
}
@test "add -t null --data-path auto-reg" {
	refused 3 'add: data path auto-reg does not suit this null: it is for a file or a block device; use --data-path auto'
}
@test "add -t loop -f image --data-path batch-copy" {
	image 1M
	refused 3 "add: data path batch-copy needs batch-io, which this kernel's driver does not have; use --data-path auto"
}
@test "add -t null --shared-memory pool" {
	refused 3 'add: data path *shared-memory does not suit this null: it is for a file or a block device; leave out --shared-memory'
}
@test "add -t loop -f image --data-path shared-memory" {
	image 1M
	refused 2 'add: --data-path: shared-memory needs the memory: use --shared-memory FILE'
}
@test "add -t loop -f image --shared-memory pool --data-path copy" {
	image 1M
	refused 2 'add: --shared-memory: data path copy does not use it; leave out --data-path'
}

# --- add: a driver that names a feature and does not grant it ---

# ungranted BIT NAME [ARGUMENT...]: with the arguments, or the words of the test's name
ungranted() {
	image 1M
	export UBLKCTL_MODEL_UNGRANTED=$1
	rm -r "${root:?}"
	mkdir "$root"
	"$program" --version >/dev/null
	refused 3 "add: this kernel's driver does not grant $2, which target * needs for data path *" ${3:+add "${@:3}"}
}
@test "add -t ramdisk -s 1M --data-path direct" { ungranted 0x4 need-get-data; }
@test "add -t null --data-path user-copy" { ungranted 0x80 user-copy; }
@test "add -t null --reads any" { ungranted 0x80 user-copy; }
@test "add -t loop -f image --direct-io off --data-path map" { ungranted 0x4 need-get-data; }
@test "add -t loop -f image --data-path zero-copy" { ungranted 0x1 zero-copy; }
@test "add -t loop -f image --data-path auto-reg" { ungranted 0x801 zero-copy,auto-buf-reg; }
@test "add -t loop -f image --data-path batch-copy " { ungranted 0x8000 batch-io; }
@test "add -t loop -f image --data-path batch-user-copy" { ungranted 0x8000 batch-io; }
@test "add -t loop -f image --data-path batch-auto-reg" { ungranted 0x8801 zero-copy,auto-buf-reg,batch-io; }
@test "add -t loop -f image --shared-memory pool" {
	local pool
	pool=$(mktemp /dev/shm/pool.XXXXXX)
	defer rm "$pool"
	truncate -s 1M "$pool"
	ungranted 0x80000 shmem-zero-copy -t loop -f image --shared-memory "$pool" --data-path shared-memory
}
@test "add -t null -d 1.5" { refused 2 "add: --depth: '1.5' is not a whole number from 1 to 4096"; }
@test "add -t null -d" { refused 2 "add: option '-d' needs an argument"; }

# --- add: sizes ---

@test "add -t null --size" { refused 2 "add: option '--size' needs an argument"; }
@test "add -t null --size=" { refused 2 "add: --size: '' $not_a_size"; }
@test "add -t null -s 0" { refused 2 'add: --size: it must not be 0'; }
@test "add -t null -s -1" { refused 2 "add: --size: '-1' $not_a_size"; }
@test "add -t null -s +1G" { refused 2 "add: --size: '+1G' $not_a_size"; }
@test "add -t null -s ' 1G'" { refused 2 "add: --size: ' 1G' $not_a_size"; }
@test "add -t null -s G" { refused 2 "add: --size: 'G' $not_a_size"; }
@test "add -t null -s 5X" { refused 2 "add: --size: '5X' $not_a_size"; }
@test "add -t null -s 5KK" { refused 2 "add: --size: '5KK' $not_a_size"; }
@test "add -t null -s 1.5G" { refused 2 "add: --size: '1.5G' $not_a_size"; }
@test "add -t null -s 0x1000" { refused 2 "add: --size: '0x1000' $not_a_size"; }
@test "add -t null -s 1e9" { refused 2 "add: --size: '1e9' $not_a_size"; }
@test "add -t null -s 8E" { refused 2 "add: --size: '8E' is too large"; }
@test "add -t null -s 10EB" { refused 2 "add: --size: '10EB' is too large"; }
@test "add -t null -s 18446744073709551617" { refused 2 "add: --size: '18446744073709551617' is too large"; }
@test "add -t null -s 1000" { refused 2 'add: --size: 1000 is not a multiple of the block size 512'; }
@test "add -t null -s 511" { refused 2 'add: --size: 511 is not a multiple of the block size 512'; }
@test "add -t ramdisk" { refused 2 'add: target ramdisk needs --size'; }
@test "add -t ramdisk -s 0K" { refused 2 'add: --size: it must not be 0'; }
@test "add -t ramdisk -s 1KB" { refused 2 'add: --size: 1000 is not a multiple of the block size 512'; }
@test "add -t ramdisk -s 1K --logical-block-size 4K" {
	refused 2 'add: --size: 1024 is not a multiple of the block size 4096'
}
@test "add -t ramdisk -s 4E" { refused 1 'add: cannot map 4611686018427387904 bytes of memory: Cannot allocate memory'; }
@test "add -t null --max-io-size 0" { refused 2 'add: --max-io-size: 0 is not a multiple of 4K from 4K to 32M'; }
@test "add -t null --max-io-size 6K" { refused 2 'add: --max-io-size: 6K is not a multiple of 4K from 4K to 32M'; }
@test "add -t null --max-io-size 33M" { refused 2 'add: --max-io-size: 33M is not a multiple of 4K from 4K to 32M'; }
@test "add -t null --max-io-size many" { refused 2 "add: --max-io-size: 'many' $not_a_size"; }
@test "add -t null --logical-block-size 256" {
	refused 2 'add: --logical-block-size: 256 is not a power of two from 512 to 4096'
}
@test "add -t null --logical-block-size 1000" {
	refused 2 'add: --logical-block-size: 1000 is not a power of two from 512 to 4096'
}
@test "add -t null --logical-block-size 8192" {
	refused 2 'add: --logical-block-size: 8192 is not a power of two from 512 to 4096'
}
@test "add -t null --physical-block-size 3K" {
	refused 2 'add: --physical-block-size: 3K is not a power of two from 512 to 268435456'
}
@test "add -t null --physical-block-size 512M" {
	refused 2 'add: --physical-block-size: 512M is not a power of two from 512 to 268435456'
}
@test "add -t null --physical-block-size 1K --logical-block-size 4K" {
	refused 2 'add: --physical-block-size: 1024 is less than the logical block size 4096'
}

# --- add: the file ---

@test "add -t loop" { refused 2 'add: target loop needs --file: the file or block device to serve'; }
@test "add -t loop -f" { refused 2 "add: option '-f' needs an argument"; }
@test "add -t loop -f ''" { refused 2 'add: --file: the name is empty'; }
@test "add -t loop -f image" {
	refused 1 'add: image: No such file or directory; name another, or make one with --create --size SIZE'
}
@test "add -t loop -f link" {
	ln -s nowhere link
	refused 1 'add: link: No such file or directory; name another, or make one with --create --size SIZE'
}
@test "add -t loop -f ." { refused 1 'add: . is a directory; give a regular file or a block device'; }
@test "add -t loop -f fifo" {
	mkfifo fifo
	refused 1 'add: fifo is neither file nor disk; give a regular file or a block device'
}
@test "add -t loop -f /dev/null" {
	refused 1 'add: /dev/null is neither file nor disk; give a regular file or a block device'
}
@test "add -t loop -f image/part" { image; refused 1 'add: image/part: Not a directory'; }
@test "add -t loop -f empty" {
	image 0 empty
	refused 1 'add: empty is empty; grow it first, for example with truncate -s 1G'
}
@test "add -t loop -f short" { image 511 short; refused 1 'add: short: less than one block of 512 bytes to use'; }
@test "add -t loop -f short --logical-block-size 4K" {
	image 4095 short
	refused 1 'add: short: less than one block of 4096 bytes to use'
}
@test "a file that another device serves" {
	image
	device 0 -t loop -f image
	refused 7 'add: ./image is in use: another program or ublk device has locked it' add -t loop -f ./image
	refused 7 'add: image is in use: another program or ublk device has locked it' add -t loop -f image --read-only
}
@test "writing to a file that another device only reads" {
	image
	device 0 -t loop -f image --read-only
	refused 7 'add: image is in use: another program or ublk device has locked it' add -t loop -f image
}
@test "a name of 4000 letters: what is wrong is not cut off" {
	refused 1 'add: aaa*aaa ... aaa*aaa: File name too long' add -t loop -f "$(many 4000 a)"
}
@test "a name of 5000 letters" {
	refused 2 'add: --file: the name is too long' add -t loop -f "$(many 5000 a)"
}
@test "a name with a newline and a terminal's escape" {
	refused 1 'add: a?b?c: No such file or directory; *' add -t loop -f $'a\nb\ec'
}
@test "add -t loop -f image --offset 100" { image; refused 2 'add: --offset: 100 is not a multiple of 512'; }
@test "add -t loop -f image --offset 512 --logical-block-size 4K" {
	image
	refused 2 'add: --offset: 512 is not a multiple of the block size 4096'
}
@test "add -t loop -f image --offset 1M" {
	image
	refused 2 'add: --offset: 1048576 is behind the end of image (1048576 bytes)'
}
@test "add -t loop -f image --offset -1" { image; refused 2 "add: --offset: '-1' $not_a_size"; }
@test "add -t loop -f image --size-limit 0" { image; refused 2 'add: --size-limit: it must not be 0'; }
@test "add -t loop -f image --size-limit 100" {
	image
	refused 1 'add: image: less than one block of 512 bytes to use'
}
@test "add -t loop -f image --direct-io maybe" {
	image
	refused 2 "add: --direct-io: 'maybe' is none of auto, on, off"
}
@test "add -t loop -f image --size 1M" {
	image
	refused 2 'add: --size goes with --create; --size-limit uses a part of a file'
}
@test "add -t loop -f new --create" { refused 2 'add: --create needs --size'; }
@test "add -t loop -f new --create --size 0" { refused 2 'add: --size: it must not be 0'; }
@test "add -t loop -f new --create --size 1000" {
	refused 2 'add: --size: 1000 is not a multiple of the block size 512'
}
@test "add -t loop -f new --create --size 7E" {
	refused 1 'add: new: cannot make it 8070450532247928832 bytes long: File too large'
}
@test "add -t loop -f new --create --size 1M --offset 1M" {
	refused 2 'add: --offset: 1048576 is behind the end of new (1048576 bytes)'
}
@test "add -t loop -f new --create --size 1M --read-only" {
	refused 2 'add: --create and --read-only exclude each other'
}
@test "add -t loop -f new --create --size 1M -n 7" {
	device 7 -t null
	refused 8 'add: ADD_DEV for device 7: the id is taken; *'
}
@test "add -t loop -f image --create --size 1M" {
	image 2M
	refused 8 'add: image: File exists already; leave out --create to use it'
}
@test "add -t loop -f nowhere/new --create --size 1M" {
	refused 1 'add: nowhere/new cannot be made: its directory does not exist'
}

# --- which device ---

@test "list abc" { refused 6 "list: $no_such_name"; }
@test "list ''" { refused 2 "list: '' $not_a_device"; }
@test "list 1048576" { refused 2 "list: '1048576' $not_a_device"; }
@test "list /dev/null" { refused 2 "list: '/dev/null' $not_a_device"; }
@test "list ublkb0x" { refused 2 "list: 'ublkb0x' $not_a_device"; }
@test "list -n" { refused 2 "list: option '-n' needs an argument"; }
@test "list 5" { refused 6 "list: device 5 does not exist; 'ublkctl list' shows those that do"; }
@test "list 0 5" { device 0 -t null; refused 6 "list: device 5 does not exist; 'ublkctl list' shows those that do"; }
@test "show" { refused 2 'show: give one device: an id or a path'; }
@test "show 0 1" { refused 2 'show: give one device: an id or a path'; }
@test "show abc" { refused 6 "show: $no_such_name"; }
@test "show 5" { refused 6 "show: device 5 does not exist; 'ublkctl list' shows those that do"; }
@test "show --raw 0" { refused 2 "show: unknown option '--raw'"; }
@test "set" { refused 2 'set: give one device: an id or a path'; }
@test "set 0" { device 0 -t null; refused 2 'set: nothing to set: give --cpus LIST'; }
@test "set --cpus 0" { refused 2 'set: give one device: an id or a path'; }
@test "set --cpus 0 0 1" { refused 2 'set: give one device: an id or a path'; }
@test "set --cpus 0 5" { refused 6 "set: device 5 does not exist; 'ublkctl list' shows those that do"; }
@test "set --cpus '' 0" { refused 2 "set: --cpus: '' is not a list of CPUs such as 0-3,6"; }
@test "set --cpus 0, 0" { refused 2 "set: --cpus: '0,' is not a list of CPUs such as 0-3,6"; }
@test "set --cpus 3-1 0" { refused 2 "set: --cpus: '3-1' is not a list of CPUs such as 0-3,6"; }
@test "set --cpus 8192 0" { refused 2 "set: --cpus: '8192' is not a list of CPUs such as 0-3,6"; }
@test "set --cpus -1 0" { refused 2 "set: --cpus: '-1' is not a list of CPUs such as 0-3,6"; }
@test "set --cpus 8000 0" {
	device 0 -t null
	refused 1 'set: --cpus: the handler of device 0 may use none of these CPUs'
}
@test "del" { device 0 -t null; refused 2 'del: no device: give an id, a path, or --all'; }
@test "del --force" { device 0 -t null; refused 2 'del: no device: give an id, a path, or --all'; }
@test "del 5" { device 0 -t null; refused 6 "del: device 5 does not exist; 'ublkctl list' shows those that do"; }
@test "del -n -1" { refused 2 "del: '-1' $not_a_device"; }
@test "del 0 abc" { device 0 -t null; refused 6 "del: $no_such_name"; }
@test "del --all 0" { device 0 -t null; refused 2 'del: --all and named devices exclude each other'; }
@test "del -a -n 0" { device 0 -t null; refused 2 'del: --all and named devices exclude each other'; }
@test "del 5 0 6: one line each, in that order, and what can be deleted is" {
	device 0 -t null
	invoke del 5 0 6
	same "$status" 6
	same "$err" "ublkctl: del: device 5 does not exist; 'ublkctl list' shows those that do
ublkctl: del: device 6 does not exist; 'ublkctl list' shows those that do"
	wait_until 10 nothing_left
}

# --- columns ---

@test "list -o NOPE" { refused 2 "list: --output: 'NOPE' is not a column"; }
@test "list -o +NOPE" { refused 2 "list: --output: 'NOPE' is not a column"; }
@test "list -o ID,,SIZE" { refused 2 "list: --output: '' is not a column"; }
@test "list --output=" { refused 2 'list: --output: no columns'; }
@test "400 columns" { refused 2 'list: --output: too many columns' list -o "ID$(many 400 ,ID)"; }
@test "65 columns" { refused 2 'list: --output: too many columns' list -o "ID$(many 64 ,ID)"; }
@test "list --json --raw" { refused 2 'list: --json and --raw exclude each other'; }
@test "list --frob" { refused 2 "list: unknown option '--frob'"; }
@test "features -o NOPE" { refused 2 "features: --output: 'NOPE' is not a column"; }
@test "features all" { refused 2 "features: unexpected argument 'all'"; }
@test "targets -rJ" { refused 2 'targets: --json and --raw exclude each other'; }
@test "targets loop" { refused 2 "targets: unexpected argument 'loop'"; }

# --- no driver, no permission ---

without_driver() { export UBLKCTL_MODEL_DRIVER=missing; }

@test "add -t null" { without_driver; refused 5 "add: $no_driver"; }
@test "add -t loop -f new --create --size 64K" { without_driver; refused 5 "add: $no_driver"; }
@test "list 0" { without_driver; refused 5 "list: $no_driver"; }
@test "show 0" { without_driver; refused 5 "show: $no_driver"; }
@test "del 0" { without_driver; refused 5 "del: $no_driver"; }
@test "features" { without_driver; refused 5 "features: $no_driver"; }
@test "io_uring is disabled" {
	export UBLKCTL_MODEL_FAULT='CTRL_OPEN:ENOSYS:0:always;RING_PROBE:ENOSYS:0:always'
	refused 5 "add: this kernel has no io_uring (Function not implemented); boot one with CONFIG_IO_URING" add -t null
}
# With the real program: on a machine where the driver is loaded this would make a device
@test "the real program, without a driver" {
	[[ ! -e /dev/ublk-control ]] || skip 'there is a driver'
	program=$BUILD/cmd/ublkctl
	refused 5 "features: *; run *" features
	refused 5 "del: *; run *" del 0
}

# nobody STATUS MESSAGE ARGUMENT...: refused, run by nobody on a copy of this machine. The model's own file is
# everyone's, but the control device is root's.
nobody() {
	local public=$tmp/public
	chmod 0 "$root/dev/ublk-control"
	if ((EUID == 0)); then
		public=$(mktemp -d)
		defer rm -rf "$public"
		chmod 755 "$public"
	else
		mkdir "$public"
	fi
	cp -a "$root" "$public/root"
	cp "$program" "$public"
	chmod 755 "$public/root"
	chmod 666 "$public/root/model.state"
	UBLKCTL_MODEL_ROOT=$public/root program=$public/${program##*/} someone=65534 refused "$@"
	chmod 600 "$root/dev/ublk-control"
}
ublkctl() {
	local as=()
	if [[ ${someone-} ]] && ((EUID == 0)); then
		as=(setpriv --reuid "$someone" --regid "$someone" --clear-groups)
	fi
	timeout -k 5 30 "${as[@]}" "$program" "$@"
}

root_only="*/dev/ublk-control: user 65534 is not root (Permission denied); run 'sudo -s', and do it as root there, or see ublkctl-unprivileged(7)"
@test "nobody: add" { nobody 4 "add: $root_only" add -t null; }
@test "nobody: add, and there are records already" { device 0 -t null; nobody 4 "add: $root_only" add -t null; }
@test "nobody: list" { device 0 -t null; nobody 4 "list: $root_only" list; }
@test "nobody: show" { device 0 -t null; nobody 4 "show: $root_only" show 0; }
@test "nobody: del" { device 0 -t null; nobody 4 "del: $root_only" del 0; }
@test "nobody: del --all" { device 0 -t null; nobody 4 "del: $root_only" del --all; }
@test "nobody: features" { nobody 4 "features: $root_only" features; }
@test "nobody: a file of root's" {
	local file
	file=$(mktemp)
	defer rm -f "$file"
	chmod 0 "$file"
	nobody 4 'add: *: Permission denied; change its mode or owner, or run as root' add -t loop -f "$file"
}

# --- the directory of records ---

@test "records where everyone writes" { chmod 777 "$root/run"; refused 1 "add: $not_ours" add -t null; }
@test "records where a group writes" { chmod 775 "$root/run"; refused 1 "add: $not_ours" add -t null; }
@test "records in a link's directory" {
	mv "$root/run" "$root/dev/elsewhere"
	ln -s dev/elsewhere "$root/run"
	refused 1 "add: $not_ours" add -t null
	rm "$root/run"
	mv "$root/dev/elsewhere" "$root/run"
}
@test "records in a file" {
	rmdir "$root/run"
	touch "$root/run"
	refused 1 "add: $not_ours" add -t null
	rm "$root/run"
	mkdir "$root/run"
}
@test "a directory in a record's place" {
	mkdir "$root/run/0.json"
	refused 1 'add: */run/0.json: cannot write the record: Is a directory' add -t null
	rmdir "$root/run/0.json"
}

# --- nowhere to print ---

# full ARGUMENT...: must say that it could not print, and only that, and have changed nothing
full() {
	local before
	before=$(everything)
	status=0
	ublkctl "$@" >/dev/full 2>"$tmp/err" </dev/null || status=$?
	: >"$tmp/out"
	took_in
	one_line 1 "${message-cannot write standard output: No space left on device}" || return
	wait_until 10 unchanged "$before"
}

@test "list > /dev/full" { device 0 -t null; full list; }
@test "list --json > /dev/full" { device 0 -t null; full list --json; }
@test "show 0 > /dev/full" { device 0 -t null; full show 0; }
@test "features > /dev/full" { full features; }
@test "targets > /dev/full" { full targets; }
@test "help > /dev/full" { full help; }
@test "--help > /dev/full" { full --help; }
@test "--version > /dev/full" { full --version; }
@test "add --help > /dev/full" { full add --help; }
@test "add > /dev/full: no device whose name nobody knows" {
	message='add: cannot write the path to standard output'
	full add -t null
	full add -t null --json
}
@test "add --foreground > /dev/full" {
	status=0
	ublkctl add -t null --foreground >/dev/full 2>"$tmp/err" </dev/null || status=$?
	# Before it may stand warnings about what this machine does not permit.
	same "$status$(tail -n 1 "$tmp/err")" '1ublkctl: add: cannot write the path to standard output'
	wait_until 10 nothing_left
}
@test "add --create > /dev/full: no file" {
	message='add: cannot write the path to standard output'
	full add -t loop -f new --create --size 1M
}

# closed FD: add without that standard file. None of the files that it opens instead may be mistaken for it.
closed() {
	image 1M
	status=0
	case $1 in
	0) ublkctl add -t loop -f image 2>"$tmp/err" >"$tmp/out" <&- || status=$? ;;
	1) ublkctl add -t loop -f image 2>"$tmp/err" >&- || status=$? ;;
	2) ublkctl add -t loop -f image 2>&- >"$tmp/out" || status=$? ;;
	esac
	took_in
	cmp -n 1048576 image /dev/zero
}

# reaches_image: the handler has the file open, and not in a standard file's place
reaches_image() {
	local fd pid
	pid=$(listed '.[0].pid')
	for fd in 0 1 2; do same "$(readlink "/proc/$pid/fd/$fd")" /dev/null; done
	same "$(readlink "/proc/$pid/fd"/* | sort -u | grep -cFx "$PWD/image")" 1
}

@test "standard output is closed" { : >"$tmp/out"; closed 1; one_line 1 'add: cannot write the path to standard output'; }
@test "standard input is closed" { : >"$tmp/err"; closed 0; same "$status$out$err" "0$root/dev/ublkb0"; reaches_image; }
@test "standard error is closed" { : >"$tmp/err"; closed 2; same "$status$out$err" "0$root/dev/ublkb0"; reaches_image; }
