# Writes each command of the section `name` of a user-data that isoforge has rendered into a file of its own, a shell
# script: `folder`/1, `folder`/2 and so on.
function value(text, result, at, letter) {
    if (text ~ /^".*"$/) {
        text = substr(text, 2, length(text) - 2)
        result = ""
        while ((at = index(text, "\\")) > 0) {
            letter = substr(text, at + 1, 1)
            result = result substr(text, 1, at - 1) (letter == "n" ? "\n" : letter == "r" ? "\r" : letter == "t" ? "\t" : letter)
            text = substr(text, at + 2)
        }
        return result text
    }
    if (text ~ /^'.*'$/) {
        text = substr(text, 2, length(text) - 2)
        gsub(/''/, "'", text)
    }
    return text
}
function quoted(text, result, at) {
    result = "'"
    while ((at = index(text, "'")) > 0) {
        result = result substr(text, 1, at - 1) "'\\''"
        text = substr(text, at + 1)
    }
    return result text "'"
}
/^  [a-z]/ { inside = ($1 == name ":") ; next }
!inside { next }
/^  - - / { count += 1; printf "%s", quoted(value(substr($0, 7))) > (folder "/" count); next }
/^    - / { printf " %s", quoted(value(substr($0, 7))) > (folder "/" count); next }
/^  - /   { count += 1; printf "%s", value(substr($0, 5)) > (folder "/" count) }
