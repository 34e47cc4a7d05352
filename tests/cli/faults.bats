#!/usr/bin/env bats
# Each control command that add and del use fails in each way, every time it is asked. A case a line: which command and
# how are in the name, then come the exit status and the message.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, root, out ... are set by helpers
load helpers

no_answer() { echo "the driver did not answer $1 within 600 ms; see dmesg, then try again with a longer --timeout"; }

eperm='(Operation not permitted); a security module may forbid it, see dmesg'
eacces='(Permission denied); a security module may forbid it, see dmesg'
ebusy='(Device or resource busy); another program is working on it; try again'

# fault: sets those that the test's name asks for, each "OP:HOW", or "OP:HOW:skip:times" if it is not for ever
fault() {
	local each all=''
	for each in ${BATS_TEST_DESCRIPTION#*: }; do
		if [[ $each != *:*:* ]]; then each+=:0:always; fi
		all+="$each;"
	done
	export UBLKCTL_MODEL_FAULT=$all
	# Only what never answers is waited for that little: it is the bound of all that is done.
	if [[ $all == *never* || $all == *EINTR:0:always* || $all == DEL_DEV*:ENODEV* ]]; then export UBLKCTL_MODEL_TIMEOUT_MS=600; fi
}

# soon COMMAND...: no longer than all the bounds together, on a machine that has other work
soon() {
	local begun=$SECONDS
	"$@" || return
	((SECONDS - begun <= 8)) || complain "that took $((SECONDS - begun)) s"
}

# add_fails STATUS MESSAGE: and there is no device, process, record, or file that --create made
add_fails() {
	fault
	soon refused "$1" "add: $2" add -t loop -f new --create -s 1M -q 2
}

add_works() {
	fault
	soon works add -t loop -f new --create -s 1M -q 2
	same "$out" "$root/dev/ublkb0"
}

device() {
	works add -t ramdisk -s 1M
	dev=$out
}

# del_fails STATUS MESSAGE [OPTION...]: then the device is gone, or listed, and deleted once the driver has come round
del_fails() {
	device
	fault
	soon invoke del "${@:3}" 0
	one_line "$1" "del: $2"
	no_faults
	export UBLKCTL_MODEL_TIMEOUT_MS=10000
	if [[ $(listed length) != 0 ]]; then
		same "$(listed '.[0].device')" "$dev"
		works del 0
	fi
	wait_until 10 nothing_left
}

# del_works [OPTION...]
del_works() {
	device
	fault
	soon works del "$@" 0
	wait_until 10 nothing_left
}

# --- add: CTRL_OPEN ---

@test "add: CTRL_OPEN:EPERM" {
	add_fails 4 '*/ublk-control may not be opened here (Operation not permitted); see the device rules *'
}
@test "add: CTRL_OPEN:EACCES" {
	add_fails 4 '*/ublk-control may not be opened here (Permission denied); see the device rules *'
}
@test "add: CTRL_OPEN:ENOMEM" { add_fails 1 '*/ublk-control cannot be opened: Cannot allocate memory'; }
@test "add: CTRL_OPEN:EBUSY" {
	add_fails 7 '*/ublk-control is held by * (Device or resource busy); try again when that is gone'
}
@test "add: CTRL_OPEN:EINVAL" { add_fails 1 '*/ublk-control cannot be opened: Invalid argument'; }
@test "add: CTRL_OPEN:ENODEV" {
	add_fails 5 "the ublk driver is not loaded (No such device); run '*modprobe ublk_drv'"
}
@test "add: CTRL_OPEN:ENOSPC" { add_fails 1 '*/ublk-control cannot be opened: No space left on device'; }
@test "add: CTRL_OPEN:EOPNOTSUPP" { add_fails 3 '*/ublk-control cannot be opened: Operation not supported'; }
@test "add: CTRL_OPEN:EINTR" { add_fails 1 '*/ublk-control cannot be opened: Interrupted system call'; }

# --- add: GET_FEATURES ---

@test "add: GET_FEATURES:EOPNOTSUPP" { add_works; } # Linux before 6.5
@test "add: GET_FEATURES:EPERM" { add_fails 4 "the driver refused GET_FEATURES $eperm"; }
@test "add: GET_FEATURES:ENOMEM" { add_fails 1 'the driver refused GET_FEATURES: Cannot allocate memory'; }
@test "add: GET_FEATURES:EINVAL" { add_fails 1 'the driver refused GET_FEATURES: Invalid argument'; }
@test "add: GET_FEATURES:EINTR" { add_fails 9 "$(no_answer 'GET_FEATURES')"; }
@test "add: GET_FEATURES:never" { add_fails 9 "$(no_answer 'GET_FEATURES')"; }

# --- add: ADD_DEV ---

@test "add: ADD_DEV:EPERM" { add_fails 4 "the driver refused ADD_DEV $eperm"; }
@test "add: ADD_DEV:EACCES" {
	add_fails 4 "the driver refused ADD_DEV $eacces"
}
@test "add: ADD_DEV:ENOMEM" { add_fails 1 'the driver refused ADD_DEV: Cannot allocate memory'; }
@test "add: ADD_DEV:EBUSY" { add_fails 7 "the driver refused ADD_DEV $ebusy"; }
@test "add: ADD_DEV:EINVAL" {
	add_fails 1 'ADD_DEV: the driver refused this mix of queues, depth and features (Invalid argument)'
}
@test "add: ADD_DEV:ENODEV" { add_fails 6 'the driver refused ADD_DEV: No such device'; }
@test "add: ADD_DEV:ENOSPC" {
	add_fails 1 'ADD_DEV: no device id is free; delete unused devices (No space left on device)'
}
@test "add: ADD_DEV:EOPNOTSUPP" { add_fails 3 "this kernel's driver does not have ADD_DEV; a newer kernel may"; }
@test "add: ADD_DEV:EINTR" { add_fails 9 "$(no_answer 'ADD_DEV')"; }
@test "add: ADD_DEV:never" { add_fails 9 "$(no_answer 'ADD_DEV')"; }
@test "add: ADD_DEV:never-done" { add_fails 9 "$(no_answer 'ADD_DEV')"; }

# --- add: SET_PARAMS ---

@test "add: SET_PARAMS:EPERM" { add_fails 4 "the driver refused SET_PARAMS for device 0 $eperm"; }
@test "add: SET_PARAMS:EACCES" {
	add_fails 1 'SET_PARAMS for device 0: the device is already started (Permission denied)'
}
@test "add: SET_PARAMS:ENOMEM" { add_fails 1 'the driver refused SET_PARAMS for device 0: Cannot allocate memory'; }
@test "add: SET_PARAMS:EBUSY" { add_fails 7 "the driver refused SET_PARAMS for device 0 $ebusy"; }
@test "add: SET_PARAMS:EINVAL" {
	add_fails 1 'SET_PARAMS for device 0: the driver refused the block sizes or limits (Invalid argument)'
}
@test "add: SET_PARAMS:ENODEV" { add_fails 6 'device 0 was deleted by someone else before it was ready'; }
@test "add: SET_PARAMS:ENOSPC" { add_fails 1 'the driver refused SET_PARAMS for device 0: No space left on device'; }
@test "add: SET_PARAMS:EOPNOTSUPP" { add_fails 3 "this kernel's driver does not have SET_PARAMS; a newer kernel may"; }
@test "add: SET_PARAMS:EINTR" { add_fails 9 "$(no_answer 'SET_PARAMS for device 0')"; }
@test "add: SET_PARAMS:never" { add_fails 9 "$(no_answer 'SET_PARAMS for device 0')"; }
@test "add: SET_PARAMS:never-done" { add_fails 9 "$(no_answer 'SET_PARAMS for device 0')"; }

# --- add: GET_QUEUE_AFFINITY ---

@test "add: GET_QUEUE_AFFINITY:EPERM" {
	add_fails 4 "the driver refused GET_QUEUE_AFFINITY for device 0 $eperm"
}
@test "add: GET_QUEUE_AFFINITY:EACCES" {
	add_fails 4 "the driver refused GET_QUEUE_AFFINITY for device 0 $eacces"
}
@test "add: GET_QUEUE_AFFINITY:ENOMEM" {
	add_fails 1 'the driver refused GET_QUEUE_AFFINITY for device 0: Cannot allocate memory'
}
@test "add: GET_QUEUE_AFFINITY:EBUSY" {
	add_fails 7 "the driver refused GET_QUEUE_AFFINITY for device 0 $ebusy"
}
@test "add: GET_QUEUE_AFFINITY:EINVAL" {
	add_fails 1 'the driver refused GET_QUEUE_AFFINITY for device 0: Invalid argument'
}
@test "add: GET_QUEUE_AFFINITY:ENODEV" { add_fails 6 'device 0 was deleted by someone else before it was ready'; }
@test "add: GET_QUEUE_AFFINITY:ENOSPC" {
	add_fails 1 'the driver refused GET_QUEUE_AFFINITY for device 0: No space left on device'
}
@test "add: GET_QUEUE_AFFINITY:EOPNOTSUPP" {
	add_fails 3 "this kernel's driver does not have GET_QUEUE_AFFINITY; a newer kernel may"
}
@test "add: GET_QUEUE_AFFINITY:EINTR" { add_fails 9 "$(no_answer 'GET_QUEUE_AFFINITY for device 0')"; }
@test "add: GET_QUEUE_AFFINITY:never" { add_fails 9 "$(no_answer 'GET_QUEUE_AFFINITY for device 0')"; }
@test "add: GET_QUEUE_AFFINITY:never-done" { add_fails 9 "$(no_answer 'GET_QUEUE_AFFINITY for device 0')"; }

# --- add: START_DEV ---

@test "add: START_DEV:EPERM" { add_fails 4 "the driver refused START_DEV for device 0 $eperm"; }
@test "add: START_DEV:EACCES" { add_fails 4 "the driver refused START_DEV for device 0 $eacces"; }
@test "add: START_DEV:ENOMEM" { add_fails 1 'the driver refused START_DEV for device 0: Cannot allocate memory'; }
@test "add: START_DEV:EBUSY" { add_fails 7 "the driver refused START_DEV for device 0 $ebusy"; }
@test "add: START_DEV:EINVAL" { add_fails 1 'the driver refused START_DEV for device 0: Invalid argument'; }
@test "add: START_DEV:ENODEV" { add_fails 6 'device 0 was deleted by someone else before it was ready'; }
@test "add: START_DEV:ENOSPC" { add_fails 1 'the driver refused START_DEV for device 0: No space left on device'; }
@test "add: START_DEV:EOPNOTSUPP" { add_fails 3 "this kernel's driver does not have START_DEV; a newer kernel may"; }
@test "add: START_DEV:EINTR" { add_fails 9 "$(no_answer 'START_DEV for device 0')"; }
@test "add: START_DEV:never" { add_fails 9 "$(no_answer 'START_DEV for device 0')"; }
@test "add: START_DEV:never-done" { add_fails 9 "$(no_answer 'START_DEV for device 0')"; }

# --- add: RING_INIT ---

@test "add: RING_INIT:EPERM" {
	add_fails 4 'queue ?: io_uring is forbidden by a security module (Operation not permitted); *'
}
@test "add: RING_INIT:ENOMEM" { add_fails 1 'queue ?: cannot make an io_uring: Cannot allocate memory'; }
@test "add: RING_INIT:EBUSY" { add_fails 1 'queue ?: cannot make an io_uring: Device or resource busy'; }
@test "add: RING_INIT:EINVAL" { add_fails 1 'queue ?: cannot make an io_uring: Invalid argument'; }
@test "add: RING_INIT:EINTR" { add_fails 1 'queue ?: cannot make an io_uring: Interrupted system call'; }

# --- add: RING_SUBMIT ---

@test "add: RING_SUBMIT:ENOMEM" { add_fails 1 'queue ?: cannot fetch: Cannot allocate memory'; }
@test "add: RING_SUBMIT:EBUSY" { add_fails 1 'queue ?: cannot fetch: Device or resource busy'; }
@test "add: RING_SUBMIT:EINVAL" { add_fails 1 'queue ?: cannot fetch: Invalid argument'; }
@test "add: RING_SUBMIT:EINTR" {
	add_fails 9 'the queues of device 0 were not set up within 600 ms; the machine may be overloaded'
}

# --- add: FETCH_REQ ---

@test "add: FETCH_REQ:ENOMEM" { add_fails 1 'queue ?: the driver refused FETCH of tag 0: Cannot allocate memory'; }
@test "add: FETCH_REQ:EBUSY" { add_fails 1 'queue ?: the driver refused FETCH of tag 0: Device or resource busy'; }
@test "add: FETCH_REQ:EINVAL" { add_fails 1 'queue ?: the driver refused FETCH of tag 0: Invalid argument'; }
@test "add: FETCH_REQ:EINTR" { add_fails 1 'queue ?: the driver refused FETCH of tag 0: Interrupted system call'; }
@test "add: FETCH_REQ:never" { add_fails 9 "$(no_answer 'START_DEV for device 0')"; }

# --- del: CTRL_OPEN ---

@test "del: CTRL_OPEN:EPERM" {
	del_fails 4 '*/ublk-control may not be opened here (Operation not permitted); see the device rules *'
}
@test "del: CTRL_OPEN:EACCES" {
	del_fails 4 '*/ublk-control may not be opened here (Permission denied); see the device rules *'
}
@test "del: CTRL_OPEN:ENOMEM" { del_fails 1 '*/ublk-control cannot be opened: Cannot allocate memory'; }
@test "del: CTRL_OPEN:EBUSY" {
	del_fails 7 '*/ublk-control is held by * (Device or resource busy); try again when that is gone'
}
@test "del: CTRL_OPEN:EINVAL" { del_fails 1 '*/ublk-control cannot be opened: Invalid argument'; }
@test "del: CTRL_OPEN:ENODEV" {
	del_fails 5 "the ublk driver is not loaded (No such device); run '*modprobe ublk_drv'"
}
@test "del: CTRL_OPEN:ENOSPC" { del_fails 1 '*/ublk-control cannot be opened: No space left on device'; }
@test "del: CTRL_OPEN:EOPNOTSUPP" { del_fails 3 '*/ublk-control cannot be opened: Operation not supported'; }
@test "del: CTRL_OPEN:EINTR" { del_fails 1 '*/ublk-control cannot be opened: Interrupted system call'; }

# --- del: GET_DEV_INFO2 ---

@test "del: GET_DEV_INFO2:EPERM" { del_works; }
@test "del: GET_DEV_INFO2:EACCES" { del_works; }
@test "del: GET_DEV_INFO2:ENOMEM" { del_works; }
@test "del: GET_DEV_INFO2:EBUSY" { del_works; }
@test "del: GET_DEV_INFO2:EINVAL" { del_works; }
@test "del: GET_DEV_INFO2:ENODEV" { del_works; }
@test "del: GET_DEV_INFO2:ENOSPC" { del_works; }
@test "del: GET_DEV_INFO2:EOPNOTSUPP" { del_works; }
@test "del: GET_DEV_INFO2:EINTR" { del_fails 9 "$(no_answer 'GET_DEV_INFO for device 0')"; }
@test "del: GET_DEV_INFO2:never" { del_fails 9 "$(no_answer 'GET_DEV_INFO for device 0')"; }
@test "del: GET_DEV_INFO2:never-done" { del_fails 9 "$(no_answer 'GET_DEV_INFO for device 0')"; }

# --- del: TRY_STOP_DEV ---

@test "del: TRY_STOP_DEV:EPERM" { del_fails 4 "the driver refused TRY_STOP_DEV for device 0 $eperm"; }
@test "del: TRY_STOP_DEV:EACCES" { del_fails 4 "the driver refused TRY_STOP_DEV for device 0 $eacces"; }
@test "del: TRY_STOP_DEV:ENOMEM" { del_fails 1 'the driver refused TRY_STOP_DEV for device 0: Cannot allocate memory'; }
@test "del: TRY_STOP_DEV:EBUSY" {
	del_fails 7 'TRY_STOP_DEV for device 0: the block device is open; close it, or use --force (Device or resource busy)'
}
@test "del: TRY_STOP_DEV:EINVAL" { del_fails 1 'the driver refused TRY_STOP_DEV for device 0: Invalid argument'; }
@test "del: TRY_STOP_DEV:ENODEV" { del_works; }
@test "del: TRY_STOP_DEV:ENOSPC" {
	del_fails 1 'the driver refused TRY_STOP_DEV for device 0: No space left on device'
}
@test "del: TRY_STOP_DEV:EOPNOTSUPP" {
	del_fails 3 "this kernel's driver does not have TRY_STOP_DEV; a newer kernel may"
}
@test "del: TRY_STOP_DEV:EINTR" { del_fails 9 "$(no_answer 'TRY_STOP_DEV for device 0')"; }
@test "del: TRY_STOP_DEV:never" { del_fails 9 "$(no_answer 'TRY_STOP_DEV for device 0')"; }
@test "del: TRY_STOP_DEV:never-done" { del_fails 9 "$(no_answer 'TRY_STOP_DEV for device 0')"; }

# --- del on 6.12: STOP_DEV ---

@test "del on 6.12: STOP_DEV:EPERM" {
	old_driver
	del_fails 4 "the driver refused STOP_DEV for device 0 $eperm"
}
@test "del on 6.12: STOP_DEV:EACCES" {
	old_driver
	del_fails 4 "the driver refused STOP_DEV for device 0 $eacces"
}
@test "del on 6.12: STOP_DEV:ENOMEM" {
	old_driver
	del_fails 1 'the driver refused STOP_DEV for device 0: Cannot allocate memory'
}
@test "del on 6.12: STOP_DEV:EBUSY" {
	old_driver
	del_fails 7 "the driver refused STOP_DEV for device 0 $ebusy"
}
@test "del on 6.12: STOP_DEV:EINVAL" {
	old_driver
	del_fails 1 'the driver refused STOP_DEV for device 0: Invalid argument'
}
@test "del on 6.12: STOP_DEV:ENODEV" {
	old_driver
	del_fails 6 "device 0 does not exist; 'ublkctl list' shows those that do"
}
@test "del on 6.12: STOP_DEV:ENOSPC" {
	old_driver
	del_fails 1 'the driver refused STOP_DEV for device 0: No space left on device'
}
@test "del on 6.12: STOP_DEV:EOPNOTSUPP" {
	old_driver
	del_fails 3 "this kernel's driver does not have STOP_DEV; a newer kernel may"
}
@test "del on 6.12: STOP_DEV:EINTR" { old_driver; del_fails 9 "$(no_answer 'STOP_DEV for device 0')"; }
@test "del on 6.12: STOP_DEV:never" { old_driver; del_fails 9 "$(no_answer 'STOP_DEV for device 0')"; }
@test "del on 6.12: STOP_DEV:never-done" { old_driver; del_fails 9 "$(no_answer 'STOP_DEV for device 0')"; }

# --- del: DEL_DEV ---

@test "del: DEL_DEV:EPERM" {
	del_fails 4 "device 0 is stopped but not deleted: the driver refused DEL_DEV for device 0 $eperm"
}
@test "del: DEL_DEV:EACCES" {
	del_fails 4 "device 0 is stopped but not deleted: the driver refused DEL_DEV for device 0 $eacces"
}
@test "del: DEL_DEV:ENOMEM" {
	del_fails 1 'device 0 is stopped but not deleted: the driver refused DEL_DEV for device 0: Cannot allocate memory'
}
@test "del: DEL_DEV:EBUSY" {
	del_fails 7 "device 0 is stopped but not deleted: the driver refused DEL_DEV for device 0 $ebusy"
}
@test "del: DEL_DEV:EINVAL" {
	del_fails 1 'device 0 is stopped but not deleted: the driver refused DEL_DEV for device 0: Invalid argument'
}
@test "del: DEL_DEV:ENODEV" {
	del_fails 9 'device 0 is stopped, but its id is not free; see dmesg'
}
@test "del: DEL_DEV:ENOSPC" {
	del_fails 1 'device 0 is stopped but not deleted: the driver refused DEL_DEV for device 0: No space left on device'
}
@test "del: DEL_DEV:EOPNOTSUPP" {
	del_fails 3 "device 0 is stopped but not deleted: this kernel's driver does not have DEL_DEV; a newer kernel may"
}
@test "del: DEL_DEV:EINTR" { del_fails 9 "device 0 is stopped but not deleted: $(no_answer 'DEL_DEV for device 0')"; }
@test "del: DEL_DEV:never" { del_fails 9 "device 0 is stopped but not deleted: $(no_answer 'DEL_DEV for device 0')"; }
@test "del: DEL_DEV:never-done" {
	del_fails 9 "device 0 is stopped but not deleted: $(no_answer 'DEL_DEV for device 0')"
}

# --- del --force: DEL_DEV_ASYNC ---

@test "del --force: DEL_DEV_ASYNC:EPERM" {
	del_fails 4 "device 0 is stopped but not deleted: the driver refused DEL_DEV_ASYNC for device 0 $eperm" --force
}
@test "del --force: DEL_DEV_ASYNC:EACCES" {
	del_fails 4 "device 0 is stopped but not deleted: the driver refused DEL_DEV_ASYNC for device 0 $eacces" --force
}
@test "del --force: DEL_DEV_ASYNC:ENOMEM" {
	del_fails 1 'device 0 is stopped but not deleted: the driver refused DEL_DEV_ASYNC for device 0: Cannot allocate memory' --force
}
@test "del --force: DEL_DEV_ASYNC:EBUSY" {
	del_fails 7 "device 0 is stopped but not deleted: the driver refused DEL_DEV_ASYNC for device 0 $ebusy" --force
}
@test "del --force: DEL_DEV_ASYNC:EINVAL" {
	del_fails 1 'device 0 is stopped but not deleted: the driver refused DEL_DEV_ASYNC for device 0: Invalid argument' --force
}
@test "del --force: DEL_DEV_ASYNC:ENODEV" {
	del_fails 9 'device 0 is stopped, but its id is not free; see dmesg' --force
}
@test "del --force: DEL_DEV_ASYNC:ENOSPC" {
	del_fails 1 'device 0 is stopped but not deleted: the driver refused DEL_DEV_ASYNC for device 0: No space left on device' --force
}
@test "del --force: DEL_DEV_ASYNC:EOPNOTSUPP" { del_works --force; }
@test "del --force: DEL_DEV_ASYNC:EINTR" {
	del_fails 9 "device 0 is stopped but not deleted: $(no_answer 'DEL_DEV_ASYNC for device 0')" --force
}
@test "del --force: DEL_DEV_ASYNC:never" {
	del_fails 9 "device 0 is stopped but not deleted: $(no_answer 'DEL_DEV_ASYNC for device 0')" --force
}
@test "del --force: DEL_DEV_ASYNC:never-done" {
	del_fails 9 "device 0 is stopped but not deleted: $(no_answer 'DEL_DEV_ASYNC for device 0')" --force
}

# --- interrupted once, and asked again ---

@test "add: GET_FEATURES:EINTR:0:1 ADD_DEV:EINTR:0:1 SET_PARAMS:EINTR:0:1 GET_QUEUE_AFFINITY:EINTR:0:1 START_DEV:EINTR:0:1" {
	add_works
}
@test "del: GET_DEV_INFO2:EINTR:0:1 TRY_STOP_DEV:EINTR:0:1 DEL_DEV:EINTR:0:1" { del_works; }
@test "del --force: STOP_DEV:EINTR:0:1 DEL_DEV_ASYNC:EINTR:0:1" { del_works --force; }

# --- what they do not use: with that, the lists above are whole ---

@test "add: GET_PARAMS:EINVAL GET_DEV_INFO:EINVAL GET_DEV_INFO2:EINVAL STOP_DEV:EINVAL" { add_works; }
@test "add: DEL_DEV:EINVAL DEL_DEV_ASYNC:EINVAL TRY_STOP_DEV:EINVAL UPDATE_SIZE:EINVAL QUIESCE_DEV:EINVAL" {
	add_works
}
@test "add: START_USER_RECOVERY:EINVAL END_USER_RECOVERY:EINVAL REG_BUF:EINVAL UNREG_BUF:EINVAL" { add_works; }
@test "del: GET_FEATURES:EINVAL GET_PARAMS:EINVAL GET_DEV_INFO:EINVAL STOP_DEV:EINVAL DEL_DEV_ASYNC:EINVAL" {
	del_works
}
@test "del: ADD_DEV:EINVAL SET_PARAMS:EINVAL START_DEV:EINVAL GET_QUEUE_AFFINITY:EINVAL UPDATE_SIZE:EINVAL" {
	del_works
}
@test "del: START_USER_RECOVERY:EINVAL END_USER_RECOVERY:EINVAL QUIESCE_DEV:EINVAL REG_BUF:EINVAL" { del_works; }
@test "del --force: TRY_STOP_DEV:EINVAL DEL_DEV:EINVAL GET_DEV_INFO:EINVAL GET_PARAMS:EINVAL" { del_works --force; }

# --- the older question fails, too ---

@test "del: GET_DEV_INFO2:EPERM GET_DEV_INFO:EPERM" {
	del_fails 4 "the driver refused GET_DEV_INFO for device 0 $eperm"
}
@test "del: GET_DEV_INFO2:ENOMEM GET_DEV_INFO:EACCES" {
	del_fails 4 "the driver refused GET_DEV_INFO for device 0 $eacces"
}
@test "del: GET_DEV_INFO2:ENOMEM GET_DEV_INFO:ENOMEM" {
	del_fails 1 'the driver refused GET_DEV_INFO for device 0: Cannot allocate memory'
}
@test "del: GET_DEV_INFO2:EBUSY GET_DEV_INFO:EBUSY" {
	del_fails 7 "the driver refused GET_DEV_INFO for device 0 $ebusy"
}
@test "del: GET_DEV_INFO2:EINVAL GET_DEV_INFO:EINVAL" {
	del_fails 1 'the driver refused GET_DEV_INFO for device 0: Invalid argument'
}
@test "del: GET_DEV_INFO2:ENODEV GET_DEV_INFO:ENODEV" {
	del_fails 6 "device 0 does not exist; 'ublkctl list' shows those that do"
}
@test "del: GET_DEV_INFO2:ENOSPC GET_DEV_INFO:ENOSPC" {
	del_fails 1 'the driver refused GET_DEV_INFO for device 0: No space left on device'
}
@test "del: GET_DEV_INFO2:EOPNOTSUPP GET_DEV_INFO:EOPNOTSUPP" {
	del_fails 3 "this kernel's driver does not have GET_DEV_INFO; a newer kernel may"
}
@test "del: GET_DEV_INFO2:EINVAL GET_DEV_INFO:EINTR" { del_fails 9 "$(no_answer 'GET_DEV_INFO for device 0')"; }
@test "del: GET_DEV_INFO2:EINVAL GET_DEV_INFO:never" { del_fails 9 "$(no_answer 'GET_DEV_INFO for device 0')"; }
@test "del: GET_DEV_INFO2:EINVAL GET_DEV_INFO:never-done" { del_fails 9 "$(no_answer 'GET_DEV_INFO for device 0')"; }

# --- what was begun cannot be taken back either: it is said, and del does it later ---

# left_behind STATUS MESSAGE
left_behind() {
	fault
	soon invoke add -t loop -f new --create -s 1M
	one_line "$1" "add: a device may be left, see 'ublkctl list' ($2"
	no_faults
	export UBLKCTL_MODEL_TIMEOUT_MS=10000
	wait_until 10 no_processes
	same "$(listed 'map(.state) | tostring')" '["DEAD"]'
	works del 0
	wait_until 10 nothing_left
	[[ ! -e new ]]
}

@test "add: START_DEV:EBUSY DEL_DEV:EINVAL" {
	left_behind 7 'the driver refused DEL_DEV for device 0: Invalid argument): the driver refused START_DEV *'
}
@test "add: START_DEV:ENOMEM DEL_DEV:never" {
	left_behind 1 'the driver did not answer DEL_DEV *): the driver refused START_DEV *'
}
@test "add: START_DEV:ENOMEM GET_DEV_INFO2:EINVAL GET_DEV_INFO:EINVAL DEL_DEV:EINVAL" {
	left_behind 1 'the driver refused GET_DEV_INFO *): the driver refused START_DEV *'
}
@test "add: START_DEV:ENOMEM STOP_DEV:EINVAL" {
	add_fails 1 'the driver refused START_DEV for device 0: Cannot allocate memory'
}
@test "add: START_DEV:never STOP_DEV:never" {
	left_behind 9 'the driver did not answer DEL_DEV *): the driver did not answer START_DEV *'
}
@test "add: SET_PARAMS:EINVAL DEL_DEV:EBUSY:0:1" {
	add_fails 1 'SET_PARAMS for device 0: the driver refused the block sizes or limits (Invalid argument)'
}

# --- the others ---

# fails STATUS MESSAGE ARGUMENT...
fails() {
	device
	fault
	soon refused "$@"
}

@test "list: GET_DEV_INFO2:never" { fails 9 "list: $(no_answer 'GET_DEV_INFO for device 0')" list; }
@test "list: GET_DEV_INFO2:EPERM GET_DEV_INFO:EPERM" {
	fails 4 "list: the driver refused GET_DEV_INFO for device 0 $eperm" list
}
@test "stats: GET_DEV_INFO2:never" { fails 9 "stats: $(no_answer 'GET_DEV_INFO for device 0')" stats; }
@test "stats: GET_DEV_INFO2:EPERM GET_DEV_INFO:EPERM" {
	fails 4 "stats: the driver refused GET_DEV_INFO for device 0 $eperm" stats --openmetrics
}
@test "show: GET_PARAMS:never" { fails 9 "show: $(no_answer 'GET_PARAMS for device 0')" show 0; }
@test "show: GET_PARAMS:EINVAL" {
	fails 1 'show: the driver refused GET_PARAMS for device 0: Invalid argument' show 0
}
@test "features: GET_FEATURES:EOPNOTSUPP" {
	fails 3 'features: GET_FEATURES: the driver is older than Linux 6.5; update the kernel (Operation not supported)' features
}
@test "features: GET_FEATURES:never" { fails 9 "features: $(no_answer GET_FEATURES)" features; }
@test "del: two, and one of them fails" {
	device
	device
	UBLKCTL_MODEL_FAULT=TRY_STOP_DEV:EPERM invoke del 0 1
	one_line 4 "del: the driver refused TRY_STOP_DEV for device [01] $eperm"
	same "$(listed length)" 1
}
@test "del --all: two, and one of them goes away by itself" {
	device
	device
	# Twice it is asked which ones they are.
	UBLKCTL_MODEL_FAULT='GET_DEV_INFO2:ENODEV:2;GET_DEV_INFO:ENODEV' works del --all
	same "$(listed length)" 1
}
