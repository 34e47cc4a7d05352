# shellcheck shell=bash
# Plain users with the udev rules and the group as they are installed.
: "${UBLKCTL:?}" "${reports:?}"

rules=/run/udev/rules.d/59-ublkctl.rules
# Where they can reach it, and at a path that ends in its name: that is what processes() looks for.
theirs=/opt/ublkctl-test/ublkctl

# let_in USER...: each has a runtime directory; sets ublk_gid
let_in() {
	local top=${BATS_TEST_DIRNAME%/tests/device} user
	mkdir -p "${theirs%/*}" "${rules%/*}"
	cp "$UBLKCTL" "$theirs"
	chmod 1777 "$reports"	# of the sanitizers
	systemd-sysusers "$top/udev/ublkctl.conf"
	sed "s#@CMAKE_INSTALL_FULL_SBINDIR@/ublkctl#$theirs#" "$top/udev/59-ublkctl.rules.in" >"$rules"
	udevadm control --reload
	udevadm trigger --settle --name-match=ublk-control
	ublk_gid=$(stat -c %g /dev/ublk-control)
	export ublk_gid
	for user; do
		mkdir -p "/run/user/$user"
		chmod 700 "/run/user/$user"
		chown "$user:$user" "/run/user/$user"
	done
}

# shut_out USER...: undoes it
shut_out() {
	local user
	rm "$rules"
	udevadm control --reload
	chown root:root /dev/ublk-control
	chmod 600 /dev/ublk-control
	chmod 755 "$reports"
	rm -r "${theirs%/*}"
	for user; do rm -r "/run/user/$user"; done
}
