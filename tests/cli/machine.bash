# shellcheck shell=bash disable=SC2154  # root is set by helpers
# A machine on which every command has something to do.

commands_of_help() { ublkctl --help | sed -nE '/^Commands:/,/^$/ s/^  ([a-z]+) .*/\1/p'; }

# state_is STATE INDEX: that of the device at this place of the list
state_is() { [[ $(listed ".[$2].state") == "$1" ]]; }

# machine: dev runs, stopped is stopped, lost has lost its handler, and spare runs, too
machine() {
	works add -t ramdisk -s 1M --recovery reissue --name dev
	works add -t null --name stopped
	works stop stopped
	works add -t null --recovery reissue --name lost
	kill -9 "$(listed '.[2].pid')"
	wait_until 10 state_is QUIESCED 2
	works add -t null --name spare
	mkdir -p "$root/etc"
	printf '%s null\n' tabbed spare >"$root/etc/ublktab"
}
