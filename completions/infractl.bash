# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for infractl. Verbs, options and names come from `infractl --complete`, which reads the policy
# named on the command line, keeps quiet, and changes nothing.

# Candidates from stdin that begin with the word under the cursor. Not compgen -W: that would expand them.
_infractl_match() {
    local word
    while read -r word; do
        [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
    done
}

# Sets verb (or "") and context (the options that say where to look) from the words before the cursor.
_infractl_look() {
    local i word
    verb= context=() arguments=0
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            --policy | --profiles | --state | --socket)
                [[ ${COMP_WORDS[i + 1]-} == = ]] && ((i++))
                ((++i < COMP_CWORD)) && context+=("$word=${COMP_WORDS[i]/#\~/$HOME}")
                ;;
            --limit | -n | --pause-before | --confirm) ((i++)) ;;
            --local) context+=("$word") ;;
            -*) ;;
            *) if [[ $verb ]]; then ((arguments++)); else verb=$word; fi ;;
        esac
    done
}

_infractl_names() {
    "${COMP_WORDS[0]}" "${context[@]}" ${verb:+"$verb"} --complete "$1" 2> /dev/null | cut -f1
}

_infractl_words() {
    local what
    case $verb:$arguments in
        :*) what=verbs ;;
        show:0 | start:0 | stop:0 | restart:0 | shell:0 | console:0 | rollback:0 | drift:0) what=containers ;;
        volume:0) echo extract ;;
        volume:1) what=containers ;;
        upgrade:0 | plan:0) what=upgrades ;;
        report:0 | watch:0) what=runs ;;
        plan:1) what=containers ;;
        firewall:0) what=firewall ;;
    esac
    [[ $verb:$arguments == rehearse:0 ]] && _infractl_names upgrades && what=containers
    [[ $verb:$arguments == plan:0 ]] && printf '%s\n' apply upgrade rehearse rollback start stop restart
    [[ $verb:$arguments == plan:1 && " ${COMP_WORDS[*]} " == *' upgrade '* ]] && what=upgrades
    [[ $verb:$arguments == report:0 ]] && echo last
    [[ ! ${what-} ]] || _infractl_names "$what"
}

_infractl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb arguments
    local -a context
    COMPREPLY=()
    # bash splits at "=": "--policy=DIR" comes as three words.
    [[ $cur == = ]] && cur= prev=${COMP_WORDS[COMP_CWORD - 1]}
    [[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD - 2]}
    case $prev in
        --policy | --profiles | --state)
            mapfile -t COMPREPLY < <(compgen -d -- "$cur")
            compopt -o filenames 2> /dev/null
            return
            ;;
        --socket)
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            compopt -o filenames 2> /dev/null
            return
            ;;
        --limit | -n | --confirm) return ;;
        --pause-before)
            _infractl_match <<< cut-over
            return
            ;;
    esac
    _infractl_look
    if [[ $cur == -* ]]; then
        _infractl_match < <(_infractl_names options)
        [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2> /dev/null
    elif [[ $verb == check ]]; then
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        compopt -o filenames 2> /dev/null
    else
        _infractl_match < <(_infractl_words)
    fi
}

complete -F _infractl infractl
