# shellcheck shell=bash
# Completion of ublkctl for bash: ublkctl itself knows what can follow. Its last line is ":HOW<TAB>HEAD", where HEAD is
# what of the word stands before each candidate; those are the other lines, as "CANDIDATE<TAB>DESCRIPTION".

_ublkctl() {
	local cur words cword lines how head
	COMPREPLY=()
	# Words as ublkctl gets them, and not as readline breaks them.
	_get_comp_words_by_ref -n =: cur words cword
	# readline sees to an open quote.
	cur=${cur#[\"\']}
	mapfile -t lines < <("$1" complete -- "${words[@]:1:cword-1}" "$cur" 2>/dev/null)
	((${#lines[@]})) && [[ ${lines[-1]} == :* ]] || return 0
	IFS=$'\t' read -r how head <<<"${lines[-1]}"
	unset 'lines[-1]'
	_ublkctl_reply
}

# From lines, how, head and cur. readline replaces only what follows the last of its word breaks.
_ublkctl_reply() {
	local broken='' breaks=${COMP_WORDBREAKS//[^=:]/}
	if [[ $breaks ]]; then broken=${cur%"${cur##*["$breaks"]}"}; fi
	case $how in
	:files | :directories)
		# Its own way with names: ~, blanks and directories. It takes -fNAME for one.
		if [[ ! $head || $head == *= ]]; then
			if [[ $how == :files ]]; then compopt -o default; else compopt -o dirnames; fi
			return
		fi
		compopt -o filenames -o nospace
		mapfile -t lines < <(compgen -f -- "${cur#"$head"}")
		;;
	:list) compopt -o nospace ;;
	esac
	COMPREPLY=("${lines[@]%%$'\t'*}")
	COMPREPLY=("${COMPREPLY[@]/#/"$head"}")
	COMPREPLY=("${COMPREPLY[@]#"$broken"}")
}

complete -o nosort -F _ublkctl ublkctl
