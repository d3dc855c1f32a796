#compdef indexctl
# zsh completion for indexctl
_indexctl() {
    local -a out
    out=("${(@f)$(indexctl completion --complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    case $out[1] in
    $'\tfiles')
        compset -P '--*='
        _files
        ;;
    $'\tdirectories')
        compset -P '--*='
        _files -/
        ;;
    ?*)
        out=("${(@)out//:/\\:}")
        out=("${(@)out/$'\t'/:}")
        _describe indexctl out
        ;;
    *) return 1 ;;
    esac
}
if [ "$funcstack[1]" = _indexctl ]; then
    _indexctl "$@"
else
    compdef _indexctl indexctl
fi
