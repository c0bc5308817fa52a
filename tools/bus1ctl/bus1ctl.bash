# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Completion of bus1ctl for bash. It needs nothing of the package bash-completion.

# Print the names on the bus that the words of the command line select.
_bus1ctl_names() {
        local word previous='' options=(--system)

        for word in "$@"; do
                case $previous$word in
                --session) options=(--user) ;;
                --address=*) options=("$word") ;;
                --address?*) options=("--address=$word") ;;
                esac
                previous=
                [[ $word == --address ]] && previous=$word
        done
        busctl "${options[@]}" --no-pager --no-legend list 2>/dev/null |
                while read -r word _; do echo "$word"; done
}

# Set COMPREPLY to those of the words $2 that begin with $1. Readline replaces only what is behind
# the last character at which it splits words, so the reply has only that part. A word that ends
# with = gets no space behind it.
_bus1ctl_reply() {
        local head='' i

        mapfile -t COMPREPLY < <(compgen -W "$2" -- "$1")
        [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
        [[ $COMP_WORDBREAKS == *=* && $1 == *=* ]] && head=${1%"${1##*=}"}
        [[ $COMP_WORDBREAKS == *:* && $1 == *:* ]] && head=${1%"${1##*:}"}
        for i in "${!COMPREPLY[@]}"; do
                COMPREPLY[i]=${COMPREPLY[i]#"$head"}
        done
}

# Set COMPREPLY to the files or directories (compgen -A $2) whose names begin with $1.
_bus1ctl_files() {
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -A "$2" -- "$1")
}

# Complete the value $2 of an option $1. False if the option has no value.
_bus1ctl_value() {
        local option=$1 value=$2

        shift 2
        case $option in
        --config) _bus1ctl_files "$value" file ;;
        --root) _bus1ctl_files "$value" directory ;;
        --user) _bus1ctl_reply "$value" "$(compgen -u)" ;;
        --group) _bus1ctl_reply "$value" "$(compgen -g)" ;;
        --client) _bus1ctl_reply "$value" "$(_bus1ctl_names "$@")" ;;
        --address) ;;
        *) return 1 ;;
        esac
}

# Complete the part $1 of a question of `policy explain`; the words behind it are the question so
# far.
_bus1ctl_question() {
        local current=$1 keys='type= path= interface= member= error= fds= requested_reply= eavesdrop='

        case $2 in
        send) keys="destination= owns= $keys" ;;
        receive) keys="sender= destination= $keys" ;;
        *) return ;;
        esac
        case $current in
        type=*) keys='type=method_call type=method_return type=error type=signal' ;;
        requested_reply=*) keys='requested_reply=true requested_reply=false' ;;
        eavesdrop=*) keys='eavesdrop=true eavesdrop=false' ;;
        esac
        _bus1ctl_reply "$current" "$keys"
}

# Find the first of the words that is neither an option nor the value of one, and set the variable
# question to the words from there on.
_bus1ctl_find_question() {
        question=()
        while (($#)); do
                case $1 in
                --config | --user | --group | --client | --address | --root) shift ;;
                -*) ;;
                *)
                        question=("$@")
                        return
                        ;;
                esac
                shift || return
        done
}

_bus1ctl() {
        local line=${COMP_LINE:0:COMP_POINT} words=() question=() current previous options

        COMPREPLY=()
        read -ra words <<<"$line"
        [[ $line == *[[:space:]] ]] && words+=('')
        ((${#words[@]} >= 2)) || return 0
        current=${words[-1]}
        previous=${words[-2]}
        # the words between the name of the program and the current one
        words=("${words[@]:1:${#words[@]}-2}")

        case "${words[*]:0:2}" in
        '')
                _bus1ctl_reply "$current" 'policy reexec state switch --help --version'
                return 0
                ;;
        'policy check')
                words=("${words[@]:2}")
                options='--json --live --system --session --address'
                ;;
        'policy explain')
                words=("${words[@]:2}")
                options='--json --matching --live --system --session --address --config --client
                         --user --group'
                ;;
        policy)
                _bus1ctl_reply "$current" 'check explain'
                return 0
                ;;
        reexec*)
                words=("${words[@]:1}")
                options='--system --session --address'
                ;;
        'state show')
                words=("${words[@]:2}")
                options=
                ;;
        state)
                _bus1ctl_reply "$current" 'show'
                return 0
                ;;
        switch*)
                words=("${words[@]:1}")
                options='--back --yes --dry-run --force --root='
                ;;
        *) return 0 ;;
        esac

        _bus1ctl_value "$previous" "$current" "${words[@]}" && return 0
        if [[ $current == --*=* ]]; then
                _bus1ctl_value "${current%%=*}" "${current#*=}" "${words[@]}"
                return 0
        fi
        if [[ $current == -* ]]; then
                _bus1ctl_reply "$current" "$options"
                return 0
        fi
        _bus1ctl_find_question "${words[@]}"
        case $options in
        --system*) ;;
        --back*) [[ ${question[*]} ]] || _bus1ctl_reply "$current" 'system user all' ;;
        *--matching*)
                if [[ ${question[*]} ]]; then
                        _bus1ctl_question "$current" "${question[@]}"
                else
                        _bus1ctl_reply "$current" 'connect own send receive'
                fi
                ;;
        *) _bus1ctl_files "$current" file ;;
        esac
        return 0
}

complete -F _bus1ctl bus1ctl
