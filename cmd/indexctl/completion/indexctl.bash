# bash completion for indexctl
_indexctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} out
    mapfile -t out < <(indexctl completion --complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    [[ $cur == = ]] && cur=
    case ${out[0]} in
    $'\tfiles')
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        ;;
    $'\tdirectories')
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        ;;
    *)
        COMPREPLY=("${out[@]%%$'\t'*}")
        COMPREPLY=("${COMPREPLY[@]#*=}")
        ;;
    esac
}
complete -F _indexctl indexctl
